namespace PsVm.Riscv.Tests;

/// <summary>
/// A run that looks up page after page, each of which the host may have to find first, ends in time and not by its budget alone.
/// </summary>
public sealed class LongestRunTests
{
    private const ulong Ram = 64 << 20, First = TestMachine.RamBase + (1 << 20), Budget = 50_000_000;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_run_that_touches_page_after_page_ends_when_it_has_taken_long_enough_and_goes_on(bool translated)
    {
        using CodeCache code = new(translated ? TranslatorOptions.Default : TranslatorOptions.Off);
        using TestMachine machine = Walk(code, stride: 4096);
        machine.Hart.LongestRun = 1;

        for (int run = 0; run < 3; run++)
        {
            ulong before = machine.Hart.InstructionsRetired;
            Assert.Equal(HartExit.Budget, machine.Hart.Run(Budget));
            Assert.InRange(machine.Hart.InstructionsRetired - before, 1ul, Budget / 10);
        }

        machine.Hart.LongestRun = 0;
        ulong retired = machine.Hart.InstructionsRetired;
        Assert.Equal(HartExit.Budget, machine.Hart.Run(1_000_000));
        Assert.InRange(machine.Hart.InstructionsRetired - retired, 1_000_000ul, 1_100_000ul);
    }

    [Fact]
    public void A_run_in_pages_that_are_known_has_its_budget()
    {
        using CodeCache code = new();
        using TestMachine machine = Walk(code, stride: 0);
        machine.Hart.LongestRun = 1;

        Assert.Equal(HartExit.Budget, machine.Hart.Run(1_000_000));

        Assert.InRange(machine.Hart.InstructionsRetired, 1_000_000ul, 1_100_000ul);
    }

    /// <summary>A hart that stores at one place after the other, to the end of RAM, again and again.</summary>
    private static TestMachine Walk(CodeCache code, ulong stride)
    {
        TestMachine machine = new(Ram, code: code);
        machine.Program(
            TestMachine.RamBase,
            Asm.Add(Asm.T0, Asm.A0, Asm.Zero),
            Asm.Sd(Asm.T1, Asm.T0, 0),
            Asm.Add(Asm.T0, Asm.T0, Asm.T1),
            Asm.Bne(Asm.T0, Asm.T2, -8),
            Asm.Jal(Asm.Zero, -16));
        machine.Hart[Asm.A0] = First;
        machine.Hart[Asm.T1] = stride;
        machine.Hart[Asm.T2] = TestMachine.RamBase + Ram;
        return machine;
    }
}
