using System.Numerics;
using PsVm.Riscv.FloatingPoint;

namespace PsVm.Riscv.Tests.FloatingPoint;

/// <summary>
/// What the manual and IEEE 754 ask for, by fractions of big integers: each operation makes the exact value, and one function
/// rounds it. Shares nothing with the code under test but the names of modes and flags.
/// </summary>
internal sealed class ExactArithmetic(int width, int fractionBits)
{
    public static readonly ExactArithmetic Binary64 = new(64, 52);
    public static readonly ExactArithmetic Binary32 = new(32, 23);

    private readonly int precision = fractionBits + 1;
    private readonly int bias = (1 << (width - fractionBits - 2)) - 1;

    public int FractionBits => fractionBits;

    public int Bias => bias;

    public ulong SignBit => 1UL << (width - 1);

    public ulong Infinity => (ulong)((2 * bias) + 1) << fractionBits;

    public ulong CanonicalNaN => Infinity | (1UL << (fractionBits - 1));

    public ulong One => (ulong)bias << fractionBits;

    private Outcome InvalidResult => new(CanonicalNaN, FpFlags.Invalid);

    public Outcome Add(ulong a, ulong b, RoundingMode mode) => FusedMultiplyAdd(a, One, b, mode);

    public Outcome Sub(ulong a, ulong b, RoundingMode mode) => FusedMultiplyAdd(a, One, b ^ SignBit, mode);

    public Outcome Mul(ulong a, ulong b, RoundingMode mode)
    {
        if (NaNAmong(a, b) is { } nan)
        {
            return nan;
        }

        bool negative = IsNegative(a) != IsNegative(b);
        if (IsInfinite(a) || IsInfinite(b))
        {
            return IsZero(a) || IsZero(b) ? InvalidResult : new(Signed(negative, Infinity), 0);
        }

        return Round(negative, Magnitude(a) * Magnitude(b), mode);
    }

    public Outcome Div(ulong a, ulong b, RoundingMode mode)
    {
        if (NaNAmong(a, b) is { } nan)
        {
            return nan;
        }

        bool negative = IsNegative(a) != IsNegative(b);
        if ((IsInfinite(a) && IsInfinite(b)) || (IsZero(a) && IsZero(b)))
        {
            return InvalidResult;
        }

        if (IsInfinite(a) || IsZero(b))
        {
            return new(Signed(negative, Infinity), IsInfinite(a) ? 0 : FpFlags.DivideByZero);
        }

        return IsInfinite(b) ? new(Signed(negative, 0), 0) : Round(negative, Magnitude(a) / Magnitude(b), mode);
    }

    public Outcome Sqrt(ulong a, RoundingMode mode)
    {
        if (NaNAmong(a) is { } nan)
        {
            return nan;
        }

        if (IsZero(a) || a == Infinity)
        {
            return new(a, 0);
        }

        return IsNegative(a) ? InvalidResult : Round(false, Magnitude(a).Root(), mode);
    }

    public Outcome FusedMultiplyAdd(ulong a, ulong b, ulong c, RoundingMode mode)
    {
        bool noProduct = (IsInfinite(a) && IsZero(b)) || (IsZero(a) && IsInfinite(b));
        if (noProduct)
        {
            return InvalidResult;
        }

        if (NaNAmong(a, b, c) is { } nan)
        {
            return nan;
        }

        bool negative = IsNegative(a) != IsNegative(b);
        if (IsInfinite(a) || IsInfinite(b))
        {
            return IsInfinite(c) && negative != IsNegative(c) ? InvalidResult : new(Signed(negative, Infinity), 0);
        }

        if (IsInfinite(c))
        {
            return new(c, 0);
        }

        Fraction sum = (Magnitude(a) * Magnitude(b)).Signed(negative) + Magnitude(c).Signed(IsNegative(c));
        bool negativeZero = negative == IsNegative(c) ? negative : mode == RoundingMode.Down;
        return Round(sum.IsZero ? negativeZero : sum.Numerator.Sign < 0, sum.Magnitude, mode);
    }

    public Outcome Min(ulong a, ulong b) => Extremum(a, b, (x, y) => x <= y);

    public Outcome Max(ulong a, ulong b) => Extremum(a, b, (x, y) => x >= y);

    public Outcome Minimum(ulong a, ulong b) => NaNAmong(a, b) ?? Min(a, b);

    public Outcome Maximum(ulong a, ulong b) => NaNAmong(a, b) ?? Max(a, b);

    public Outcome LtQuiet(ulong a, ulong b) => NaNAmong(a, b) is { } nan ? nan with { Bits = 0 } : Lt(a, b);

    public Outcome LeQuiet(ulong a, ulong b) => NaNAmong(a, b) is { } nan ? nan with { Bits = 0 } : Le(a, b);

    public Outcome RoundToInteger(ulong a, RoundingMode mode, bool raisesInexact)
    {
        if (NaNAmong(a) is { } nan)
        {
            return nan;
        }

        if (IsInfinite(a) || IsZero(a))
        {
            return new(a, 0);
        }

        (BigInteger integer, bool exact) = RoundToInteger(IsNegative(a), Magnitude(a), mode);
        return new(
            Round(IsNegative(a), new Fraction(integer, BigInteger.One), RoundingMode.TowardZero).Bits,
            raisesInexact && !exact ? FpFlags.Inexact : 0);
    }

    public Outcome ToIntegerModulo(ulong a)
    {
        FpFlags flags = ToInteger(a, signed: true, 32, RoundingMode.TowardZero).Flags;
        if (IsNaN(a) || IsInfinite(a))
        {
            return new(0, flags);
        }

        (BigInteger value, _) = RoundToInteger(IsNegative(a), Magnitude(a), RoundingMode.TowardZero);
        return new((ulong)(int)(uint)((IsNegative(a) ? -value : value) & uint.MaxValue), flags);
    }

    public Outcome Eq(ulong a, ulong b) => IsNaN(a) || IsNaN(b)
        ? new(0, IsSignaling(a) || IsSignaling(b) ? FpFlags.Invalid : 0)
        : Truth(Comparable(a) == Comparable(b));

    public Outcome Lt(ulong a, ulong b) =>
        IsNaN(a) || IsNaN(b) ? new(0, FpFlags.Invalid) : Truth(Comparable(a) < Comparable(b));

    public Outcome Le(ulong a, ulong b) =>
        IsNaN(a) || IsNaN(b) ? new(0, FpFlags.Invalid) : Truth(Comparable(a) <= Comparable(b));

    public Outcome ToInteger(ulong a, bool signed, int bits, RoundingMode mode)
    {
        BigInteger largest = (BigInteger.One << (signed ? bits - 1 : bits)) - 1;
        BigInteger smallest = signed ? -largest - 1 : 0;
        BigInteger value = IsNaN(a) || a == Infinity ? largest + 1 : smallest - 1;
        bool exact = true;
        if (!IsNaN(a) && !IsInfinite(a))
        {
            (value, exact) = RoundToInteger(IsNegative(a), Magnitude(a), mode);
            value = IsNegative(a) ? -value : value;
        }

        BigInteger clamped = BigInteger.Clamp(value, smallest, largest);
        ulong register = (ulong)(clamped & ulong.MaxValue);
        return new(
            bits == 32 ? (ulong)(int)(uint)register : register,
            clamped != value ? FpFlags.Invalid : exact ? 0 : FpFlags.Inexact);
    }

    public Outcome FromInteger(BigInteger value, RoundingMode mode) =>
        Round(value.Sign < 0, new Fraction(BigInteger.Abs(value), BigInteger.One), mode);

    public Outcome FromFormat(ExactArithmetic other, ulong a, RoundingMode mode)
    {
        if (other.IsNaN(a))
        {
            return new(CanonicalNaN, other.IsSignaling(a) ? FpFlags.Invalid : 0);
        }

        bool negative = other.IsNegative(a);
        return other.IsInfinite(a) ? new(Signed(negative, Infinity), 0) : Round(negative, other.Magnitude(a), mode);
    }

    private static Outcome Truth(bool value) => new(value ? 1UL : 0UL, 0);

    private Outcome Extremum(ulong a, ulong b, Func<BigInteger, BigInteger, bool> prefersFirst)
    {
        FpFlags flags = IsSignaling(a) || IsSignaling(b) ? FpFlags.Invalid : 0;
        if (IsNaN(a) || IsNaN(b))
        {
            return new(!IsNaN(a) ? a : !IsNaN(b) ? b : CanonicalNaN, flags);
        }

        // Twice the value, and a bit less for -0.
        BigInteger x = (2 * Comparable(a)) - (a == SignBit ? 1 : 0);
        BigInteger y = (2 * Comparable(b)) - (b == SignBit ? 1 : 0);
        return new(prefersFirst(x, y) ? a : b, flags);
    }

    /// <summary>The value in units of the smallest subnormal number; infinities lie beyond all finite ones.</summary>
    private BigInteger Comparable(ulong a)
    {
        BigInteger magnitude = IsInfinite(a) ? BigInteger.One << (2 << (width - fractionBits - 1)) : Scaled(a);
        return IsNegative(a) ? -magnitude : magnitude;
    }

    private BigInteger Scaled(ulong a)
    {
        ulong fraction = a & ((1UL << fractionBits) - 1);
        int field = (int)((a & ~SignBit) >> fractionBits);
        return field == 0 ? fraction : (BigInteger)(fraction | (1UL << fractionBits)) << (field - 1);
    }

    private Fraction Magnitude(ulong a) => new(Scaled(a), BigInteger.One << (bias - 1 + fractionBits));

    private Outcome Round(bool negative, Fraction value, RoundingMode mode)
    {
        if (value.IsZero)
        {
            return new(Signed(negative, 0), 0);
        }

        int smallest = 1 - bias;
        int exponent = value.Exponent();
        int lastPlace = Math.Max(exponent, smallest) - precision + 1;
        (BigInteger digits, bool exact) = RoundToInteger(negative, value.Scale(-lastPlace), mode);
        if (digits >> precision == 1)
        {
            digits >>= 1;
            lastPlace++;
        }

        if (lastPlace + precision - 1 > bias)
        {
            bool awayFromZero = mode switch
            {
                RoundingMode.TowardZero => false,
                RoundingMode.Down => negative,
                RoundingMode.Up => !negative,
                _ => true,
            };
            return new(Signed(negative, awayFromZero ? Infinity : Infinity - 1), FpFlags.Overflow | FpFlags.Inexact);
        }

        bool normal = digits >> fractionBits == 1;
        ulong field = normal ? (ulong)(lastPlace + fractionBits + bias) : 0;
        ulong fraction = (ulong)digits & ((1UL << fractionBits) - 1);

        // Tiny: smaller than all normal numbers when rounded to the full precision, as if exponents had no lower end.
        int unboundedPlace = exponent - precision + 1;
        (BigInteger unbounded, _) = RoundToInteger(negative, value.Scale(-unboundedPlace), mode);
        bool tiny = new Fraction(unbounded, BigInteger.One).Scale(unboundedPlace).Exponent() < smallest;
        FpFlags flags = exact ? 0 : tiny ? FpFlags.Underflow | FpFlags.Inexact : FpFlags.Inexact;
        return new(Signed(negative, (field << fractionBits) | fraction), flags);
    }

    private static (BigInteger Value, bool Exact) RoundToInteger(bool negative, Fraction value, RoundingMode mode)
    {
        BigInteger floor = BigInteger.DivRem(value.Numerator, value.Denominator, out BigInteger rest);
        int half = (2 * rest).CompareTo(value.Denominator);
        bool away = mode switch
        {
            RoundingMode.NearestEven => half > 0 || (half == 0 && !floor.IsEven),
            RoundingMode.NearestMaxMagnitude => half >= 0,
            RoundingMode.Down => negative && !rest.IsZero,
            RoundingMode.Up => !negative && !rest.IsZero,
            RoundingMode.TowardZero => false,
            _ => throw new ArgumentOutOfRangeException(nameof(mode)),
        };
        return (away ? floor + 1 : floor, rest.IsZero);
    }

    private Outcome? NaNAmong(params ReadOnlySpan<ulong> operands)
    {
        bool any = false;
        FpFlags flags = 0;
        foreach (ulong operand in operands)
        {
            any |= IsNaN(operand);
            flags |= IsSignaling(operand) ? FpFlags.Invalid : 0;
        }

        return any ? new Outcome(CanonicalNaN, flags) : null;
    }

    private bool IsNegative(ulong a) => (a & SignBit) != 0;

    private bool IsNaN(ulong a) => (a & ~SignBit) > Infinity;

    private bool IsSignaling(ulong a) => IsNaN(a) && (a & CanonicalNaN) != CanonicalNaN;

    private bool IsInfinite(ulong a) => (a & ~SignBit) == Infinity;

    private bool IsZero(ulong a) => (a & ~SignBit) == 0;

    private ulong Signed(bool negative, ulong magnitude) => negative ? magnitude | SignBit : magnitude;

    /// <summary>A fraction, not reduced; the denominator is positive.</summary>
    private readonly record struct Fraction(BigInteger Numerator, BigInteger Denominator)
    {
        public bool IsZero => Numerator.IsZero;

        public Fraction Magnitude => this with { Numerator = BigInteger.Abs(Numerator) };

        public static Fraction operator +(Fraction a, Fraction b) =>
            new((a.Numerator * b.Denominator) + (b.Numerator * a.Denominator), a.Denominator * b.Denominator);

        public static Fraction operator *(Fraction a, Fraction b) => new(a.Numerator * b.Numerator, a.Denominator * b.Denominator);

        public static Fraction operator /(Fraction a, Fraction b) => new(a.Numerator * b.Denominator, a.Denominator * b.Numerator);

        public Fraction Signed(bool negative) => negative ? this with { Numerator = -Numerator } : this;

        public Fraction Scale(int power) =>
            power >= 0 ? this with { Numerator = Numerator << power } : this with { Denominator = Denominator << -power };

        /// <summary>The exponent of the largest power of two that is not above the fraction.</summary>
        public int Exponent()
        {
            int estimate = (int)(Numerator.GetBitLength() - Denominator.GetBitLength());
            Fraction scaled = Scale(-estimate);
            return scaled.Numerator >= scaled.Denominator ? estimate : estimate - 1;
        }

        /// <summary>The square root; one that isn't exact lies between two neighbours of a grid far finer than any format.</summary>
        public Fraction Root()
        {
            int shift = 128 + Math.Abs(Exponent());
            BigInteger radicand = (Numerator << (2 * shift)) / Denominator;

            // Newton's iteration falls to the floor of the root from any start above it.
            BigInteger root = BigInteger.One << (int)((radicand.GetBitLength() / 2) + 1);
            for (BigInteger next = (root + (radicand / root)) >> 1; next < root; next = (root + (radicand / root)) >> 1)
            {
                root = next;
            }

            bool exact = root * root * Denominator == Numerator << (2 * shift);
            return new((2 * root) + (exact ? 0 : 1), BigInteger.One << (shift + 1));
        }
    }
}

/// <summary>What an operation gives: the bits of its result and the flags it raises.</summary>
internal readonly record struct Outcome(ulong Bits, FpFlags Flags);
