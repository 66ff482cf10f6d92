namespace PsVm.Riscv.FloatingPoint;

/// <summary>The constants of FLI (unprivileged manual, chapter "Zfa", table of immediate values).</summary>
internal static class FloatConstants
{
    private const int LeastNormal = 1, NaN = 31;

    // In single precision, which holds all of them; the other formats have the same numbers but for the least normal one.
    private static ReadOnlySpan<uint> Singles =>
    [
        0xbf80_0000, 0x0080_0000, 0x3780_0000, 0x3800_0000, 0x3b80_0000, 0x3c00_0000, 0x3d80_0000, 0x3e00_0000,
        0x3e80_0000, 0x3ea0_0000, 0x3ec0_0000, 0x3ee0_0000, 0x3f00_0000, 0x3f20_0000, 0x3f40_0000, 0x3f60_0000,
        0x3f80_0000, 0x3fa0_0000, 0x3fc0_0000, 0x3fe0_0000, 0x4000_0000, 0x4020_0000, 0x4040_0000, 0x4080_0000,
        0x4100_0000, 0x4180_0000, 0x4300_0000, 0x4380_0000, 0x4700_0000, 0x4780_0000, 0x7f80_0000, Float32.CanonicalNaN,
    ];

    /// <summary>The bits of a constant; in single precision, without its box.</summary>
    /// <param name="number">Its number, 0 to 31.</param>
    /// <param name="wide">In double precision.</param>
    public static ulong Bits(int number, bool wide) => (wide, number) switch
    {
        (false, _) => Singles[number],
        (_, LeastNormal) => 1ul << 52,
        (_, NaN) => Ieee754<double>.CanonicalNaN,
        _ => BitConverter.DoubleToUInt64Bits(BitConverter.UInt32BitsToSingle(Singles[number])),
    };
}
