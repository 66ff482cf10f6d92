namespace PsVm.Riscv.FloatingPoint;

/// <summary>The magnitude significand * 2^(exponent - 63); bit 63 of the significand is set, unless the number is zero.</summary>
internal readonly struct Unpacked(int exponent, ulong significand)
{
    public readonly int Exponent = exponent;
    public readonly ulong Significand = significand;

    public bool IsZero => Significand == 0;

    /// <summary>The significand as a number of [1, 2), times 2^scale. It has no more than the 53 bits of a double.</summary>
    public double ToDouble(int scale) => BitConverter.UInt64BitsToDouble(((ulong)(0x3FE + scale) << 52) + (Significand >> 11));
}
