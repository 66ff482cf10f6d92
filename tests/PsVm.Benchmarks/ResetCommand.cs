using System.Diagnostics;
using System.Text.Json;

namespace PsVm.Benchmarks;

/// <summary>Puts a clone back to its template over and over, and takes the times and what the process grows by.</summary>
internal static class ResetCommand
{
    /// <summary>
    /// Prints one line for clones that have worked before each reset, and four, a quarter each, for a loop of nothing but resets.
    /// </summary>
    public static void Reset(string[] words)
    {
        Arguments arguments = new(words);
        CloneOptions options = new(arguments);
        int resets = arguments.Number("--resets", 10_000);
        arguments.Done();

        using CloneHost host = new(options);
        host.StartClone(0);
        host.WaitForTick(0);

        // What is compiled when first used is no reset's.
        for (int warm = 0; warm < 200; warm++)
        {
            host.Reset(0);
        }

        Print("worked", options.Count, host, () => host.WaitForTick(0));
        for (int quarter = 1; quarter <= 4; quarter++)
        {
            Print("loop", resets / 4, host, null);
        }
    }

    private static void Print(string kind, int count, CloneHost host, Action? work)
    {
        using Process process = Process.GetCurrentProcess();
        double[] resets = new double[count];
        List<double> works = [];
        long own = CloneHost.ProcessOwnBytes();
        (long resident, int threads) = Look(process);
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < count; i++)
        {
            if (work is not null)
            {
                long began = Stopwatch.GetTimestamp();
                work();
                works.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
            }

            long stamp = Stopwatch.GetTimestamp();
            host.Reset(0);
            resets[i] = Stopwatch.GetElapsedTime(stamp).TotalMilliseconds;
        }

        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        (long residentAfter, int threadsAfter) = Look(process);
        long ownAfter = CloneHost.ProcessOwnBytes();
        Array.Sort(resets);
        Console.WriteLine(JsonSerializer.Serialize(new
        {
            resets = kind,
            count,
            median_ms = Math.Round(Median.Of(resets), 3),
            p99_ms = Math.Round(resets[(int)(count * 0.99)], 3),
            most_ms = Math.Round(resets[^1], 3),
            median_tick_ms = works.Count == 0 ? (double?)null : Math.Round(Median.Of(works), 1),
            per_second = Math.Round(count / seconds, 1),
            own_growth_kib = (ownAfter - own) >> 10,
            rss_growth_kib = (residentAfter - resident) >> 10,
            threads_growth = threadsAfter - threads,
            mappings = File.ReadLines("/proc/self/maps").Count(),
            descriptors = Directory.GetFiles("/proc/self/fd").Length,
        }));
    }

    private static (long Resident, int Threads) Look(Process process)
    {
        process.Refresh();
        return (process.WorkingSet64, process.Threads.Count);
    }
}
