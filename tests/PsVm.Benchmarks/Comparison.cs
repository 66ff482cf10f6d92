using System.Globalization;
using System.Text;

namespace PsVm.Benchmarks;

/// <summary>A row: medians in seconds, and how many times the peer's speed ours is.</summary>
/// <param name="Name">The workload, or <c>boot</c>.</param>
/// <param name="Peer">The peer's seconds.</param>
/// <param name="Ours">Our seconds.</param>
internal sealed record ComparedFigure(string Name, double Peer, double Ours)
{
    /// <summary>More than 1: ours is faster.</summary>
    public double Ratio => Peer / Ours;
}

/// <summary>Our runs beside a peer's.</summary>
/// <param name="Boot">Time until the text was on the console.</param>
/// <param name="Workloads">The workloads, in the order in which they ran.</param>
internal sealed record Comparison(ComparedFigure Boot, IReadOnlyList<ComparedFigure> Workloads)
{
    /// <summary>Geometric mean of the workloads' ratios; null without workloads.</summary>
    public double? GeometricMean => Workloads.Count == 0 ? null : Math.Exp(Workloads.Average(figure => Math.Log(figure.Ratio)));

    /// <summary>Compares runs, at least one on each side.</summary>
    /// <exception cref="BenchmarkException">A run came to no end, ran other workloads, or one came to another checksum.</exception>
    public static Comparison Of(IReadOnlyList<BootResult> ours, IReadOnlyList<BootResult> peers)
    {
        Line[][] ourLines = [.. ours.Select(Lines)], peerLines = [.. peers.Select(Lines)];
        Line[] expected = peerLines[0];
        foreach (Line[] lines in ourLines.Concat(peerLines))
        {
            if (!lines.Select(line => line.Name).SequenceEqual(expected.Select(line => line.Name)))
            {
                throw new BenchmarkException($"Expected the workloads {Names(expected)}, found {Names(lines)}.");
            }

            foreach ((Line line, Line other) in lines.Zip(expected))
            {
                if (line.Checksum != other.Checksum)
                {
                    throw new BenchmarkException($"Expected the checksum {other.Checksum} of {line.Name}, found {line.Checksum}.");
                }
            }
        }

        return new Comparison(
            new ComparedFigure("boot", MedianBoot(peers), MedianBoot(ours)),
            [.. expected.Select((line, i) => new ComparedFigure(line.Name, MedianOf(peerLines, i), MedianOf(ourLines, i)))]);
    }

    /// <summary>A table in Markdown.</summary>
    public override string ToString()
    {
        StringBuilder table = new("| workload | peer s | PsVm s | times as fast |\n|---|---:|---:|---:|\n");
        foreach (ComparedFigure figure in Workloads.Prepend(Boot))
        {
            table.Append(CultureInfo.InvariantCulture, $"| {figure.Name} | {figure.Peer:F3} | {figure.Ours:F3} | {figure.Ratio:F2} |\n");
        }

        if (GeometricMean is { } mean)
        {
            table.Append(CultureInfo.InvariantCulture, $"| geometric mean of the workloads | | | {mean:F2} |\n");
        }

        return table.ToString();
    }

    private static double MedianBoot(IReadOnlyList<BootResult> runs) => Median.Of(runs.Select(run =>
        run.UntilSeconds ?? throw new BenchmarkException("Expected every run to come to the text, found one that did not.")));

    private static double MedianOf(Line[][] runs, int workload) => Median.Of(runs.Select(lines => lines[workload].Seconds));

    private static string Names(Line[] lines) => string.Join(", ", lines.Select(line => line.Name));

    private static Line[] Lines(BootResult run) => [.. run.Bench.Select(Line.Parse)];

    private sealed record Line(string Name, double Seconds, string Checksum)
    {
        public static Line Parse(string line) =>
            line.Split(' ') is ["B", var name, var seconds, var checksum]
            && double.TryParse(seconds, CultureInfo.InvariantCulture, out double value) && value > 0
                ? new Line(name, value, checksum)
                : throw new BenchmarkException($"Expected 'B name seconds checksum' and more than 0 seconds, found '{line}'.");
    }
}
