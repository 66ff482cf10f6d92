namespace PsVm.Riscv.Tests.FloatingPoint;

/// <summary>Bits to feed to operations: the edges of formats, and random ones that come near each other.</summary>
internal static class Operands
{
    /// <summary>The edges. All pairs of the many are affordable, all triples only of the few.</summary>
    public static IReadOnlyList<ulong> Special(Operand kind, bool few) => kind switch
    {
        Operand.Double => Special(ExactArithmetic.Binary64, few),
        Operand.Single => Special(ExactArithmetic.Binary32, few),
        _ => Integers(),
    };

    /// <summary>A random operand.</summary>
    public static ulong Draw(Operand kind, Random random) => kind switch
    {
        Operand.Double => Draw(ExactArithmetic.Binary64, random),
        Operand.Single => Draw(ExactArithmetic.Binary32, random),
        _ => DrawBits(random) >> random.Next(64),
    };

    private static List<ulong> Special(ExactArithmetic format, bool few)
    {
        ulong fraction = (1UL << format.FractionBits) - 1;
        int[] exponents = few
            ? [0, format.Bias, 2 * format.Bias]
            : [0, 1, 2, format.Bias - 1, format.Bias, format.Bias + 1, format.Bias + format.FractionBits, 2 * format.Bias];
        ulong[] fractions = few ? [0, 1, fraction] : [0, 1, (fraction + 1) / 2, fraction - 1, fraction];

        List<ulong> positive = [format.Infinity, format.CanonicalNaN, format.Infinity | 1];
        positive.AddRange(from e in exponents from f in fractions select ((ulong)e << format.FractionBits) | f);
        return [.. positive, .. positive.Select(bits => bits | format.SignBit)];
    }

    private static List<ulong> Integers() =>
        [.. from bit in Enumerable.Range(0, 64) from offset in new[] { -1, 0, 1 } select (1UL << bit) + (ulong)offset];

    /// <summary>Half of the exponents are near that of 1, so that sums cancel; many others are at the ends of the range.</summary>
    private static ulong Draw(ExactArithmetic format, Random random)
    {
        int field = random.Next(8) switch
        {
            < 4 => format.Bias + random.Next(-3, 4),
            4 => format.Bias + random.Next(-format.FractionBits - 4, format.FractionBits + 13),
            5 => random.Next(0, format.FractionBits + 2),
            6 => (2 * format.Bias) - random.Next(3),
            _ => random.Next((2 * format.Bias) + 2),
        };
        ulong fraction = DrawBits(random) & ((1UL << format.FractionBits) - 1);
        return ((ulong)field << format.FractionBits) | fraction | (random.Next(2) == 0 ? format.SignBit : 0);
    }

    /// <summary>64 bits; often with long runs, as these make ties, carries and exact results.</summary>
    private static ulong DrawBits(Random random)
    {
        ulong bits = (ulong)random.NextInt64() << 1 ^ (ulong)random.NextInt64();
        return random.Next(4) switch
        {
            0 => bits << random.Next(64),
            1 => bits | (ulong.MaxValue >> random.Next(64)),
            2 => (1UL << random.Next(64)) ^ (1UL << random.Next(64)),
            _ => bits,
        };
    }
}
