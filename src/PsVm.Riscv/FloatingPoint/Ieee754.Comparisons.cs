namespace PsVm.Riscv.FloatingPoint;

/// <content>Comparisons, minimum and maximum, classes.</content>
internal static partial class Ieee754<T>
{
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

    /// <summary>What Min and Max give when a NaN is among the operands: the other one, if that is a number.</summary>
    private static ulong TheNumber(ulong a, ulong b, ref FpFlags flags)
    {
        ulong nan = PropagateNaN(a, b, ref flags);
        return !IsNaN(a) ? a : !IsNaN(b) ? b : nan;
    }
}
