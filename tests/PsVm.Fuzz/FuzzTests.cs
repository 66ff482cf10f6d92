using PsVm.Riscv.Translation;

namespace PsVm.Fuzz;

/// <summary>The short run of each target. A target is a process that keeps one CPU busy, so two classes have half of them each.</summary>
public static class FuzzTests
{
#if DEBUG
    private const int Seed = 1;
#else
    private const int Seed = 2; // other cases than with assertions
#endif

    public static TheoryData<string> Names(int half) =>
        new(FuzzTargets.All.Where((_, index) => index % 2 == half).Select(target => target.Name));

    private static void FindNothing(string name)
    {
        Skip.If(name is "sharing" or "parallel" && !HostBackEnd.IsSupported, "this host runs no translated code");
        FuzzTargetEntry target = FuzzTargets.Find(name);
        Assert.Empty(FuzzRun.Run(new FuzzOptions { Target = name, Seed = Seed, Cases = target.ShortRun }));
    }

    public class OneHalf
    {
        [SkippableTheory]
        [MemberData(nameof(Names), 0, MemberType = typeof(FuzzTests))]
        public void NothingIsFound(string name) => FindNothing(name);
    }

    public class OtherHalf
    {
        [SkippableTheory]
        [MemberData(nameof(Names), 1, MemberType = typeof(FuzzTests))]
        public void NothingIsFound(string name) => FindNothing(name);
    }
}
