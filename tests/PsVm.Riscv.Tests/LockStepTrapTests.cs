using Xunit.Abstractions;

namespace PsVm.Riscv.Tests;

/// <summary>
/// Traps and returns, in lock-step (<see cref="TrapGuest"/>): translated code takes them by itself, as the interpreter does.
/// </summary>
public class LockStepTrapTests(ITestOutputHelper output)
{
    private const InterruptLines Software = InterruptLines.SupervisorSoftware;

    [SkippableTheory]
    [ClassData(typeof(LockStepRuns))]
    public void ProgramsThatTrapAgree(int threshold, int maxBudget) =>
        Compare(threshold, maxBudget, (lockStep, _, _) => lockStep.Run(6_000));

    [SkippableTheory]
    [ClassData(typeof(LockStepRuns))]
    public void InterruptsAreTakenAtTheSameInstructions(int threshold, int maxBudget) =>
        Compare(threshold, maxBudget, (lockStep, harts, dice) =>
    {
        LockStepDifference? difference = null;
        for (int turn = 0; turn < (maxBudget > 100 ? 60 : 300) && difference is null; turn++)
        {
            bool level = dice.OneIn(2);
            Array.ForEach(harts, hart => hart.SetInterrupt(Software, level));
            difference = lockStep.Run((ulong)dice.Next(1, 40));
        }

        return difference;
    });

    private void Compare(int threshold, int maxBudget, Func<LockStep, Hart[], Dice, LockStepDifference?> run)
    {
        Skip.IfNot(Translation.HostBackEnd.IsSupported, "this host runs no translated code");
        ulong wanted = ulong.Parse(Environment.GetEnvironmentVariable("PSVM_RANDOM_INSTRUCTIONS") ?? "0") / 12;
        int seed = int.Parse(Environment.GetEnvironmentVariable("PSVM_TEST_SEED") ?? Random.Shared.Next().ToString());
        output.WriteLine($"PSVM_TEST_SEED={seed}");
        ulong done = 0, traps = 0;
        for (int program = 0; program < 30 || done < wanted; program++)
        {
            using CodeCache decoded = new(TranslatorOptions.Off);
            using CodeCache translated = new(new TranslatorOptions { Threshold = threshold });
            using TestMachine reference = TrapGuest.Make(decoded, seed, program), subject = TrapGuest.Make(translated, seed, program);
            var lockStep = new LockStep(reference.Hart, subject.Hart, maxBudget);
            LockStepDifference? difference = run(lockStep, [reference.Hart, subject.Hart], new Dice(seed + 1, program));
            Assert.True(difference is null, $"PSVM_TEST_SEED={seed}, program {program}: {difference}");
            Assert.True(reference.Ram.SequenceEqual(subject.Ram), $"PSVM_TEST_SEED={seed}, program {program}: memory differs");
            done += reference.Hart.InstructionsRetired;
            traps += reference.Hart.Traps;
        }

        output.WriteLine($"{done} instructions, {traps} traps");
        Assert.True(traps > 5_000, $"the programs trapped {traps} times");
    }
}
