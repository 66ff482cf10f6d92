namespace PsVm.Riscv.Tests;

/// <summary>
/// Runs every ELF in the folder named by PSVM_RISCV_TESTS, to the <c>tohost</c> convention of the public ISA tests
/// (riscv-software-src/riscv-tests): the program stores 1 there when it passes, else the number of the failed case times two plus one.
/// </summary>
public class IsaTests
{
    private const string Folder = "PSVM_RISCV_TESTS";
    private const ulong Budget = 20_000_000;
    private static readonly TranslatorOptions AtFirstSight = new() { Threshold = 1 };

    /// <summary>How the programs run: each tier alone, and both in lock-step.</summary>
    public enum Tier
    {
        Interpreter,
        Translator,
        LockStep,
    }

    public static TheoryData<string, Tier> Programs()
    {
        string? folder = Environment.GetEnvironmentVariable(Folder);
        IEnumerable<string> names = Directory.Exists(folder)
            ? Directory.GetFiles(folder).Where(IsElf).Select(Path.GetFileName).Order(StringComparer.Ordinal)!
            : [""];
        var data = new TheoryData<string, Tier>();
        foreach (string name in names)
        {
            foreach (Tier tier in Enum.GetValues<Tier>())
            {
                data.Add(name, tier);
            }
        }

        return data;
    }

    [SkippableTheory]
    [MemberData(nameof(Programs))]
    public void Passes(string program, Tier tier)
    {
        Skip.If(program.Length == 0, $"{Folder} names no folder of ISA test programs");
        Skip.IfNot(tier == Tier.Interpreter || Translation.HostBackEnd.IsSupported, "this host runs no translated code");
        byte[] elf = File.ReadAllBytes(Path.Combine(Environment.GetEnvironmentVariable(Folder)!, program));
        using var cache = new CodeCache(tier == Tier.Interpreter ? TranslatorOptions.Off : AtFirstSight);
        using var decoded = new CodeCache(TranslatorOptions.Off);
        using var machine = new TestMachine(code: cache, isa: IsaProfile.Full);
        using var reference = new TestMachine(code: decoded, isa: IsaProfile.Full);
        ulong tohost = machine.LoadElf(elf, "tohost");
        reference.LoadElf(elf, "tohost");
        machine.FixedTime = reference.FixedTime = tier == Tier.LockStep ? 0 : null;
        var lockStep = new LockStep(reference.Hart, machine.Hart);
        while (machine.ReadRam(tohost) == 0 && machine.Hart.InstructionsRetired < Budget)
        {
            if (tier == Tier.LockStep)
            {
                Assert.Null(lockStep.Run(10_000));
            }
            else
            {
                machine.Hart.Run(10_000);
            }
        }

        ulong result = machine.ReadRam(tohost);
        Assert.True(
            result == 1,
            result == 0
                ? $"no result after {Budget} instructions, pc 0x{machine.Hart.Pc:x}"
                : $"case {result >> 1} failed (tohost {result})");
    }

    private static bool IsElf(string path)
    {
        using FileStream file = File.OpenRead(path);
        Span<byte> magic = stackalloc byte[4];
        return file.Read(magic) == 4 && magic.SequenceEqual("\u007fELF"u8);
    }
}
