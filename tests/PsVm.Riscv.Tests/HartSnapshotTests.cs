using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

public class HartSnapshotTests
{
    private const ulong Code = TestMachine.RamBase;

    [Fact]
    public void ARestoredHartIsTheSavedOne()
    {
        using var machine = new TestMachine { FixedTime = 1000 };
        machine.Program(Code, Addi(A0, A0, 1), Jal(Zero, -4));
        foreach ((int number, ulong value) in new (int, ulong)[]
        {
            (0x300, 3ul << 13 | 1ul << 18), (0x30a, 1ul << 63), (0x303, 0x222), (0x304, 0x20), (0x344, 2), (0x14d, 5000), (0x105, Code + 1),
            (0x3b0, 0x2000_0000), (0x3b1, 0x3000_0000), (0x3a0, 0x8f0f), (0x003, 0xe3), (0x320, 1), (0xb02, 77), (0x180, 8ul << 60 | 9),
        })
        {
            Assert.True(machine.Hart.TryWriteCsr(number, value));
        }

        machine.Hart.SetFloat(3, 0x4000_0000_0000_0000);
        machine.Hart.Run(10);
        HartSnapshot saved = machine.Hart.Save();

        using var other = new Hart(0, machine.Memory, machine, machine);
        other.Restore(saved);
        HartSnapshot again = other.Save();
        Assert.Equal((saved.Pc, saved.Mode), (again.Pc, again.Mode));
        Assert.Equal(saved.Integers, again.Integers);
        Assert.Equal(saved.Floats, again.Floats);
        Assert.Equal(saved.Csrs, again.Csrs);
        Assert.Equal(5000ul, other.NextTimer);
    }

    /// <summary>Random programs found that a counter that stood still was one too far.</summary>
    [Theory]
    [InlineData(0, 0)]
    [InlineData(0, 5)]
    [InlineData(5, 0)]
    [InlineData(5, 5)]
    public void CountersAreWhatTheyWereWhetherTheyStandStillOrNot(ulong inhibitedBefore, ulong inhibited)
    {
        using var machine = new TestMachine { FixedTime = 1000 };
        machine.Program(Code, Addi(A0, A0, 1), Jal(Zero, -4));
        machine.Hart.TryWriteCsr(0xb02, 77);
        machine.Hart.TryWriteCsr(0x320, inhibited);
        HartSnapshot saved = machine.Hart.Save();

        machine.Hart.Run(10);
        machine.Hart.TryWriteCsr(0x320, inhibitedBefore);
        machine.Hart.Restore(saved);
        Assert.Equal(saved.Csrs, machine.Hart.Save().Csrs);
    }

    // 1 is what an empty place of the jump tables holds; at the last byte of RAM a half-word would reach beyond it.
    [Theory]
    [InlineData(1)]
    [InlineData(Code + 1)]
    [InlineData(Code + (8 << 20) - 1)]
    public void NoHartRunsFromAnOddAddress(ulong pc)
    {
        using var machine = new TestMachine();
        machine.Hart.Pc = pc;
        Assert.Equal(pc - 1, machine.Hart.Pc);
        Assert.Equal(HartExit.Budget, machine.Hart.Run(10));
    }

    [Fact]
    public void ASnapshotOfAnotherKindOfHartIsRefused()
    {
        using var machine = new TestMachine();
        HartSnapshot saved = machine.Hart.Save();
        Assert.Throws<ArgumentException>(() => machine.Hart.Restore(saved with { Csrs = [KeyValuePair.Create(0x7c0, 0ul)] }));
        Assert.Throws<ArgumentException>(() => machine.Hart.Restore(saved with { Integers = [] }));
        Assert.Throws<ArgumentException>(() => machine.Hart.Restore(saved with { Pc = Code + 1 }));
    }
}
