using System.Runtime.InteropServices;

namespace PsVm.Machine.Scheduling;

/// <summary>Host CPU time of the calling thread, which .NET does not tell.</summary>
internal static partial class ThreadCpuTime
{
    private const int ThreadCpuClock = 3; // CLOCK_THREAD_CPUTIME_ID

    /// <summary>User and kernel time since the thread began.</summary>
    public static TimeSpan Now
    {
        get
        {
            // It cannot fail: the clock exists on every Linux.
            _ = GetTime(ThreadCpuClock, out Timespec time);
            return new TimeSpan((time.Seconds * TimeSpan.TicksPerSecond) + (time.Nanoseconds / TimeSpan.NanosecondsPerTick));
        }
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    [SuppressGCTransition]
    private static partial int GetTime(int clock, out Timespec time);
}
