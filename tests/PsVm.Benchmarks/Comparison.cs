using System.Globalization;
using System.Text;

namespace PsVm.Benchmarks;

/// <summary>A row: medians in seconds, and how many times the peer's speed ours is.</summary>
/// <param name="Name">The workload, or what booted.</param>
/// <param name="Peer">The peer's seconds.</param>
/// <param name="Ours">Our seconds.</param>
/// <param name="PeerCpu">The peer's seconds of CPU time.</param>
/// <param name="OurCpu">Our seconds of CPU time.</param>
internal sealed record ComparedFigure(string Name, double Peer, double Ours, double PeerCpu, double OurCpu)
{
    /// <summary>More than 1: ours is faster.</summary>
    public double Ratio => Peer / Ours;

    /// <summary>The same by CPU time, which what else the machine does changes little.</summary>
    public double CpuRatio => PeerCpu / OurCpu;

    /// <summary>A row of a Markdown table.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"| {Name} | {Peer:F3} | {Ours:F3} | {Ratio:F2} | {PeerCpu:F2} | {OurCpu:F2} | {CpuRatio:F2} |");
}

/// <summary>Our runs beside a peer's.</summary>
/// <param name="Boots">Boots: of processes of their own, and in a loaded shell.</param>
/// <param name="Workloads">The workloads that both ran each time to one checksum, in their order.</param>
/// <param name="Failures">What else there was: a line each.</param>
internal sealed record Comparison(
    IReadOnlyList<ComparedFigure> Boots, IReadOnlyList<ComparedFigure> Workloads, IReadOnlyList<string> Failures)
{
    /// <summary>Geometric mean of the workloads' ratios; null without workloads.</summary>
    public double? GeometricMean => Mean(figure => figure.Ratio);

    /// <summary>Compares runs. What failed on a side is in no row and no mean, but a failure of its own.</summary>
    /// <param name="ours">Our runs.</param>
    /// <param name="peers">The peer's runs.</param>
    /// <param name="warm">Seconds and CPU seconds of boots in a process that has booted before.</param>
    public static Comparison Of(
        IReadOnlyList<ComparedRun> ours, IReadOnlyList<ComparedRun> peers, IReadOnlyList<(double Seconds, double Cpu)> warm)
    {
        List<string> failures = [.. FailuresOf("PsVm", ours), .. FailuresOf("QEMU", peers)];
        List<ComparedFigure> boots = [], workloads = [];
        if (ours.Any(HasBooted) && peers.Any(HasBooted))
        {
            (double peer, double peerCpu) = (MedianBoot(peers, run => run.Boot!.Value), MedianBoot(peers, run => run.BootCpu));
            boots.Add(
                new("boot, own process", peer, MedianBoot(ours, run => run.Boot!.Value), peerCpu, MedianBoot(ours, run => run.BootCpu)));
            if (warm.Count > 0)
            {
                boots.Add(
                    new(
                        "boot, loaded shell", peer, Median.Of(warm.Select(run => run.Seconds)),
                        peerCpu, Median.Of(warm.Select(run => run.Cpu))));
            }
        }

        foreach (string name in peers.Concat(ours).SelectMany(run => run.Workloads).Select(workload => workload.Name).Distinct())
        {
            ComparedWorkload[] here = All(ours, name), there = All(peers, name);
            string[] checksums = [.. here.Concat(there).Select(workload => workload.Checksum).Distinct()];
            if (here.Length < ours.Count || there.Length < peers.Count)
            {
                failures.Add($"{name}: QEMU ended {there.Length} of {peers.Count}, PsVm {here.Length} of {ours.Count}.");
            }

            if (checksums.Length > 1)
            {
                failures.Add($"{name}: expected one checksum, found {string.Join(", ", checksums)}.");
            }
            else if (here.Length > 0 && there.Length > 0)
            {
                workloads.Add(new(
                    name,
                    Median.Of(there.Select(one => one.Seconds)),
                    Median.Of(here.Select(one => one.Seconds)),
                    Median.Of(there.Select(one => one.Cpu)),
                    Median.Of(here.Select(one => one.Cpu))));
            }
        }

        return new Comparison(boots, workloads, failures);
    }

    /// <summary>A table in Markdown.</summary>
    public override string ToString()
    {
        StringBuilder table = new(
            "| | QEMU s | PsVm s | times as fast | QEMU CPU s | PsVm CPU s | by CPU time |\n|---|---:|---:|---:|---:|---:|---:|\n");
        foreach (ComparedFigure figure in Boots.Concat(Workloads))
        {
            table.Append(figure).Append('\n');
        }

        if (GeometricMean is { } mean && Mean(figure => figure.CpuRatio) is { } cpu)
        {
            (ComparedFigure least, ComparedFigure leastCpu) = (Workloads.MinBy(one => one.Ratio)!, Workloads.MinBy(one => one.CpuRatio)!);
            table.Append(
                CultureInfo.InvariantCulture, $"| geometric mean of {Workloads.Count} workloads | | | {mean:F2} | | | {cpu:F2} |\n");
            table.Append(
                CultureInfo.InvariantCulture,
                $"| least | | | {least.Ratio:F2} ({least.Name}) | | | {leastCpu.CpuRatio:F2} ({leastCpu.Name}) |\n");
        }

        foreach (string failure in Failures)
        {
            table.Append("\nFAILED ").Append(failure).Append('\n');
        }

        return table.ToString();
    }

    private static bool HasBooted(ComparedRun run) => run.Boot is not null;

    private static IEnumerable<string> FailuresOf(string who, IReadOnlyList<ComparedRun> runs) =>
        runs.Where(run => run.Failure is not null).Select(run => $"{who}: {run.Failure}");

    private static ComparedWorkload[] All(IReadOnlyList<ComparedRun> runs, string name) =>
        [.. runs.SelectMany(run => run.Workloads.Where(workload => workload.Name == name).Take(1))];

    private static double MedianBoot(IReadOnlyList<ComparedRun> runs, Func<ComparedRun, double> figure) =>
        Median.Of(runs.Where(HasBooted).Select(figure));

    private double? Mean(Func<ComparedFigure, double> ratio) =>
        Workloads.Count == 0 ? null : Math.Exp(Workloads.Average(figure => Math.Log(ratio(figure))));
}
