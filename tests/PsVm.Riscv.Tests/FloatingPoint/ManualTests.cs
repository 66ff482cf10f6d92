using PsVm.Riscv.FloatingPoint;

namespace PsVm.Riscv.Tests.FloatingPoint;

/// <summary>What the unprivileged manual's F and D chapters say in so many words.</summary>
public sealed class ManualTests
{
    private const uint One = 0x3F80_0000;
    private const uint NegativeZero = 0x8000_0000;
    private const uint Infinity = 0x7F80_0000;
    private const uint NegativeInfinity = 0xFF80_0000;
    private const uint Signaling = 0x7F80_0001;
    private const uint Quiet = 0xFFC0_1234;

    [Fact]
    public void A_register_that_is_not_boxed_reads_as_the_canonical_NaN()
    {
        Assert.Equal(0xFFFF_FFFF_3F80_0000, Float32.Box(One));
        Assert.Equal(One, Float32.Unbox(0xFFFF_FFFF_3F80_0000));
        Assert.Equal(0x7FC0_0000u, Float32.Unbox(0xFFFF_FFFE_3F80_0000));
        Assert.Equal(0x7FC0_0000u, Float32.Unbox(One));
    }

    [Theory]
    [InlineData(NegativeInfinity, 0)]
    [InlineData(0xBF80_0000u, 1)]
    [InlineData(0x8000_0001u, 2)]
    [InlineData(NegativeZero, 3)]
    [InlineData(0u, 4)]
    [InlineData(0x007F_FFFFu, 5)]
    [InlineData(0x0080_0000u, 6)]
    [InlineData(Infinity, 7)]
    [InlineData(Signaling, 8)]
    [InlineData(0xFFBF_FFFFu, 8)]
    [InlineData(Quiet, 9)]
    public void Classify_sets_one_bit_of_ten(uint a, int bit)
    {
        FpFlags flags = FpFlags.None;
        Assert.Equal(1u << bit, Ieee754<float>.Classify(a));

        // Widening keeps the class, but for subnormals, which become normal, and NaNs, which become quiet.
        uint wide = Ieee754<double>.Classify(Ieee754<double>.FromFormat<float>(a, RoundingMode.NearestEven, ref flags));
        Assert.Equal(1u << (bit switch { 2 => 1, 5 => 6, 8 => 9, _ => bit }), wide);
        Assert.Equal(bit == 8 ? FpFlags.Invalid : FpFlags.None, flags);
    }

    [Theory]
    [InlineData(0x8000_0000_0000_0001UL, 2)]
    [InlineData(0x000F_FFFF_FFFF_FFFFUL, 5)]
    [InlineData(0x7FF0_0000_0000_0001UL, 8)]
    public void Classify_knows_double_subnormals_and_signaling_NaNs(ulong a, int bit) =>
        Assert.Equal(1u << bit, Ieee754<double>.Classify(a));

    [Theory]
    [InlineData(NegativeZero, 0u, NegativeZero, 0u, FpFlags.None)]
    [InlineData(0u, NegativeZero, NegativeZero, 0u, FpFlags.None)]
    [InlineData(Quiet, One, One, One, FpFlags.None)]
    [InlineData(One, Signaling, One, One, FpFlags.Invalid)]
    [InlineData(Quiet, Quiet, Float32.CanonicalNaN, Float32.CanonicalNaN, FpFlags.None)]
    public void Min_and_max_order_zeros_and_prefer_numbers(uint a, uint b, uint min, uint max, FpFlags expected)
    {
        FpFlags flags = FpFlags.None;
        Assert.Equal(min, Ieee754<float>.Min(a, b, ref flags));
        Assert.Equal(expected, flags);
        flags = FpFlags.None;
        Assert.Equal(max, Ieee754<float>.Max(a, b, ref flags));
        Assert.Equal(expected, flags);
    }

    [Fact]
    public void Infinity_times_zero_is_invalid_even_when_a_quiet_NaN_is_added()
    {
        FpFlags flags = FpFlags.None;
        ulong result = Ieee754<float>.FusedMultiplyAdd(Infinity, 0, Quiet, false, false, RoundingMode.NearestEven, ref flags);
        Assert.Equal(Float32.CanonicalNaN, result);
        Assert.Equal(FpFlags.Invalid, flags);
    }

    [Theory]
    [InlineData(NegativeInfinity, 0xFFFF_FFFF_8000_0000, 0, 0x8000_0000_0000_0000, 0)]
    [InlineData(0xDF80_0000u, 0xFFFF_FFFF_8000_0000, 0, 0x8000_0000_0000_0000, 0)]
    [InlineData(0x5F80_0000u, 0x7FFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF, 0x7FFF_FFFF_FFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF)]
    [InlineData(Infinity, 0x7FFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF, 0x7FFF_FFFF_FFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF)]
    [InlineData(Quiet, 0x7FFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF, 0x7FFF_FFFF_FFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF)]
    public void Integers_out_of_range_are_the_end_of_the_range_and_invalid(uint a, ulong w, ulong wu, ulong l, ulong lu)
    {
        Assert.Equal((w, FpFlags.Invalid), Convert(signed: true, 32));
        Assert.Equal((wu, FpFlags.Invalid), Convert(signed: false, 32));
        Assert.Equal((l, FpFlags.Invalid), Convert(signed: true, 64));
        Assert.Equal((lu, FpFlags.Invalid), Convert(signed: false, 64));

        (ulong, FpFlags) Convert(bool signed, int width)
        {
            FpFlags flags = FpFlags.None;
            return (Ieee754<float>.ToInteger(a, signed, width, RoundingMode.NearestEven, ref flags), flags);
        }
    }

    [Theory]
    [InlineData(RoundingMode.NearestEven, 0, FpFlags.Inexact)]
    [InlineData(RoundingMode.Down, 0, FpFlags.Invalid)]
    public void A_negative_fraction_is_in_the_range_of_unsigned_integers_if_it_rounds_to_zero(
        RoundingMode mode, ulong result, FpFlags expected)
    {
        FpFlags flags = FpFlags.None;
        Assert.Equal(result, Ieee754<float>.ToInteger(0xBE80_0000, signed: false, 32, mode, ref flags));
        Assert.Equal(expected, flags);
    }

    [Theory]
    [InlineData(0x00FF_FFFFu, 0x3F00_0000u, 0x0080_0000u, FpFlags.Inexact | FpFlags.Underflow)] // 24 digits hold it, and it is small
    [InlineData(0x007F_FFFFu, 0x3F80_0001u, 0x0080_0000u, FpFlags.Inexact)] // 24 digits don't, and round it up to a normal number
    [InlineData(0x0080_0001u, 0x3F00_0000u, 0x0040_0000u, FpFlags.Inexact | FpFlags.Underflow)]
    [InlineData(0x0080_0000u, 0x3F00_0000u, 0x0040_0000u, FpFlags.None)] // exact
    public void Tininess_is_detected_after_rounding(uint a, uint b, uint product, FpFlags expected)
    {
        FpFlags flags = FpFlags.None;
        Assert.Equal(product, Ieee754<float>.Mul(a, b, RoundingMode.NearestEven, ref flags));
        Assert.Equal(expected, flags);
    }
}
