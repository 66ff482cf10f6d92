using System.Runtime.InteropServices;

namespace PsVm.Machine.Tests.RamFaults;

/// <summary>Errors of the host's memory.</summary>
internal static unsafe partial class HostMemoryError
{
    private const int Poison = 100; // MADV_HWPOISON
    private const int SigBus = 7, ErrorOnAccess = 4; // BUS_MCEERR_AR
    private const nint ThreadQueueSignal = 297, GetThreadId = 186; // rt_tgsigqueueinfo(2), gettid(2) on x86-64

    /// <summary>Has the kernel treat a page as if its memory had an error (madvise(2)).</summary>
    /// <returns>Why it cannot; null: it does.</returns>
    public static string? Inject(nint page) => Madvise(page, 4096, Poison) == 0 ? null : $"madvise: {Marshal.GetLastPInvokeErrorMessage()}";

    /// <summary>Has the kernel send this thread the signal of such an error, as force_sig_mceerr() makes it.</summary>
    /// <returns>Why it cannot; null: it did, and the thread was in the handler.</returns>
    public static string? Announce(nint page)
    {
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            return "the numbers of system calls are those of x86-64";
        }

        SignalInfo info = new() { Signal = SigBus, Code = ErrorOnAccess, Address = page, AddressBit = 12 };
        return Call(ThreadQueueSignal, Environment.ProcessId, Call(GetThreadId, 0, 0, 0, null), SigBus, &info) == 0
            ? null
            : $"rt_tgsigqueueinfo: {Marshal.GetLastPInvokeErrorMessage()}";
    }

    [LibraryImport("libc", EntryPoint = "madvise", SetLastError = true)]
    private static partial int Madvise(nint address, nuint length, int advice);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint Call(nint number, nint a, nint b, nint c, SignalInfo* info);

    /// <summary>siginfo_t of a SIGBUS.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 128)]
    private struct SignalInfo
    {
        public int Signal;
        public int Error;
        public int Code;
        public nint Address;
        public short AddressBit;
    }
}
