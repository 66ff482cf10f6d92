using System.Numerics;
using System.Runtime.CompilerServices;

namespace PsVm.Riscv.FloatingPoint;

/// <content>The format: its constants, its bits, and its NaNs.</content>
internal static partial class Ieee754<T>
{
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
            return new Unpacked(field - Bias, Rounding.Half | (fraction << (63 - FractionBits)));
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
}
