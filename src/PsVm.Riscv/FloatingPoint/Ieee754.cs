using System.Numerics;
using System.Runtime.CompilerServices;

namespace PsVm.Riscv.FloatingPoint;

/// <summary>
/// The arithmetic of one binary format, on raw bits in the low end of a <see cref="ulong"/>; <typeparamref name="T"/> is
/// <see cref="double"/> or <see cref="float"/>. The runtime compiles one body for each, with the format's constants folded in.
/// Results and flags are those of IEEE 754-2019 with RISC-V's choices: NaN results are canonical, tininess is detected after rounding
/// (unprivileged manual, chapters F and D). Flags accrue; nothing throws.
/// </summary>
/// <remarks>
/// Every operation has an exact form on unpacked integers. Before it, where rounding is to nearest even, the host's own instruction is
/// tried: its result stands if it can have raised nothing, or nothing but an inexact exception that is on record already.
/// </remarks>
internal static class Ieee754<T> where T : struct, IBinaryFloatingPointIeee754<T>
{
    /// <summary>The weight of half a unit in the last place among the bits that rounding drops.</summary>
    private const ulong Half = 1UL << 63;

    /// <summary>Exponent of an unpacked zero: below all others, so that a sum takes zero for the smaller operand.</summary>
    private const int ZeroExponent = -0x10000;

    /// <summary>The quiet NaN that every operation without a result gives.</summary>
    public static ulong CanonicalNaN => Infinity | QuietBit;

    private static int FractionBits => typeof(T) == typeof(double) ? 52 : 23;

    private static int MaxExponentField => typeof(T) == typeof(double) ? 0x7FF : 0xFF;

    private static int Bias => MaxExponentField >> 1;

    private static ulong SignBit => typeof(T) == typeof(double) ? 1UL << 63 : 1UL << 31;

    private static ulong QuietBit => 1UL << (FractionBits - 1);

    private static ulong Infinity => (ulong)MaxExponentField << FractionBits;

    /// <summary>FADD: a + b.</summary>
    public static ulong Add(ulong a, ulong b, RoundingMode mode, ref FpFlags flags)
    {
        if (mode == RoundingMode.NearestEven)
        {
            T x = FromBits(a);
            T y = FromBits(b);
            T result = x + y;
            if (IsWellInside(result) && (IsInexact(flags) || IsExactSum(x, y, result)))
            {
                return ToBits(result);
            }
        }

        return AddExactly(a, b, mode, ref flags);
    }

    /// <summary>FSUB: a - b.</summary>
    public static ulong Sub(ulong a, ulong b, RoundingMode mode, ref FpFlags flags) => Add(a, b ^ SignBit, mode, ref flags);

    /// <summary>FMUL: a * b.</summary>
    public static ulong Mul(ulong a, ulong b, RoundingMode mode, ref FpFlags flags)
    {
        if (mode == RoundingMode.NearestEven)
        {
            T x = FromBits(a);
            T y = FromBits(b);
            T result = x * y;
            if (IsWellInside(result) && (IsInexact(flags) || IsExactProduct(x, y, result)))
            {
                return ToBits(result);
            }
        }

        return MulExactly(a, b, mode, ref flags);
    }

    /// <summary>FDIV: a / b.</summary>
    public static ulong Div(ulong a, ulong b, RoundingMode mode, ref FpFlags flags)
    {
        if (mode == RoundingMode.NearestEven)
        {
            T x = FromBits(a);
            T y = FromBits(b);
            T result = x / y;
            if (IsWellInside(result) && (IsInexact(flags) || IsExactProduct(result, y, x)))
            {
                return ToBits(result);
            }
        }

        return DivExactly(a, b, mode, ref flags);
    }

    /// <summary>FSQRT: the square root.</summary>
    public static ulong Sqrt(ulong a, RoundingMode mode, ref FpFlags flags)
    {
        if (mode == RoundingMode.NearestEven)
        {
            T x = FromBits(a);
            T result = T.Sqrt(x);
            if (IsWellInside(result) && (IsInexact(flags) || IsExactProduct(result, result, x)))
            {
                return ToBits(result);
            }
        }

        return SqrtExactly(a, mode, ref flags);
    }

    /// <summary>FMADD, FMSUB, FNMSUB, FNMADD: ±(a * b) ± c, rounded once.</summary>
    public static ulong FusedMultiplyAdd(
        ulong a, ulong b, ulong c, bool negateProduct, bool negateAddend, RoundingMode mode, ref FpFlags flags)
    {
        a = negateProduct ? a ^ SignBit : a;
        c = negateAddend ? c ^ SignBit : c;
        if (mode == RoundingMode.NearestEven && IsInexact(flags))
        {
            T result = T.FusedMultiplyAdd(FromBits(a), FromBits(b), FromBits(c));
            if (IsWellInside(result))
            {
                return ToBits(result);
            }
        }

        return FusedMultiplyAddExactly(a, b, c, mode, ref flags);
    }

    /// <summary>FMIN: the smaller; -0 is below +0, and a number is preferred to a NaN.</summary>
    public static ulong Min(ulong a, ulong b, ref FpFlags flags) =>
        IsNaN(a) || IsNaN(b) ? TheNumber(a, b, ref flags) : SortKey(a) < SortKey(b) ? a : b;

    /// <summary>FMAX: the larger; +0 is above -0, and a number is preferred to a NaN.</summary>
    public static ulong Max(ulong a, ulong b, ref FpFlags flags) =>
        IsNaN(a) || IsNaN(b) ? TheNumber(a, b, ref flags) : SortKey(a) < SortKey(b) ? b : a;

    /// <summary>FMINM: as <see cref="Min"/>, but NaN when either operand is one.</summary>
    public static ulong Minimum(ulong a, ulong b, ref FpFlags flags) =>
        IsNaN(a) || IsNaN(b) ? PropagateNaN(a, b, ref flags) : Min(a, b, ref flags);

    /// <summary>FMAXM: as <see cref="Max"/>, but NaN when either operand is one.</summary>
    public static ulong Maximum(ulong a, ulong b, ref FpFlags flags) =>
        IsNaN(a) || IsNaN(b) ? PropagateNaN(a, b, ref flags) : Max(a, b, ref flags);

    /// <summary>FEQ: a = b; only a signaling NaN is invalid.</summary>
    public static bool Eq(ulong a, ulong b, ref FpFlags flags)
    {
        RaiseIfSignaling(a, b, ref flags);
        return FromBits(a) == FromBits(b);
    }

    /// <summary>FLT: a &lt; b; any NaN is invalid.</summary>
    public static bool Lt(ulong a, ulong b, ref FpFlags flags)
    {
        RaiseIfNaN(a, b, ref flags);
        return FromBits(a) < FromBits(b);
    }

    /// <summary>FLE: a &lt;= b; any NaN is invalid.</summary>
    public static bool Le(ulong a, ulong b, ref FpFlags flags)
    {
        RaiseIfNaN(a, b, ref flags);
        return FromBits(a) <= FromBits(b);
    }

    /// <summary>FLTQ: a &lt; b; only a signaling NaN is invalid.</summary>
    public static bool LtQuiet(ulong a, ulong b, ref FpFlags flags)
    {
        RaiseIfSignaling(a, b, ref flags);
        return FromBits(a) < FromBits(b);
    }

    /// <summary>FLEQ: a &lt;= b; only a signaling NaN is invalid.</summary>
    public static bool LeQuiet(ulong a, ulong b, ref FpFlags flags)
    {
        RaiseIfSignaling(a, b, ref flags);
        return FromBits(a) <= FromBits(b);
    }

    /// <summary>FCLASS: one bit of ten, from minus infinity (bit 0) to plus infinity (7), then signaling (8) and quiet NaN (9).</summary>
    public static uint Classify(ulong a)
    {
        if (IsNaN(a))
        {
            return IsSignaling(a) ? 1u << 8 : 1u << 9;
        }

        // The classes of numbers run from minus infinity (0) over the zeros (3, 4) to plus infinity (7).
        ulong magnitude = a & ~SignBit;
        int distance = magnitude == 0 ? 0 : magnitude >> FractionBits == 0 ? 1 : magnitude < Infinity ? 2 : 3;
        return 1u << (IsNegative(a) ? 3 - distance : 4 + distance);
    }

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
            magnitude = IntegerPart(value, out rest);
            magnitude += RoundsAway(mode, negative, magnitude, rest);
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
        ulong magnitude = up <= 0 ? IntegerPart(value, out _) : up < 64 ? value.Significand << up : 0; // infinity and NaN: far up
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
        ulong magnitude = IntegerPart(value, out ulong rest);
        magnitude += RoundsAway(mode, negative, magnitude, rest);
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

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong AddExactly(ulong a, ulong b, RoundingMode mode, ref FpFlags flags)
    {
        if (IsNaN(a) || IsNaN(b))
        {
            return PropagateNaN(a, b, ref flags);
        }

        if (IsInfinite(a) || IsInfinite(b))
        {
            return AddInfinities(a, b, ref flags);
        }

        return Sum(Widen(a), Widen(b), mode, ref flags);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong MulExactly(ulong a, ulong b, RoundingMode mode, ref FpFlags flags)
    {
        if (IsNaN(a) || IsNaN(b))
        {
            return PropagateNaN(a, b, ref flags);
        }

        bool negative = IsNegative(a ^ b);
        if (IsInfinite(a) || IsInfinite(b))
        {
            return IsZero(a) || IsZero(b) ? RaiseInvalid(ref flags) : Signed(negative, Infinity);
        }

        if (IsZero(a) || IsZero(b))
        {
            return Signed(negative, 0);
        }

        Unpacked x = Unpack(a);
        Unpacked y = Unpack(b);
        ulong high = Math.BigMul(x.Significand, y.Significand, out ulong low);
        int carry = (int)(high >> 63);
        ulong significand = carry != 0 ? high : (high << 1) | (low >> 63);
        return Round(negative, x.Exponent + y.Exponent + carry, significand | Sticky(low), mode, ref flags);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong DivExactly(ulong a, ulong b, RoundingMode mode, ref FpFlags flags)
    {
        if (IsNaN(a) || IsNaN(b))
        {
            return PropagateNaN(a, b, ref flags);
        }

        bool negative = IsNegative(a ^ b);
        if (IsInfinite(a))
        {
            return IsInfinite(b) ? RaiseInvalid(ref flags) : Signed(negative, Infinity);
        }

        if (IsZero(b))
        {
            if (IsZero(a))
            {
                return RaiseInvalid(ref flags);
            }

            flags |= FpFlags.DivideByZero;
            return Signed(negative, Infinity);
        }

        if (IsZero(a) || IsInfinite(b))
        {
            return Signed(negative, 0);
        }

        Unpacked x = Unpack(a);
        Unpacked y = Unpack(b);
        double dividend = x.ToDouble(0);
        double divisor = y.ToDouble(0);
        double quotient = dividend / divisor;
        double remainder = Math.FusedMultiplyAdd(-quotient, divisor, dividend);
        return RoundHostResult(negative, quotient, remainder, x.Exponent - y.Exponent, mode, ref flags);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong SqrtExactly(ulong a, RoundingMode mode, ref FpFlags flags)
    {
        if (IsNaN(a))
        {
            return PropagateNaN(a, a, ref flags);
        }

        if (IsZero(a) || a == Infinity)
        {
            return a;
        }

        if (IsNegative(a))
        {
            return RaiseInvalid(ref flags);
        }

        Unpacked x = Unpack(a);
        int odd = x.Exponent & 1;
        double radicand = x.ToDouble(odd);
        double root = Math.Sqrt(radicand);
        double remainder = Math.FusedMultiplyAdd(-root, root, radicand);
        return RoundHostResult(false, root, remainder, (x.Exponent - odd) >> 1, mode, ref flags);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong FusedMultiplyAddExactly(ulong a, ulong b, ulong c, RoundingMode mode, ref FpFlags flags)
    {
        bool noProduct = (IsInfinite(a) && IsZero(b)) || (IsZero(a) && IsInfinite(b));
        if (noProduct || IsNaN(a) || IsNaN(b) || IsNaN(c))
        {
            // Infinity times zero is invalid even if a quiet NaN is to be added.
            flags |= noProduct ? FpFlags.Invalid : FpFlags.None;
            RaiseIfSignaling(c, c, ref flags);
            return PropagateNaN(a, b, ref flags);
        }

        bool negative = IsNegative(a ^ b);
        if (IsInfinite(a) || IsInfinite(b) || IsInfinite(c))
        {
            ulong product = IsInfinite(a) || IsInfinite(b) ? Signed(negative, Infinity) : 0;
            return AddInfinities(product, c, ref flags);
        }

        Unpacked x = Unpack(a);
        Unpacked y = Unpack(b);
        ulong high = Math.BigMul(x.Significand, y.Significand, out ulong low);
        int exponent = x.IsZero || y.IsZero ? ZeroExponent : x.Exponent + y.Exponent;
        return Sum(new Wide(negative, exponent, new UInt128(high, low) >> 1), Widen(c), mode, ref flags);
    }

    /// <summary>Adds two finite numbers and rounds. What alignment shifts out stays as a sticky bit, far below the last place.</summary>
    private static ulong Sum(Wide a, Wide b, RoundingMode mode, ref FpFlags flags)
    {
        if (a.Exponent < b.Exponent)
        {
            (a, b) = (b, a);
        }

        UInt128 smaller = ShiftRightSticky(b.Significand, a.Exponent - b.Exponent);
        bool negative = a.Negative;
        UInt128 sum;
        if (a.Negative == b.Negative)
        {
            sum = a.Significand + smaller;
        }
        else if (a.Significand >= smaller)
        {
            sum = a.Significand - smaller;
            negative = sum == UInt128.Zero ? mode == RoundingMode.Down : negative;
        }
        else
        {
            sum = smaller - a.Significand;
            negative = b.Negative;
        }

        if (sum == UInt128.Zero)
        {
            return Signed(negative, 0);
        }

        int zeros = (int)UInt128.LeadingZeroCount(sum);
        sum <<= zeros;
        return Round(negative, a.Exponent + Wide.Headroom - zeros, (ulong)(sum >> 64) | Sticky((ulong)sum), mode, ref flags);
    }

    /// <summary>Rounds a quotient or root that the host has rounded to 53 bits, from the sign of what it left over.</summary>
    /// <remarks>
    /// Quotients and roots of numbers of 53 bits never lie half-way between two such numbers, nor just below a power of two that they
    /// round to. So one unit below the 53 bits, up or down, says on which side the exact value is, which is all that rounding asks for.
    /// </remarks>
    private static ulong RoundHostResult(
        bool negative, double value, double remainder, int exponent, RoundingMode mode, ref FpFlags flags)
    {
        Unpacked result = Ieee754<double>.Unpack(BitConverter.DoubleToUInt64Bits(value));
        ulong significand = result.Significand + (ulong)Math.Sign(remainder);
        return Round(negative, result.Exponent + exponent, significand, mode, ref flags);
    }

    /// <summary>Rounds and packs significand * 2^(exponent - 63). Bit 63 of the significand is set; its bit 0 may be sticky.</summary>
    private static ulong Round(bool negative, int exponent, ulong significand, RoundingMode mode, ref FpFlags flags)
    {
        int dropped = 63 - FractionBits;
        int field = exponent + Bias;
        if (field >= MaxExponentField)
        {
            return Overflow(negative, mode, ref flags);
        }

        ulong kept = significand >> dropped;
        ulong rest = significand << (64 - dropped);
        bool tiny = false;
        if (field <= 0)
        {
            // Tiny is what stays below the smallest normal number when rounded as if exponents went on below it.
            tiny = field < 0 || (kept + RoundsAway(mode, negative, kept, rest)) >> (FractionBits + 1) == 0;
            significand = ShiftRightSticky(significand, 1 - field);
            kept = significand >> dropped;
            rest = significand << (64 - dropped);
            field = 1;
        }

        // The leading bit, or the carry into it, adds one to the exponent field.
        ulong result = ((ulong)(field - 1) << FractionBits) + kept + RoundsAway(mode, negative, kept, rest);
        if (result >= Infinity)
        {
            return Overflow(negative, mode, ref flags);
        }

        if (rest != 0)
        {
            flags |= tiny ? FpFlags.Inexact | FpFlags.Underflow : FpFlags.Inexact;
        }

        return Signed(negative, result);
    }

    /// <summary>Whether rounding adds a unit in the last place: 1 or 0.</summary>
    /// <param name="mode">The rounding mode.</param>
    /// <param name="negative">The number's sign.</param>
    /// <param name="kept">The bits that stay.</param>
    /// <param name="rest">The bits that are dropped, the highest at bit 63.</param>
    private static ulong RoundsAway(RoundingMode mode, bool negative, ulong kept, ulong rest)
    {
        bool away = mode switch
        {
            RoundingMode.NearestEven => rest > Half || (rest == Half && (kept & 1) != 0),
            RoundingMode.NearestMaxMagnitude => rest >= Half,
            RoundingMode.Down => negative && rest != 0,
            RoundingMode.Up => !negative && rest != 0,
            _ => false,
        };
        return away ? 1UL : 0UL;
    }

    /// <summary>The integer part of a magnitude below 2^64.</summary>
    /// <param name="value">The magnitude.</param>
    /// <param name="rest">The bits behind it, the highest at bit 63; bit 0 may be sticky.</param>
    private static ulong IntegerPart(Unpacked value, out ulong rest)
    {
        int shift = 63 - value.Exponent;
        rest = shift == 0 ? 0 : shift <= 64 ? value.Significand << (64 - shift) : Sticky(value.Significand);
        return shift < 64 ? value.Significand >> shift : 0;
    }

    private static ulong Overflow(bool negative, RoundingMode mode, ref FpFlags flags)
    {
        flags |= FpFlags.Overflow | FpFlags.Inexact;
        bool finite = mode == RoundingMode.TowardZero || mode == (negative ? RoundingMode.Up : RoundingMode.Down);
        return Signed(negative, finite ? Infinity - 1 : Infinity);
    }

    private static ulong AddInfinities(ulong a, ulong b, ref FpFlags flags)
    {
        if (IsInfinite(a) && IsInfinite(b) && a != b)
        {
            return RaiseInvalid(ref flags);
        }

        return IsInfinite(a) ? a : b;
    }

    /// <summary>What Min and Max give when a NaN is among the operands: the other one, if that is a number.</summary>
    private static ulong TheNumber(ulong a, ulong b, ref FpFlags flags)
    {
        ulong nan = PropagateNaN(a, b, ref flags);
        return !IsNaN(a) ? a : !IsNaN(b) ? b : nan;
    }

    private static ulong PropagateNaN(ulong a, ulong b, ref FpFlags flags)
    {
        RaiseIfSignaling(a, b, ref flags);
        return CanonicalNaN;
    }

    private static ulong RaiseInvalid(ref FpFlags flags)
    {
        flags |= FpFlags.Invalid;
        return CanonicalNaN;
    }

    private static void RaiseIfSignaling(ulong a, ulong b, ref FpFlags flags)
    {
        if (IsSignaling(a) || IsSignaling(b))
        {
            flags |= FpFlags.Invalid;
        }
    }

    private static void RaiseIfNaN(ulong a, ulong b, ref FpFlags flags)
    {
        if (IsNaN(a) || IsNaN(b))
        {
            flags |= FpFlags.Invalid;
        }
    }

    /// <summary>Rounding is on record already, so an operation need not find out whether it rounds.</summary>
    private static bool IsInexact(FpFlags flags) => (flags & FpFlags.Inexact) != 0;

    /// <summary>
    /// Finite, and of at least twice the smallest normal magnitude: a result that the host rounded to this neither overflowed,
    /// nor was tiny, nor came from an infinity or NaN.
    /// </summary>
    private static bool IsWellInside(T value) => (uint)(ExponentField(ToBits(value)) - 2) < (uint)MaxExponentField - 2;

    /// <summary>Whether the host's x + y was exact. May say no where it was, for operands at the edge of overflow.</summary>
    private static bool IsExactSum(T x, T y, T sum)
    {
        // Knuth's TwoSum: the error of a sum is a number of the same format.
        T partOfY = sum - x;
        return (x - (sum - partOfY)) + (y - partOfY) == T.Zero;
    }

    /// <summary>Whether x * y is the product, given that one of the three is the host's result. May say no for small products.</summary>
    private static bool IsExactProduct(T x, T y, T product)
    {
        // x * y has at most twice the format's digits. The product must be that far above the bottom, or a difference could vanish.
        return ExponentField(ToBits(product)) > 2 * (FractionBits + 1) && T.FusedMultiplyAdd(x, y, -product) == T.Zero;
    }

    private static int ExponentField(ulong a) => (int)(a >> FractionBits) & MaxExponentField;

    private static bool IsNegative(ulong a) => (a & SignBit) != 0;

    private static bool IsNaN(ulong a) => (a & ~SignBit) > Infinity;

    private static bool IsSignaling(ulong a) => IsNaN(a) && (a & QuietBit) == 0;

    private static bool IsInfinite(ulong a) => (a & ~SignBit) == Infinity;

    private static bool IsZero(ulong a) => (a & ~SignBit) == 0;

    private static ulong Signed(bool negative, ulong magnitude) => negative ? magnitude | SignBit : magnitude;

    /// <summary>Orders numbers as signed integers, -0 below +0.</summary>
    private static long SortKey(ulong a) => IsNegative(a) ? (long)~(a & ~SignBit) : (long)a;

    private static T FromBits(ulong bits) => typeof(T) == typeof(double)
        ? Unsafe.BitCast<ulong, T>(bits)
        : Unsafe.BitCast<uint, T>((uint)bits);

    private static ulong ToBits(T value) => typeof(T) == typeof(double)
        ? Unsafe.BitCast<T, ulong>(value)
        : Unsafe.BitCast<T, uint>(value);

    private static Unpacked Unpack(ulong a)
    {
        ulong fraction = a & ((1UL << FractionBits) - 1);
        int field = ExponentField(a);
        if (field != 0)
        {
            return new Unpacked(field - Bias, Half | (fraction << (63 - FractionBits)));
        }

        if (fraction == 0)
        {
            return new Unpacked(ZeroExponent, 0);
        }

        int zeros = BitOperations.LeadingZeroCount(fraction);
        return new Unpacked(64 - FractionBits - Bias - zeros, fraction << zeros);
    }

    private static Wide Widen(ulong a)
    {
        Unpacked value = Unpack(a);
        return new Wide(IsNegative(a), value.Exponent, (UInt128)value.Significand << (64 - Wide.Headroom));
    }

    private static ulong Sticky(ulong bits) => bits != 0 ? 1UL : 0UL;

    private static UInt128 Sticky(UInt128 bits) => bits != UInt128.Zero ? UInt128.One : UInt128.Zero;

    private static ulong ShiftRightSticky(ulong value, int count) =>
        count >= 64 ? Sticky(value) : (value >> count) | Sticky(value & ((1UL << count) - 1));

    private static UInt128 ShiftRightSticky(UInt128 value, int count) =>
        count >= 128 ? Sticky(value) : (value >> count) | Sticky(value & ((UInt128.One << count) - 1));
}
