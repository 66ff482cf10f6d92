namespace PsVm.Riscv.Tests;

/// <summary>
/// Runs every ELF in the folder named by PSVM_RISCV_TESTS, to the <c>tohost</c> convention of the public ISA tests
/// (riscv-software-src/riscv-tests): the program stores 1 there when it passes, else the number of the failed case times two plus one.
/// </summary>
public class IsaTests
{
    private const string Folder = "PSVM_RISCV_TESTS";
    private const ulong Budget = 20_000_000;

    public static TheoryData<string> Programs()
    {
        string? folder = Environment.GetEnvironmentVariable(Folder);
        IEnumerable<string> names = Directory.Exists(folder)
            ? Directory.GetFiles(folder).Where(IsElf).Select(Path.GetFileName).Order(StringComparer.Ordinal)!
            : [""];
        return new TheoryData<string>(names);
    }

    [SkippableTheory]
    [MemberData(nameof(Programs))]
    public void Passes(string program)
    {
        Skip.If(program.Length == 0, $"{Folder} names no folder of ISA test programs");
        byte[] elf = File.ReadAllBytes(Path.Combine(Environment.GetEnvironmentVariable(Folder)!, program));
        using var machine = new TestMachine();
        ulong tohost = machine.LoadElf(elf, "tohost");
        while (machine.ReadRam(tohost) == 0 && machine.Hart.InstructionsRetired < Budget)
        {
            machine.Hart.Run(10_000);
        }

        ulong result = machine.ReadRam(tohost);
        Assert.True(
            result == 1,
            result == 0 ? $"no result after {Budget} instructions, pc 0x{machine.Hart.Pc:x}" : $"case {result >> 1} failed (tohost {result})");
    }

    private static bool IsElf(string path)
    {
        using FileStream file = File.OpenRead(path);
        Span<byte> magic = stackalloc byte[4];
        return file.Read(magic) == 4 && magic.SequenceEqual("\u007fELF"u8);
    }
}
