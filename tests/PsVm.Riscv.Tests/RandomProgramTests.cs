using Xunit.Abstractions;

namespace PsVm.Riscv.Tests;

/// <summary>
/// Random programs (<see cref="RandomProgram"/>) in lock-step. PSVM_RANDOM_INSTRUCTIONS says how many instructions, PSVM_TEST_SEED
/// repeats a run.
/// </summary>
public unsafe class RandomProgramTests(ITestOutputHelper output)
{
    private const int RamSize = RandomProgram.RamSize;

    private readonly RandomProgram _program = new();

    [SkippableFact]
    public void BothTiersAgree()
    {
        Skip.IfNot(Translation.HostBackEnd.IsSupported, "this host runs no translated code");
        ulong wanted = ulong.Parse(Environment.GetEnvironmentVariable("PSVM_RANDOM_INSTRUCTIONS") ?? "2500000");
        int seed = int.Parse(Environment.GetEnvironmentVariable("PSVM_TEST_SEED") ?? Random.Shared.Next().ToString());
        output.WriteLine($"PSVM_TEST_SEED={seed}");
        using var caches = new Caches();
        using var reference = new TestMachine(RamSize, code: caches.Decoded, isa: IsaProfile.Full) { FixedTime = 0 };
        using var atFirstSight = new TestMachine(RamSize, code: caches.Translated, isa: IsaProfile.Full) { FixedTime = 0 };
        using var warmedUp = new TestMachine(RamSize, code: caches.TranslatedLater, isa: IsaProfile.Full) { FixedTime = 0 };
        ulong done = 0, traps = 0;
        for (int program = 0; done < wanted; program++)
        {
            TestMachine subject = program % 4 == 3 ? warmedUp : atFirstSight;
            (ulong before, ulong trapsBefore) = (reference.Hart.InstructionsRetired, reference.Hart.Traps);
            string? difference = Run(reference, subject, seed, program, maxBudget: 200);
            if (difference is not null)
            {
                // Block by block it shows where it arises, unless it needs the long runs.
                using var again = new TestMachine(RamSize, code: caches.Decoded, isa: IsaProfile.Full) { FixedTime = 0 };
                using var suspect = new TestMachine(RamSize, code: caches.Translated, isa: IsaProfile.Full) { FixedTime = 0 };
                string? precise = Run(again, suspect, seed, program, maxBudget: 1);
                Assert.Fail($"PSVM_TEST_SEED={seed}, program {program}: {difference}; block by block: {precise ?? "they agree"}");
            }

            done += reference.Hart.InstructionsRetired - before;
            traps += reference.Hart.Traps - trapsBefore;
        }

        output.WriteLine($"{done} instructions, {traps} traps");
    }

    private string? Run(TestMachine reference, TestMachine subject, int seed, int program, int maxBudget)
    {
        const ulong Length = 8_000;
        var dice = new Dice(seed, program);
        _program.Prepare(reference.Hart, reference.Memory, reference.Ram, dice, program);
        subject.Hart.Restore(reference.Hart.Save());
        subject.Hart.State->ReservedHost = reference.Hart.State->ReservedHost = 0;
        reference.Ram.CopyTo(subject.Ram);
        subject.Memory.NotifyWritten(TestMachine.RamBase, RamSize);
        string? difference = new LockStep(reference.Hart, subject.Hart, maxBudget).Run(Length)?.ToString();
        return difference ?? (reference.Ram.SequenceEqual(subject.Ram)
            ? null
            : $"memory differs from 0x{TestMachine.RamBase + (ulong)reference.Ram.CommonPrefixLength(subject.Ram):x} on");
    }

    /// <summary>Code for each way of running it: decoded, translated at once, and translated when it has run a few times.</summary>
    private sealed class Caches : IDisposable
    {
        public CodeCache Decoded { get; } = new(TranslatorOptions.Off);

        public CodeCache Translated { get; } = new(new TranslatorOptions { Threshold = 1 });

        public CodeCache TranslatedLater { get; } = new(new TranslatorOptions { Threshold = 3 });

        public void Dispose()
        {
            Decoded.Dispose();
            Translated.Dispose();
            TranslatedLater.Dispose();
        }
    }
}
