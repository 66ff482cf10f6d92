using System.Diagnostics;
using PsVm.Machine.State;
using PsVm.Riscv;

namespace PsVm.Machine.Board;

/// <summary>A guest's time: the host's monotonic clock, less the time that the guest was held.</summary>
/// <remarks>Pause and Resume are called while no hart runs; Now from any thread.</remarks>
internal sealed class GuestClock : IGuestClock, IStateful
{
    private const long Running = -1;

    private static readonly double s_ticksPerStamp = (double)MemoryMap.TimebaseFrequency / Stopwatch.Frequency;

    private long _zero = Stopwatch.GetTimestamp();
    private long _pausedAt = Running;
    private ulong _ticksAtZero;

    public ulong Frequency => MemoryMap.TimebaseFrequency;

    public ulong Now
    {
        get
        {
            long pausedAt = Volatile.Read(ref _pausedAt);
            long stamp = pausedAt == Running ? Stopwatch.GetTimestamp() : pausedAt;
            return Volatile.Read(ref _ticksAtZero) + (ulong)((stamp - Volatile.Read(ref _zero)) * s_ticksPerStamp);
        }
    }

    /// <summary>When the clock, which runs, will have come to a time, as <see cref="Stopwatch.GetTimestamp"/> counts.</summary>
    /// <returns><see cref="long.MaxValue"/>: never.</returns>
    public long StampAt(ulong time)
    {
        long stamp = Stopwatch.GetTimestamp();
        ulong now = Now;
        double left = time <= now ? 0 : Math.Ceiling((time - now) / s_ticksPerStamp);
        return left < long.MaxValue - stamp ? stamp + (long)left : long.MaxValue;
    }

    /// <summary>Stops the clock.</summary>
    public void Pause() => Interlocked.CompareExchange(ref _pausedAt, Stopwatch.GetTimestamp(), Running);

    /// <summary>Takes the time from a template, or to it.</summary>
    public void Transfer(StateStream state)
    {
        ulong now = Now;
        state.Transfer(ref now);
        if (state.IsReading)
        {
            long stamp = Volatile.Read(ref _pausedAt) is var pausedAt and not Running ? pausedAt : Stopwatch.GetTimestamp();
            Volatile.Write(ref _zero, stamp);
            Volatile.Write(ref _ticksAtZero, now);
        }
    }

    /// <summary>Lets it go on from where it stopped.</summary>
    public void Resume()
    {
        long pausedAt = Interlocked.Exchange(ref _pausedAt, Running);
        if (pausedAt != Running)
        {
            Interlocked.Add(ref _zero, Stopwatch.GetTimestamp() - pausedAt);
        }
    }
}
