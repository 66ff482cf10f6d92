using System.Globalization;

namespace PsVm.Benchmarks;

/// <summary>A workload of one run.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Seconds">Seconds by the guest's clock.</param>
/// <param name="Cpu">Seconds of the process's CPU time, from the workload's first line to its last.</param>
/// <param name="Checksum">What it came to.</param>
internal sealed record ComparedWorkload(string Name, double Seconds, double Cpu, string Checksum);

/// <summary>A boot and the workloads after it, in a process of its own.</summary>
/// <param name="Boot">Seconds until the text was on the console.</param>
/// <param name="BootCpu">Seconds of CPU time until then.</param>
/// <param name="Own">Bytes of memory that only the process had then, the guest's RAM among it.</param>
/// <param name="Workloads">The workloads that came to an end, in their order.</param>
/// <param name="Failure">Why it ended before its time; null: it did not.</param>
internal sealed record ComparedRun(
    double? Boot, double BootCpu, long Own, IReadOnlyList<ComparedWorkload> Workloads, string? Failure = null)
{
    private const string Begins = "A", Ends = "B";

    /// <summary>Watches a run to its end; one that fails has what it came to.</summary>
    /// <param name="run">The run.</param>
    /// <param name="until">The text that ends the boot.</param>
    public static ComparedRun Of(ConsoleRun run, string until)
    {
        double? boot = null;
        double bootCpu = 0, began = 0;
        long own = 0;
        List<ComparedWorkload> workloads = [];
        try
        {
            foreach (ConsoleLine line in run.Lines())
            {
                if (boot is null && line.Text.Contains(until, StringComparison.Ordinal))
                {
                    (boot, bootCpu, own) = (line.Seconds, line.Cpu, run.OwnBytes);
                }
                else if (line.Text.Split(' ') is [Begins, _])
                {
                    began = line.Cpu;
                }
                else if (line.Text.Split(' ') is [Ends, var name, var seconds, var checksum]
                    && double.TryParse(seconds, CultureInfo.InvariantCulture, out double value) && value > 0)
                {
                    workloads.Add(new ComparedWorkload(name, value, line.Cpu - began, checksum));
                }
            }
        }
        catch (BenchmarkException error)
        {
            return new ComparedRun(boot, bootCpu, own, workloads, error.Message);
        }

        return new ComparedRun(boot, bootCpu, own, workloads, boot is null ? $"Expected '{until}' on the console, found it not." : null);
    }

    /// <summary>A line for a log.</summary>
    public override string ToString()
    {
        string boot = string.Create(CultureInfo.InvariantCulture, $"boot {Boot:F3} s (CPU {BootCpu:F3})");
        IEnumerable<string> workloads = Workloads.Select(one =>
            string.Create(CultureInfo.InvariantCulture, $"{one.Name} {one.Seconds:F3} s (CPU {one.Cpu:F2})"));
        return string.Join(", ", [boot, .. workloads, .. Failure is null ? Array.Empty<string>() : [Failure]]);
    }
}
