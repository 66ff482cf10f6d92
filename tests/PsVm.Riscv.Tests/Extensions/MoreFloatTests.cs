using PsVm.Riscv.FloatingPoint;
using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests.Extensions;

/// <summary>Zfa as instructions, in either tier (unprivileged manual, chapter "Zfa"); the arithmetic has its own tests.</summary>
public class MoreFloatTests
{
    private const int Single = 0, Double = 1, Fflags = 1, Frm = 2, F1 = 1, F2 = 2, F3 = 3;
    private const int Nearest = 0, TowardZero = 1, Down = 2, Up = 3, NearestMaxMagnitude = 4, Dynamic = 7;
    private const ulong Box = 0xffff_ffff_0000_0000, Dirty = 3;
    private const ulong Invalid = 0x10, Inexact = 1;

    // The manual's table, as numbers.
    private static readonly double[] s_constants =
    [
        -1, 0, 1 / 65536.0, 1 / 32768.0, 1 / 256.0, 1 / 128.0, 0.0625, 0.125, 0.25, 0.3125, 0.375, 0.4375, 0.5, 0.625, 0.75, 0.875,
        1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4, 8, 16, 128, 256, 32768, 65536, double.PositiveInfinity,
    ];

    public static TheoryData<Tier> Tiers => [.. Enum.GetValues<Tier>()];

    [SkippableTheory]
    [MemberData(nameof(Tiers))]
    public void ConstantsAreThoseOfTheTable(Tier tier)
    {
        using var machine = new ExtensionMachine(tier);
        for (int number = 0; number < 32; number++)
        {
            ulong one = number switch
            {
                1 => 0x0080_0000,
                31 => 0x7fc0_0000,
                _ => BitConverter.SingleToUInt32Bits((float)s_constants[number]),
            };
            ulong two = number switch
            {
                1 => 0x0010_0000_0000_0000,
                31 => 0x7ff8_0000_0000_0000,
                _ => BitConverter.DoubleToUInt64Bits(s_constants[number]),
            };
            Assert.Equal(0ul, machine.Run(Float(0x1e, 0, Single, F1, number, 1), Float(0x1e, 0, Double, F2, number, 1)));
            Assert.Equal((Box | one, two), (machine.Hart.GetFloat(F1), machine.Hart.GetFloat(F2)));
        }

        Assert.Equal((0ul, Dirty), (machine.Get(Fflags), machine.Get(ExtensionMachine.Mstatus) >> 13 & 3));
    }

    [SkippableTheory]
    [InlineData(Tier.Interpreter, 1.5, 2.5, 1.5, 2.5, 0ul)]
    [InlineData(Tier.Translator, 1.5, 2.5, 1.5, 2.5, 0ul)]
    [InlineData(Tier.Interpreter, 0.0, -0.0, -0.0, 0.0, 0ul)]
    [InlineData(Tier.Translator, 0.0, -0.0, -0.0, 0.0, 0ul)]
    [InlineData(Tier.Interpreter, double.NaN, 1.0, double.NaN, double.NaN, 0ul)]
    [InlineData(Tier.Translator, 1.0, double.NaN, double.NaN, double.NaN, 0ul)]
    public void MinimumAndMaximumPropagateNaN(Tier tier, double a, double b, double minimum, double maximum, ulong flags)
    {
        foreach (int format in (int[])[Single, Double])
        {
            using var machine = new ExtensionMachine(tier);
            (ulong first, ulong second) = (Bits(a, format), Bits(b, format));
            machine.Hart.SetFloat(F1, first);
            machine.Hart.SetFloat(F2, second);
            Assert.Equal(0ul, machine.Run(Float(5, 2, format, 4, F1, F2), Float(5, 3, format, 5, F1, F2)));
            Assert.Equal(
                (Bits(minimum, format), Bits(maximum, format), flags),
                (machine.Hart.GetFloat(4), machine.Hart.GetFloat(5), machine.Get(Fflags)));
        }
    }

    [SkippableTheory]
    [InlineData(2.5, Nearest, 2.0)]
    [InlineData(3.5, Nearest, 4.0)]
    [InlineData(2.5, NearestMaxMagnitude, 3.0)]
    [InlineData(-2.5, TowardZero, -2.0)]
    [InlineData(-2.5, Down, -3.0)]
    [InlineData(2.25, Up, 3.0)]
    [InlineData(-0.25, Up, -0.0)]
    [InlineData(0.25, Nearest, 0.0)]
    [InlineData(-0.5, Down, -1.0)]
    [InlineData(8388607.5, Nearest, 8388608.0)]
    [InlineData(7.0, Up, 7.0)]
    [InlineData(-0.0, Up, -0.0)]
    [InlineData(1e30, Nearest, 1e30)]
    [InlineData(double.NegativeInfinity, Up, double.NegativeInfinity)]
    public void RoundsToIntegersInTheModeGivenOrInForce(double value, int mode, double expected)
    {
        ulong inexact = value != expected ? Inexact : 0;
        foreach (Tier tier in Enum.GetValues<Tier>())
        {
            foreach (int format in (int[])[Single, Double])
            {
                using var machine = new ExtensionMachine(tier);
                machine.Hart.SetFloat(F1, Bits(value, format));
                Assert.Equal(0ul, machine.Run(Float(8, mode, format, F2, F1, 4)));
                Assert.Equal((Bits(expected, format), 0ul), (machine.Hart.GetFloat(F2), machine.Get(Fflags)));
                machine.Set(Frm, (ulong)mode);
                Assert.Equal(0ul, machine.Run(Float(8, Dynamic, format, F3, F1, 5)));
                Assert.Equal((Bits(expected, format), inexact), (machine.Hart.GetFloat(F3), machine.Get(Fflags)));
            }
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Tiers))]
    public void RoundingInAModeThatIsReservedIsIllegal(Tier tier)
    {
        using var machine = new ExtensionMachine(tier);
        Assert.Equal(ExtensionMachine.IllegalInstruction, machine.Run(Float(8, 5, Double, F2, F1, 4)));
        machine.Set(Frm, 6);
        Assert.Equal(ExtensionMachine.IllegalInstruction, machine.Run(Float(8, Dynamic, Single, F2, F1, 5)));
        Assert.Equal(0ul, machine.Run(Float(0x1e, 0, Single, F2, 3, 1), Float(5, 2, Double, F2, F1, F2))); // these round nothing
    }

    [SkippableTheory]
    [InlineData(1.9, 1ul, Inexact)]
    [InlineData(-1.9, ulong.MaxValue, Inexact)]
    [InlineData(2147483647.0, 0x7fff_fffful, 0ul)]
    [InlineData(2147483648.0, 0xffff_ffff_8000_0000ul, Invalid)]
    [InlineData(-2147483648.5, 0xffff_ffff_8000_0000ul, Inexact)]
    [InlineData(-2147483649.0, 0x7fff_fffful, Invalid)]
    [InlineData(4294967295.0, ulong.MaxValue, Invalid)]
    [InlineData(4294967297.5, 1ul, Invalid)]
    [InlineData(-4294967298.0, 0xffff_ffff_ffff_fffeul, Invalid)]
    [InlineData(9007199254740993.0 * 4096, 0ul, Invalid)] // 2^65 and some: the low bits are 0 there
    [InlineData(18446744073709551616.0 + 4294967296.0 + 536870912.0, 0x2000_0000ul, Invalid)] // 2^64 + 2^32 + 2^29
    [InlineData(1e300, 0ul, Invalid)]
    [InlineData(double.PositiveInfinity, 0ul, Invalid)]
    [InlineData(double.NegativeInfinity, 0ul, Invalid)]
    [InlineData(double.NaN, 0ul, Invalid)]
    [InlineData(-0.0, 0ul, 0ul)]
    public void ConvertsModulo(double value, ulong expected, ulong flags)
    {
        foreach (Tier tier in Enum.GetValues<Tier>())
        {
            using var machine = new ExtensionMachine(tier);
            machine.Hart.SetFloat(F1, BitConverter.DoubleToUInt64Bits(value));
            Assert.Equal(0ul, machine.Run(Float(0x18, TowardZero, Double, A0, F1, 8), Float(0x18, TowardZero, Double, Zero, F1, 8)));
            Assert.Equal((expected, flags, 0ul), (machine.Hart[A0], machine.Get(Fflags), machine.Hart[0]));
        }
    }

    [SkippableTheory]
    [InlineData(1.0, 2.0, 1ul, 1ul)]
    [InlineData(2.0, 2.0, 0ul, 1ul)]
    [InlineData(3.0, 2.0, 0ul, 0ul)]
    [InlineData(-0.0, 0.0, 0ul, 1ul)]
    [InlineData(double.NaN, 1.0, 0ul, 0ul)]
    [InlineData(1.0, double.NaN, 0ul, 0ul)]
    public void ComparesQuietly(double a, double b, ulong less, ulong lessOrEqual)
    {
        foreach (Tier tier in Enum.GetValues<Tier>())
        {
            foreach (int format in (int[])[Single, Double])
            {
                using var machine = new ExtensionMachine(tier);
                machine.Hart.SetFloat(F1, Bits(a, format));
                machine.Hart.SetFloat(F2, Bits(b, format));
                Assert.Equal(0ul, machine.Run(Float(0x14, 5, format, A0, F1, F2), Float(0x14, 4, format, 27, F1, F2)));
                Assert.Equal((less, lessOrEqual, 0ul), (machine.Hart[A0], machine.Hart[27], machine.Get(Fflags)));
            }
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Tiers))]
    public void SignalingNaNsAreInvalidEverywhere(Tier tier)
    {
        foreach ((int format, ulong signaling) in ((int, ulong)[])[(Single, Box | 0x7f80_0001), (Double, 0x7ff0_0000_0000_0001)])
        {
            ulong nan = Bits(double.NaN, format);
            foreach ((uint instruction, ulong result) in ((uint, ulong)[])
            [
                (Float(5, 2, format, F3, F1, F2), nan), (Float(5, 3, format, F3, F1, F2), nan), // fminm, fmaxm
                (Float(8, 0, format, F3, F1, 4), nan), (Float(8, 0, format, F3, F1, 5), nan), // fround, froundnx
                (Float(0x14, 4, format, A0, F1, F2), 0), (Float(0x14, 5, format, A0, F1, F2), 0), // fleq, fltq
            ])
            {
                using var machine = new ExtensionMachine(tier);
                machine.Hart.SetFloat(F1, signaling);
                machine.Hart.SetFloat(F2, Bits(1, format));
                machine.Hart[A0] = 7;
                Assert.Equal(0ul, machine.Run(instruction));
                bool compares = result == 0;
                Assert.Equal((result, Invalid), (compares ? machine.Hart[A0] : machine.Hart.GetFloat(F3), machine.Get(Fflags)));
            }
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Tiers))]
    public void SinglesThatAreNotBoxedAreNaN(Tier tier)
    {
        using var machine = new ExtensionMachine(tier);
        machine.Hart.SetFloat(F1, 0x3f80_0000); // 1, without its box
        machine.Hart.SetFloat(F2, Bits(2, Single));
        Assert.Equal(0ul, machine.Run(
            Float(5, 2, Single, F3, F1, F2), Float(8, 0, Single, 4, F1, 4), Float(0x14, 5, Single, A0, F1, F2)));
        Assert.Equal((Bits(double.NaN, Single), Bits(double.NaN, Single)), (machine.Hart.GetFloat(F3), machine.Hart.GetFloat(4)));
        Assert.Equal((0ul, 0ul), (machine.Hart[A0], machine.Get(Fflags)));
    }

    [SkippableTheory]
    [MemberData(nameof(Tiers))]
    public void AllAreIllegalWhileTheUnitIsOff(Tier tier)
    {
        foreach ((string text, uint bits, _, IsaExtensions extension) in EncodingTests.s_instructions)
        {
            if (extension == IsaExtensions.Zfa)
            {
                using var machine = new ExtensionMachine(tier);
                machine.Set(ExtensionMachine.Mstatus, 0);
                Assert.True(machine.Run(bits) == ExtensionMachine.IllegalInstruction, text);
            }
        }
    }

    private static ulong Bits(double value, int format) => format == Double
        ? double.IsNaN(value) ? Ieee754<double>.CanonicalNaN : BitConverter.DoubleToUInt64Bits(value)
        : Float32.Box(double.IsNaN(value) ? Float32.CanonicalNaN : BitConverter.SingleToUInt32Bits((float)value));

    private static uint Float(int funct5, int funct3, int format, int rd, int rs1, int rs2) =>
        R(0x53, funct3, funct5 << 2 | format, rd, rs1, rs2);
}
