namespace PsVm.Riscv.FloatingPoint;

/// <summary>A number significand * 2^(exponent - 125) with room for an exact product, and above it for the carries of a sum.</summary>
internal readonly struct Wide(bool negative, int exponent, UInt128 significand)
{
    /// <summary>Leading zero bits of a significand of [1, 2); a product of [2, 4) has one less.</summary>
    public const int Headroom = 2;

    public readonly bool Negative = negative;
    public readonly int Exponent = exponent;
    public readonly UInt128 Significand = significand;
}
