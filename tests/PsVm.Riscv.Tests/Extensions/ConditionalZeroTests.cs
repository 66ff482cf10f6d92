using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests.Extensions;

/// <summary>Zicond (unprivileged manual, chapter "Zicond").</summary>
public class ConditionalZeroTests
{
    private const int EqualZero = 5, NotEqualZero = 7;

    public static TheoryData<Tier, ulong> Conditions()
    {
        var data = new TheoryData<Tier, ulong>();
        foreach (Tier tier in Enum.GetValues<Tier>())
        {
            foreach (ulong condition in (ulong[])[0, 1, 1ul << 31, 1ul << 32, 1ul << 63, ulong.MaxValue])
            {
                data.Add(tier, condition);
            }
        }

        return data;
    }

    [SkippableTheory]
    [MemberData(nameof(Conditions))]
    public void TheSourceIsKeptOrZeroed(Tier tier, ulong condition)
    {
        const ulong Source = 0xfedc_ba98_7654_3210;
        using var machine = new ExtensionMachine(tier);
        (machine.Hart[A1], machine.Hart[A2]) = (Source, condition);
        machine.Hart[28] = condition;
        machine.Run(
            Czero(EqualZero, A0, A1, A2), Czero(NotEqualZero, A3, A1, A2), // registers that live in the host's, and others
            Czero(EqualZero, 26, A1, 28), Czero(NotEqualZero, 27, A1, 28));
        (ulong ifSet, ulong ifClear) = condition != 0 ? (Source, 0ul) : (0ul, Source);
        Assert.Equal((ifSet, ifClear, ifSet, ifClear), (machine.Hart[A0], machine.Hart[A3], machine.Hart[26], machine.Hart[27]));
    }

    [SkippableTheory]
    [MemberData(nameof(Conditions))]
    public void OperandsMayBeTheSameRegisterOrX0(Tier tier, ulong condition)
    {
        using var machine = new ExtensionMachine(tier);
        for (int register = 10; register < 32; register++)
        {
            machine.Hart[register] = condition;
        }

        machine.Run(
            Czero(EqualZero, A0, A0, A0), // the value as it was
            Czero(NotEqualZero, A1, A1, A1), // 0
            Czero(EqualZero, A2, A2, Zero), // 0
            Czero(NotEqualZero, A3, A3, Zero), // the value as it was
            Czero(EqualZero, A4, Zero, A4), // 0
            Czero(EqualZero, Zero, A5, A5), // nothing
            Czero(EqualZero, 30, 30, 31),
            Czero(NotEqualZero, 31, 29, 31));
        ulong[] found = [.. Enumerable.Range(10, 6).Select(register => machine.Hart[register])];
        Assert.Equal([condition, 0, 0, condition, 0, condition], found);
        Assert.Equal((0ul, condition, 0ul), (machine.Hart[0], machine.Hart[30], machine.Hart[31]));
    }

    private static uint Czero(int funct3, int rd, int rs1, int rs2) => R(0x33, funct3, 7, rd, rs1, rs2);
}
