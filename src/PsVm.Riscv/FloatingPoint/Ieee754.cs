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
internal static partial class Ieee754<T> where T : struct, IBinaryFloatingPointIeee754<T>
{
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
        return Round(negative, x.Exponent + y.Exponent + carry, significand | Rounding.Sticky(low), mode, ref flags);
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

        UInt128 smaller = Rounding.ShiftRightSticky(b.Significand, a.Exponent - b.Exponent);
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
        return Round(negative, a.Exponent + Wide.Headroom - zeros, (ulong)(sum >> 64) | Rounding.Sticky((ulong)sum), mode, ref flags);
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
            tiny = field < 0 || (kept + Rounding.Away(mode, negative, kept, rest)) >> (FractionBits + 1) == 0;
            significand = Rounding.ShiftRightSticky(significand, 1 - field);
            kept = significand >> dropped;
            rest = significand << (64 - dropped);
            field = 1;
        }

        // The leading bit, or the carry into it, adds one to the exponent field.
        ulong result = ((ulong)(field - 1) << FractionBits) + kept + Rounding.Away(mode, negative, kept, rest);
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
}
