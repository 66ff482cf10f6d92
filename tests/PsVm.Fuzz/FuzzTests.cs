using PsVm.Fuzz.Targets;
using PsVm.Riscv.Translation;

namespace PsVm.Fuzz;

/// <summary>The short run of each target, and what the fuzzer itself is worth.</summary>
public class FuzzTests
{
    public static TheoryData<string> Names() => new(FuzzTargets.All.Select(target => target.Name));

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public void NothingIsFound(string name)
    {
        Skip.If(name is "sharing" or "parallel" && !HostBackEnd.IsSupported, "this host runs no translated code");
        FuzzTargetEntry target = FuzzTargets.Find(name);
        Assert.Empty(FuzzRun.Run(new FuzzOptions { Target = name, Cases = target.ShortRun }));
    }

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
}
