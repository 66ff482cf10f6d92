using System.Numerics;

namespace PsVm.Riscv.FloatingPoint;

/// <content>Conversions from and to integers and the other format.</content>
internal static partial class Ieee754<T>
{
    /// <summary>FCVT to an integer of 32 or 64 bits. Out of range gives the nearest end and NV; NaN gives the upper.</summary>
    /// <returns>The integer; one of 32 bits is sign-extended, be it signed or not.</returns>
    public static ulong ToInteger(ulong a, bool signed, int width, RoundingMode mode, ref FpFlags flags)
    {
        ulong largest = ulong.MaxValue >> (64 - width + (signed ? 1 : 0));
        bool negative = IsNegative(a) && !IsNaN(a);
        ulong limit = !negative ? largest : signed ? largest + 1 : 0;

        Unpacked value = Unpack(a);
        ulong magnitude = ulong.MaxValue;
        ulong rest = 0;
        if (value.Exponent < 64)
        {
            magnitude = Rounding.IntegerPart(value, out rest);
            magnitude += Rounding.Away(mode, negative, magnitude, rest);
        }

        // Infinity and NaN unpack to an exponent that is out of range too.
        if (value.Exponent >= 64 || magnitude > limit)
        {
            magnitude = limit;
            flags |= FpFlags.Invalid;
        }
        else if (rest != 0)
        {
            flags |= FpFlags.Inexact;
        }

        ulong result = negative ? 0 - magnitude : magnitude;
        return width == 32 ? (ulong)(int)result : result;
    }

    /// <summary>FCVTMOD.W: the integer part modulo 2^32, sign-extended; 0 for infinities and NaN. Flags are those of FCVT.W.</summary>
    public static ulong ToIntegerModulo(ulong a, ref FpFlags flags)
    {
        _ = ToInteger(a, signed: true, 32, RoundingMode.TowardZero, ref flags);
        Unpacked value = Unpack(a);
        int up = value.Exponent - 63;
        ulong magnitude = up <= 0 ? Rounding.IntegerPart(value, out _) : up < 64 ? value.Significand << up : 0; // infinity and NaN: far up
        return (ulong)(int)(IsNegative(a) ? 0 - magnitude : magnitude);
    }

    /// <summary>FROUND and FROUNDNX: the nearest integer that the mode takes, in the format.</summary>
    /// <param name="a">The number.</param>
    /// <param name="mode">The rounding mode.</param>
    /// <param name="raisesInexact">FROUNDNX: another number than a is inexact.</param>
    /// <param name="flags">What accrues.</param>
    public static ulong RoundToInteger(ulong a, RoundingMode mode, bool raisesInexact, ref FpFlags flags)
    {
        if (IsNaN(a))
        {
            return PropagateNaN(a, a, ref flags);
        }

        Unpacked value = Unpack(a);
        if (value.IsZero || value.Exponent >= FractionBits)
        {
            return a;
        }

        bool negative = IsNegative(a);
        ulong magnitude = Rounding.IntegerPart(value, out ulong rest);
        magnitude += Rounding.Away(mode, negative, magnitude, rest);
        flags |= raisesInexact && rest != 0 ? FpFlags.Inexact : FpFlags.None;
        FpFlags none = FpFlags.None; // the integer has no more digits than the format
        return magnitude == 0 ? Signed(negative, 0) : Signed(negative, FromInteger(false, magnitude, mode, ref none));
    }

    /// <summary>FCVT from an integer, given as sign and magnitude.</summary>
    public static ulong FromInteger(bool negative, ulong magnitude, RoundingMode mode, ref FpFlags flags)
    {
        if (magnitude == 0)
        {
            return 0;
        }

        int zeros = BitOperations.LeadingZeroCount(magnitude);
        return Round(negative, 63 - zeros, magnitude << zeros, mode, ref flags);
    }

    /// <summary>FCVT from the other format.</summary>
    public static ulong FromFormat<TOther>(ulong a, RoundingMode mode, ref FpFlags flags)
        where TOther : struct, IBinaryFloatingPointIeee754<TOther>
    {
        bool negative = Ieee754<TOther>.IsNegative(a);
        if (Ieee754<TOther>.IsNaN(a))
        {
            Ieee754<TOther>.RaiseIfSignaling(a, a, ref flags);
            return CanonicalNaN;
        }

        if (Ieee754<TOther>.IsInfinite(a))
        {
            return Signed(negative, Infinity);
        }

        Unpacked value = Ieee754<TOther>.Unpack(a);
        return value.IsZero ? Signed(negative, 0) : Round(negative, value.Exponent, value.Significand, mode, ref flags);
    }
}
