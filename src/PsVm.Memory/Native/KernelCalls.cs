using System.Runtime.InteropServices;
using Mono.Unix.Native;
using PsVm.Memory.Mapping;

namespace PsVm.Memory.Native;

/// <summary>
/// What other projects ask of the kernel and neither .NET nor Mono.Posix has: libc is bound in this folder alone. Each that can fail
/// answers with errno, 0 for success.
/// </summary>
public static class KernelCalls
{
    private const uint NoReplace = 1; // RENAME_NOREPLACE
    private const uint Exchange = 2; // RENAME_EXCHANGE
    private const int LockExclusive = 2; // LOCK_EX
    private const int LockRelease = 8; // LOCK_UN
    private const int LockNonBlocking = 4; // LOCK_NB
    private const int WaitPrivate = 128, WakePrivate = 129; // FUTEX_PRIVATE_FLAG with FUTEX_WAIT, FUTEX_WAKE
    private const int ThreadCpuClock = 3; // CLOCK_THREAD_CPUTIME_ID
    private const int OfThread = 1; // RUSAGE_THREAD

    private static readonly nint s_futex = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 202 : 98;

    // Page faults that this thread has told of.
    [ThreadStatic]
    private static long s_faultsTold;

    /// <summary>Makes errno of Mono.Posix's calls reliable; to be called before the first of them.</summary>
    /// <remarks>
    /// What marshals a path is cleaned up after the call, and what is initialised for that the first time calls libc itself: the first
    /// failure of a process had errno 0. Here it is the one that nobody asks about.
    /// </remarks>
    public static void KeepFirstErrno() => _ = Syscall.stat(string.Empty, out _);

    /// <summary>
    /// Whether pages of this process, by their addresses, are in memory as those of a file that nobody has written by this mapping.
    /// </summary>
    /// <returns>False for each where the kernel does not tell.</returns>
    public static bool[] AreFilePages(nint[] pages) => PageMap.AreFiles(pages);

    /// <summary>Renames to a name that must be free (renameat2(2)).</summary>
    /// <param name="from">The name.</param>
    /// <param name="to">The new one.</param>
    public static int RenameNew(string from, string to) => (int)Errors.Of(LibC.RenameAt2(LibC.AtFdCwd, from, LibC.AtFdCwd, to, NoReplace));

    /// <summary>Lets two names change places (renameat2(2)).</summary>
    /// <param name="one">One of them.</param>
    /// <param name="other">The other.</param>
    public static int Swap(string one, string other) => (int)Errors.Of(LibC.RenameAt2(LibC.AtFdCwd, one, LibC.AtFdCwd, other, Exchange));

    /// <summary>Locks an open file against all others, without waiting (flock(2)).</summary>
    /// <param name="descriptor">The file, or folder; the lock goes with its last descriptor.</param>
    public static int Lock(int descriptor) => (int)Errors.Of(LibC.FLock(descriptor, LockExclusive | LockNonBlocking));

    /// <summary>
    /// Takes that lock away, from copies of the descriptor too, which a process that another thread is starting just now has.
    /// </summary>
    /// <param name="descriptor">The file.</param>
    public static int Unlock(int descriptor) => (int)Errors.Of(LibC.FLock(descriptor, LockRelease));

    /// <summary>Sleeps while a word has a value, until it is woken; it may wake before (futex(2)).</summary>
    /// <param name="word">The word.</param>
    /// <param name="value">The value.</param>
    /// <param name="longest">Sleeps no longer than that; null: as long as it takes.</param>
    /// <remarks>Safety: the word is four bytes, aligned, and stays where it is until the call returns.</remarks>
    public static unsafe void WaitWhile(int* word, int value, TimeSpan? longest)
    {
        // Its errors (a signal came, the word has another value, time is up) all mean: look again.
        if (longest is { } time)
        {
            LibC.Timespec timeout = new()
            {
                Seconds = time.Ticks / TimeSpan.TicksPerSecond,
                Nanoseconds = time.Ticks % TimeSpan.TicksPerSecond * TimeSpan.NanosecondsPerTick,
            };
            _ = LibC.Futex(s_futex, word, WaitPrivate, value, &timeout);
        }
        else
        {
            _ = LibC.Futex(s_futex, word, WaitPrivate, value, null);
        }
    }

    /// <summary>Wakes a thread that sleeps on a word (futex(2)).</summary>
    /// <param name="word">The word.</param>
    /// <remarks>Safety: the word is in memory of this process; the kernel reads its address alone.</remarks>
    public static unsafe void WakeOne(int* word) => _ = LibC.Futex(s_futex, word, WakePrivate, 1, null);

    /// <summary>Fills a span with random bytes of the kernel (getrandom(2)).</summary>
    /// <param name="bytes">The span.</param>
    /// <exception cref="IOException">The kernel gives none.</exception>
    public static void FillRandom(Span<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            nint count = LibC.GetRandom(bytes, (nuint)bytes.Length, 0);
            Errno error = Errors.Of(count);
            if (error is not (0 or Errno.EINTR))
            {
                throw new IOException($"getrandom: {Errors.Describe(error)}", (int)error);
            }

            bytes = bytes[(int)Math.Max(count, 0)..];
        }
    }

    /// <summary>Host CPU time of the calling thread, user's and kernel's, since it began (clock_gettime(2)).</summary>
    public static TimeSpan ThreadCpuTime
    {
        get
        {
            // It cannot fail: the clock exists on every Linux.
            _ = LibC.ClockGetTime(ThreadCpuClock, out LibC.Timespec time);
            return new TimeSpan((time.Seconds * TimeSpan.TicksPerSecond) + (time.Nanoseconds / TimeSpan.NanosecondsPerTick));
        }
    }

    /// <summary>
    /// Page faults of the calling thread since it asked last, those that had to wait for a disk included (getrusage(2)). A page that comes
    /// to be in memory, or a copy of one, takes a fault of whoever touches it.
    /// </summary>
    public static long TakeThreadPageFaults()
    {
        _ = LibC.GetResourceUsage(OfThread, out LibC.ResourceUsage usage); // cannot fail, as above
        long faults = usage.MinorFaults + usage.MajorFaults;
        long since = faults - s_faultsTold;
        s_faultsTold = faults;
        return since;
    }
}
