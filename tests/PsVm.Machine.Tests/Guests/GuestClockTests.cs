using System.Diagnostics;
using PsVm.Machine.Board;

namespace PsVm.Machine.Tests.Guests;

public class GuestClockTests
{
    private readonly GuestClock _clock = new();

    [Fact]
    public void It_goes_forward()
    {
        ulong before = _clock.Now;
        SpinWait.SpinUntil(() => _clock.Now > before);

        Assert.Equal(10_000_000ul, _clock.Frequency);
    }

    [Fact]
    public void It_stands_still_while_paused_and_goes_on_from_there()
    {
        _clock.Pause();
        ulong paused = _clock.Now;
        Thread.Sleep(20);
        Assert.Equal(paused, _clock.Now);
        _clock.Pause();
        Assert.Equal(paused, _clock.Now);

        long before = Stopwatch.GetTimestamp();
        _clock.Resume();
        ulong resumed = _clock.Now;
        TimeSpan sinceResume = Stopwatch.GetElapsedTime(before);
        Assert.InRange(TimeSpan.FromTicks((long)(resumed - paused)), TimeSpan.Zero, sinceResume + TimeSpan.FromTicks(1));
        SpinWait.SpinUntil(() => _clock.Now > resumed);
    }

    [Fact]
    public void Resuming_a_clock_that_runs_does_nothing()
    {
        ulong before = _clock.Now;
        _clock.Resume();

        Assert.True(_clock.Now >= before);
    }
}
