using System.Diagnostics;
using System.Text.Json;

namespace PsVm.Benchmarks;

/// <summary>
/// Clones of a template whose files are not in memory, as after a restart of the host: with a recorded working set, and without.
/// </summary>
internal static class ColdCommand
{
    /// <summary>Prints one line.</summary>
    public static void Cold(string[] words)
    {
        Arguments arguments = new(words);
        CloneOptions options = new(arguments);
        int seconds = arguments.Number("--record", 2);
        arguments.Done();

        using CloneHost host = new(options);
        host.WaitForTick(Started(host, 0));
        host.Remove(0, 1);

        // In turn, so that what else the host does meets both.
        List<double> warm = [], cold = [], ahead = [], cached = [];
        TemplateWorkingSet set = host.RecordWorkingSet(TimeSpan.FromSeconds(seconds));
        for (int round = 0; round < options.Count; round++)
        {
            warm.Add(Milliseconds(host));
            File.Move(set.Path, set.Path + ".away");
            host.Evict();
            cold.Add(Milliseconds(host));
            cached.Add(Milliseconds(host));
            File.Move(set.Path + ".away", set.Path);
            host.Evict();
            ahead.Add(Milliseconds(host));
        }

        Console.WriteLine(JsonSerializer.Serialize(new
        {
            clones = options.Count,
            set_kib = set.Bytes >> 10,
            set_ranges = set.Ranges,
            warm_with_set_ms = Math.Round(Median.Of(warm), 2),
            warm_without_ms = Math.Round(Median.Of(cached), 2),
            cold_without_ms = Math.Round(Median.Of(cold), 1),
            cold_with_set_ms = Math.Round(Median.Of(ahead), 1),
        }));
    }

    private static int Started(CloneHost host, int number)
    {
        host.StartClone(number);
        return number;
    }

    private static double Milliseconds(CloneHost host)
    {
        long began = Stopwatch.GetTimestamp();
        host.WaitForTick(Started(host, 0));
        double elapsed = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
        host.Remove(0, 1);
        return elapsed;
    }
}
