using System.Runtime.InteropServices;

namespace PsVm.Memory.Tests.Support;

/// <summary>One kind of system call that fails: by its number (x86-64), and by bits of its arguments' low halves.</summary>
/// <param name="Number">The call.</param>
/// <param name="Error">The errno it fails with.</param>
/// <param name="Arguments">What all must hold: which argument, which of its bits, and what they are.</param>
internal sealed record RefusedCall(uint Number, uint Error, params (int Index, uint Mask, uint Value)[] Arguments)
{
    public const uint Mmap = 9, Fcntl = 72, Truncate = 77, MemfdCreate = 319;
    public const uint NotPermitted = 1, NoMemory = 12, NoAccess = 13, Invalid = 22, NoSpace = 28;
}

/// <summary>Lets the kernel refuse system calls of one thread, as the seccomp filter of a container does.</summary>
/// <remarks>Source: the kernel's userspace-api/seccomp_filter.rst. Threads made by that thread inherit the filter.</remarks>
internal static unsafe partial class SystemCallFilter
{
    private const ushort Load = 0x20, And = 0x54, JumpIfEqual = 0x15, Return = 0x06; // BPF_LD|W|ABS, ALU|AND|K, JMP|JEQ|K, RET|K
    private const uint Allow = 0x7fff0000, Fail = 0x00050000; // SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO
    private const int SetNoNewPrivileges = 38, SetSeccomp = 22, FilterMode = 2;

    /// <summary>Runs on a thread of its own that cannot make these calls; skips where there are no such filters.</summary>
    public static void Run(Action action, params RefusedCall[] calls)
    {
        Skip.IfNot(
            OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64,
            "the filter has the numbers of x86-64 Linux");
        string? refusal = null;
        OwnThread.Run(() =>
        {
            refusal = Install(calls);
            if (refusal is null)
            {
                action();
            }
        });
        Skip.IfNot(refusal is null, $"no filter of system calls: {refusal}");
    }

    private static string? Install(RefusedCall[] calls)
    {
        List<Instruction> program = [];
        foreach (RefusedCall call in calls)
        {
            List<Instruction> rule = [new(Load, 0), new(JumpIfEqual, call.Number)];
            foreach ((int index, uint mask, uint value) in call.Arguments)
            {
                rule.AddRange([new(Load, 16 + (8 * (uint)index)), new(And, mask), new(JumpIfEqual, value)]);
            }

            rule.Add(new(Return, Fail | call.Error));
            for (int i = 0; i < rule.Count; i++)
            {
                // Where it does not hold: to the next rule.
                program.Add(rule[i].Code == JumpIfEqual ? rule[i] with { IfFalse = (byte)(rule.Count - i - 1) } : rule[i]);
            }
        }

        program.Add(new(Return, Allow));
        fixed (Instruction* instructions = program.ToArray())
        {
            Program whole = new() { Length = (ushort)program.Count, Instructions = instructions };
            return PrCtl(SetNoNewPrivileges, 1, 0, 0, 0) != 0 || PrCtl(SetSeccomp, FilterMode, (nint)(&whole), 0, 0) != 0
                ? Marshal.GetLastPInvokeErrorMessage()
                : null;
        }
    }

    [LibraryImport("libc", EntryPoint = "prctl", SetLastError = true)]
    private static partial int PrCtl(int option, nint second, nint third, nint fourth, nint fifth);

    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct Instruction(ushort Code, byte IfTrue, byte IfFalse, uint Operand)
    {
        public Instruction(ushort code, uint operand)
            : this(code, 0, 0, operand)
        {
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Program
    {
        public ushort Length;
        public Instruction* Instructions;
    }
}
