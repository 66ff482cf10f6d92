namespace PsVm.Riscv.FloatingPoint;

/// <summary>How bits that do not fit decide on the last one that does, in any format.</summary>
internal static class Rounding
{
    /// <summary>The weight of half a unit in the last place among the bits that rounding drops.</summary>
    public const ulong Half = 1UL << 63;

    /// <summary>Whether rounding adds a unit in the last place: 1 or 0.</summary>
    /// <param name="mode">The rounding mode.</param>
    /// <param name="negative">The number's sign.</param>
    /// <param name="kept">The bits that stay.</param>
    /// <param name="rest">The bits that are dropped, the highest at bit 63.</param>
    public static ulong Away(RoundingMode mode, bool negative, ulong kept, ulong rest)
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
    public static ulong IntegerPart(Unpacked value, out ulong rest)
    {
        int shift = 63 - value.Exponent;
        rest = shift == 0 ? 0 : shift <= 64 ? value.Significand << (64 - shift) : Sticky(value.Significand);
        return shift < 64 ? value.Significand >> shift : 0;
    }

    /// <summary>1 for bits that are not all 0.</summary>
    public static ulong Sticky(ulong bits) => bits != 0 ? 1UL : 0UL;

    /// <inheritdoc cref="Sticky(ulong)"/>
    public static UInt128 Sticky(UInt128 bits) => bits != UInt128.Zero ? UInt128.One : UInt128.Zero;

    /// <summary>Shifts right; what is shifted out stays as a sticky bit 0.</summary>
    public static ulong ShiftRightSticky(ulong value, int count) =>
        count >= 64 ? Sticky(value) : (value >> count) | Sticky(value & ((1UL << count) - 1));

    /// <inheritdoc cref="ShiftRightSticky(ulong, int)"/>
    public static UInt128 ShiftRightSticky(UInt128 value, int count) =>
        count >= 128 ? Sticky(value) : (value >> count) | Sticky(value & ((UInt128.One << count) - 1));
}
