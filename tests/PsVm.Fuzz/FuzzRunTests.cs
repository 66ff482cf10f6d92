using PsVm.Fuzz.Targets;

namespace PsVm.Fuzz;

/// <summary>What the fuzzer itself is worth.</summary>
public class FuzzRunTests
{
    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(1);

    [Fact]
    public void WhatDoesNothingWrongIsNoFinding() => Assert.Empty(FuzzRun.Run(new FuzzOptions { Target = "self-none", Cases = 8 }));

    [Theory]
    [InlineData("crash")]
    [InlineData("hang")]
    [InlineData("memory")]
    [InlineData("error")]
    [InlineData("wrong")]
    public void AMistakeIsFoundWithItsCase(string kind)
    {
        FuzzOptions options = new() { Target = $"self-{kind}", Seed = 7, Cases = SelfTestTarget.Case + 2 };
        Finding finding = Assert.Single(FuzzRun.Run(options));
        Assert.Equal(($"self-{kind}", 7, SelfTestTarget.Case, kind), (finding.Target, finding.Seed, (int)finding.Case, finding.Kind));
    }

    [Fact]
    public void ThereIsNoOtherTarget() => Assert.Throws<ArgumentException>(() => FuzzTargets.Find("weather"));

    [Fact]
    public void ACaseTakesWhatItUsesOrWaitsAndNotWhatOthersDo()
    {
        WorkerTime time = new();
        Assert.Equal(TimeSpan.Zero, time.Look(s_look, (TimeSpan.FromSeconds(30), false)));
        Assert.Equal(TimeSpan.Zero, time.Look(s_look, (TimeSpan.FromSeconds(30), false))); // it is ready, and others run
        Assert.Equal(TimeSpan.FromSeconds(3), time.Look(s_look, (TimeSpan.FromSeconds(33), false)));
        Assert.Equal(TimeSpan.FromSeconds(3), time.Look(s_look, (TimeSpan.FromSeconds(33), true)));
        time.Restart();
        Assert.Equal(s_look, time.Look(s_look, (TimeSpan.FromSeconds(33), true)));
        Assert.Equal(2 * s_look, time.Look(s_look, (TimeSpan.FromSeconds(33), true)));
    }

    [Fact]
    public void AProcessThatRunsDoesNotSleepAndUsesTime()
    {
        TimeSpan before = WorkerTime.Of(Environment.ProcessId).Used;
        Assert.True(SpinWait.SpinUntil(() => WorkerTime.Of(Environment.ProcessId).Used > before, TimeSpan.FromMinutes(2)));
        Assert.False(WorkerTime.Of(Environment.ProcessId).Sleeps);
    }
}
