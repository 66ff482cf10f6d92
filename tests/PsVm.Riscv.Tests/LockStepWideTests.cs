using Xunit.Abstractions;

namespace PsVm.Riscv.Tests;

/// <summary>
/// Loops over several pages, with calls and returns inside, in lock-step. PSVM_TEST_SEED repeats a run, PSVM_RANDOM_PROGRAMS says how many
/// there are.
/// </summary>
public sealed class LockStepWideTests(ITestOutputHelper output)
{
    private const int Instructions = 12_000;

    [SkippableTheory]
    [InlineData(1, 40)]
    [InlineData(1, 1500)]
    [InlineData(3, 2000)]
    public void BothTiersAgree(int threshold, int maxBudget)
    {
        Skip.IfNot(Translation.HostBackEnd.IsSupported, "this host runs no translated code");
        int seed = int.Parse(Environment.GetEnvironmentVariable("PSVM_TEST_SEED") ?? Random.Shared.Next().ToString());
        int programs = int.Parse(Environment.GetEnvironmentVariable("PSVM_RANDOM_PROGRAMS") ?? "60");
        output.WriteLine($"PSVM_TEST_SEED={seed}");
        int wide = 0, paged = 0;
        ulong traps = 0;
        for (int program = 0; program < programs; program++)
        {
            using CodeCache decoded = new(TranslatorOptions.Off);
            using CodeCache translated = new(new TranslatorOptions
            {
                Threshold = threshold,
                LoopThreshold = 1,
                MostLoopEntries = program % 4 == 0 ? 3 : int.MaxValue,
                Observer = made =>
                {
                    wide += made.Loop?.IsWide == true ? 1 : 0;
                    paged += made.Loop?.OtherPages.Count > 0 ? 1 : 0;
                },
            });
            using TestMachine reference = Machine(decoded, seed, program), subject = Machine(translated, seed, program);
            LockStepDifference? difference = new LockStep(reference.Hart, subject.Hart, maxBudget).Run(Instructions);
            Assert.True(difference is null, $"PSVM_TEST_SEED={seed}, program {program}: {difference}");
            Assert.True(reference.Ram.SequenceEqual(subject.Ram), $"PSVM_TEST_SEED={seed}, program {program}: memory differs");
            Assert.True(translated.Usage.Failures == 0, $"PSVM_TEST_SEED={seed}, program {program}: {translated.Usage.LastFailure}");
            traps += reference.Hart.Traps;
        }

        output.WriteLine($"{wide} loops with calls or pages, {paged} over several pages, {traps} traps");
        Assert.NotEqual(0ul, traps);
        Assert.True(threshold > 1 || (wide > programs / 4 && paged > programs / 4), $"of {programs} programs {wide} and {paged} loops");
    }

    private static TestMachine Machine(CodeCache code, int seed, int program)
    {
        var machine = new TestMachine(code: code) { FixedTime = 0 };
        new WideProgram(new Dice(seed, program)).Prepare(machine);
        return machine;
    }
}
