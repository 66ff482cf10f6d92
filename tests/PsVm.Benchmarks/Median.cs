namespace PsVm.Benchmarks;

/// <summary>The middle of figures.</summary>
internal static class Median
{
    /// <summary>The middle one, or the mean of the middle two, of at least one figure.</summary>
    public static double Of(IEnumerable<double> figures)
    {
        double[] sorted = [.. figures.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
