using System.Diagnostics;
using PsVm.Memory.Native;

namespace PsVm.Machine.Scheduling;

/// <summary>
/// What one thread sleeps on and others ring, with a timeout finer than .NET's milliseconds. A ring before the wait counts.
/// </summary>
/// <remarks>
/// Source: Linux manual page futex(2). Safety: the word stays where it is, for it is pinned, as long as somebody is in a method.
/// </remarks>
internal sealed unsafe class Doorbell
{
    // The kernel wants an address that stays.
    private readonly int[] _rung = GC.AllocateArray<int>(1, pinned: true);

    /// <summary>Ends the wait, or the next one.</summary>
    public void Ring()
    {
        fixed (int* rung = _rung)
        {
            if (Interlocked.Exchange(ref *rung, 1) == 0)
            {
                KernelCalls.WakeOne(rung);
            }
        }
    }

    /// <summary>Waits until it is rung or the time has come.</summary>
    /// <param name="until">As <see cref="Stopwatch.GetTimestamp"/> counts; <see cref="long.MaxValue"/>: only a ring ends the wait.</param>
    public void Wait(long until)
    {
        fixed (int* rung = _rung)
        {
            while (Interlocked.Exchange(ref *rung, 0) == 0)
            {
                if (until == long.MaxValue)
                {
                    KernelCalls.WaitWhile(rung, 0, null);
                    continue;
                }

                TimeSpan left = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), until);
                if (left <= TimeSpan.Zero)
                {
                    return;
                }

                KernelCalls.WaitWhile(rung, 0, left);
            }
        }
    }
}
