using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests.Extensions;

/// <summary>fflags read and written among what raises them, as FRFLAGS and FSFLAGS, which end no block, in either tier.</summary>
public class FloatFlagsTests
{
    private const int Fflags = 1, F1 = 1, F2 = 2, F3 = 3, Add = 0, Multiply = 2, Divide = 3, Compare = 0x14;
    private const ulong Inexact = 1, Underflow = 2, Overflow = 4, DivideByZero = 8, Invalid = 16, All = 31, Initial = 1, Dirty = 3;

    public static TheoryData<Tier> Tiers => [.. Enum.GetValues<Tier>()];

    [SkippableTheory]
    [InlineData(Tier.Interpreter, Add, 1, 2, 0)]
    [InlineData(Tier.Translator, Add, 1, 2, 0)]
    [InlineData(Tier.Interpreter, Divide, 1, 3, Inexact)]
    [InlineData(Tier.Translator, Divide, 1, 3, Inexact)]
    [InlineData(Tier.Interpreter, Multiply, double.Epsilon, 0.5, Inexact | Underflow)]
    [InlineData(Tier.Translator, Multiply, double.Epsilon, 0.5, Inexact | Underflow)]
    [InlineData(Tier.Interpreter, Multiply, double.MaxValue, 2, Inexact | Overflow)]
    [InlineData(Tier.Translator, Multiply, double.MaxValue, 2, Inexact | Overflow)]
    [InlineData(Tier.Interpreter, Divide, 1, 0, DivideByZero)]
    [InlineData(Tier.Translator, Divide, 1, 0, DivideByZero)]
    [InlineData(Tier.Interpreter, Divide, 0, 0, Invalid)]
    [InlineData(Tier.Translator, Divide, 0, 0, Invalid)]
    [InlineData(Tier.Interpreter, Add, double.Epsilon, 1e-310, 0)]
    [InlineData(Tier.Translator, Add, double.Epsilon, 1e-310, 0)] // what the host says of denormals is none of the guest's
    public void WhatIsRaisedIsReadAndIsGoneOnceItIsWrittenOver(Tier tier, int operation, double a, double b, ulong raised)
    {
        using var machine = new ExtensionMachine(tier);
        Operands(machine, a, b);
        Assert.Equal(0ul, machine.Run(
            Frflags(A0), Float(operation, 7, F3), Frflags(A1), Addi(A2, Zero, -1), Csrrw(Zero, Fflags, Zero), Frflags(A3),
            Float(operation, 7, F3), Csrrw(Zero, Fflags, A2), Frflags(A4), Csrrw(A5, Fflags, Zero), Float(operation, 7, F3)));
        Assert.Equal((0ul, raised, 0ul), (machine.Hart[A0], machine.Hart[A1], machine.Hart[A3]));
        Assert.Equal((All, All, raised), (machine.Hart[A4], machine.Hart[A5], machine.Get(Fflags)));
    }

    [SkippableTheory]
    [MemberData(nameof(Tiers))]
    public void ComparisonsWhoseFlagsArePutBackRaiseNone(Tier tier)
    {
        using var machine = new ExtensionMachine(tier);
        Operands(machine, double.NaN, 1);
        Assert.Equal(0ul, machine.Run(Frflags(A0), Float(Compare, 1, A1), Csrrw(Zero, Fflags, A0), Frflags(A2)));
        Assert.Equal((0ul, 0ul, 0ul), (machine.Hart[A1], machine.Hart[A2], machine.Get(Fflags)));
        Assert.Equal(0ul, machine.Run(Float(Compare, 1, A1), Frflags(A2)));
        Assert.Equal((Invalid, Invalid), (machine.Hart[A2], machine.Get(Fflags)));
    }

    [SkippableTheory]
    [MemberData(nameof(Tiers))]
    public void ReadingLeavesTheUnitCleanAndWritingDoesNot(Tier tier)
    {
        using var machine = new ExtensionMachine(tier);
        Assert.Equal(0ul, machine.Run(Frflags(A0), Frflags(Zero)));
        Assert.Equal((Initial, 0ul), (machine.Get(ExtensionMachine.Mstatus) >> 13 & 3, machine.Hart[Zero]));
        Assert.Equal(0ul, machine.Run(Csrrw(Zero, Fflags, Zero)));
        Assert.Equal(Dirty, machine.Get(ExtensionMachine.Mstatus) >> 13 & 3);
    }

    [SkippableTheory]
    [MemberData(nameof(Tiers))]
    public void BothAreIllegalWhileTheUnitIsOff(Tier tier)
    {
        foreach (uint instruction in (uint[])[Frflags(A0), Frflags(Zero), Csrrw(Zero, Fflags, A0)])
        {
            using var machine = new ExtensionMachine(tier);
            machine.Set(ExtensionMachine.Mstatus, 0);
            machine.Hart[A0] = 7;
            Assert.Equal(ExtensionMachine.IllegalInstruction, machine.Run(Addi(A1, Zero, 1), instruction, Addi(A1, Zero, 2)));
            Assert.Equal((instruction, 7ul, 1ul), (machine.Value, machine.Hart[A0], machine.Hart[A1]));
        }
    }

    private static void Operands(ExtensionMachine machine, double a, double b)
    {
        machine.Hart.SetFloat(F1, BitConverter.DoubleToUInt64Bits(a));
        machine.Hart.SetFloat(F2, BitConverter.DoubleToUInt64Bits(b));
    }

    private static uint Frflags(int rd) => Csrrs(rd, Fflags, Zero);

    private static uint Float(int funct5, int funct3, int rd) => R(0x53, funct3, funct5 << 2 | 1, rd, F1, F2);
}
