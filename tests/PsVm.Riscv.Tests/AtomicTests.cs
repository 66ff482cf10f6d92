using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

public class AtomicTests
{
    private const ulong Code = TestMachine.RamBase, Data = Code + 0x10000;
    private const int Lr = 2, Sc = 3;

    [Fact]
    public void StoreConditionalNeedsItsReservation()
    {
        using var machine = new TestMachine();
        machine.Program(
            Code, Atomic(Sc, 3, A0, A1, A2), Atomic(Lr, 3, A3, A1, 0), Sd(A2, A1, 0), Atomic(Sc, 3, A4, A1, A2),
            Atomic(Lr, 3, A3, A1, 0), Atomic(Sc, 3, A5, A1, A2), Jal(Zero, 0));
        (machine.Hart[A1], machine.Hart[A2]) = (Data, 5);
        machine.Hart.Run(6);
        Assert.Equal((1ul, 1ul, 0ul), (machine.Hart[A0], machine.Hart[A4], machine.Hart[A5]));
    }

    [Fact]
    public void ATrapLosesTheReservation()
    {
        using var machine = new TestMachine();
        machine.Program(Code, Atomic(Lr, 3, A3, A1, 0), Ebreak);
        machine.Program(Code + 0x100, Atomic(Sc, 3, A0, A1, A2), Jal(Zero, 0));
        machine.Hart.TryWriteCsr(0x305, Code + 0x100);
        machine.Hart[A1] = Data;
        machine.Hart.Run(3);
        Assert.Equal(1ul, machine.Hart[A0]);
    }

    [Theory]
    [InlineData(0x10, 0xffff_ffff_8000_0000, 1ul, 0xffff_ffff_8000_0000)] // amomin.w
    [InlineData(0x14, 0xffff_ffff_8000_0000, 1ul, 1ul)] // amomax.w
    [InlineData(0x18, 0xffff_ffff_8000_0000, 1ul, 1ul)] // amominu.w
    [InlineData(0x1c, 0xffff_ffff_8000_0000, 1ul, 0xffff_ffff_8000_0000)] // amomaxu.w
    public void WordAtomicsCompareWordsAndExtendTheOldOne(int funct5, ulong memory, ulong operand, ulong stored)
    {
        using var machine = new TestMachine();
        machine.Program(Code, Atomic(funct5, 2, A0, A1, A2), Load(2, A3, A1, 0), Jal(Zero, 0));
        machine.WriteRam(Data, (uint)memory);
        (machine.Hart[A1], machine.Hart[A2]) = (Data, operand);
        machine.Hart.Run(3);
        Assert.Equal((memory, stored), (machine.Hart[A0], machine.Hart[A3]));
    }
}
