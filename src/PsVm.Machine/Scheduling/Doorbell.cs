using System.Diagnostics;
using System.Runtime.InteropServices;

namespace PsVm.Machine.Scheduling;

/// <summary>
/// What one thread sleeps on and others ring, with a timeout finer than .NET's milliseconds. A ring before the wait counts.
/// </summary>
/// <remarks>Source: Linux manual page futex(2).</remarks>
internal sealed unsafe partial class Doorbell : IDisposable
{
    private const int WaitPrivate = 128, WakePrivate = 129;

    // The kernel wants an address that stays.
    private readonly int* _rung = (int*)NativeMemory.AllocZeroed(sizeof(int));

    private static nint FutexNumber => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 202 : 98;

    /// <summary>Ends the wait, or the next one.</summary>
    public void Ring()
    {
        if (Interlocked.Exchange(ref *_rung, 1) == 0)
        {
            _ = Futex(FutexNumber, _rung, WakePrivate, 1, null);
        }
    }

    /// <summary>Waits until it is rung or the time has come.</summary>
    /// <param name="until">As <see cref="Stopwatch.GetTimestamp"/> counts; <see cref="long.MaxValue"/>: only a ring ends the wait.</param>
    public void Wait(long until)
    {
        while (Interlocked.Exchange(ref *_rung, 0) == 0)
        {
            if (until == long.MaxValue)
            {
                _ = Futex(FutexNumber, _rung, WaitPrivate, 0, null);
                continue;
            }

            TimeSpan left = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), until);
            if (left <= TimeSpan.Zero)
            {
                return;
            }

            var timeout = new Timespec
            {
                Seconds = left.Ticks / TimeSpan.TicksPerSecond,
                Nanoseconds = left.Ticks % TimeSpan.TicksPerSecond * TimeSpan.NanosecondsPerTick,
            };
            _ = Futex(FutexNumber, _rung, WaitPrivate, 0, &timeout);
        }
    }

    public void Dispose() => NativeMemory.Free(_rung);

    // Its errors (woken by a signal, rung meanwhile, time is up) all mean: look again.
    [LibraryImport("libc", EntryPoint = "syscall")]
    private static partial nint Futex(nint number, int* address, int operation, int value, Timespec* timeout);
}
