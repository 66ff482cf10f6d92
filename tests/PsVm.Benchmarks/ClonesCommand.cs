using System.Diagnostics;
using System.Text.Json;

namespace PsVm.Benchmarks;

/// <summary>Starts clones of a template one at a time, and takes the times and the memory that only a clone has.</summary>
internal static class ClonesCommand
{
    /// <summary>Prints each clone and the medians.</summary>
    public static void Clones(string[] words)
    {
        Arguments arguments = new(words);
        CloneOptions options = new(arguments);
        arguments.Done();

        using CloneHost host = new(options);
        List<(double Running, double Tick, long OwnRam)> clones = [];
        for (int number = 0; number < options.Count; number++)
        {
            long start = Stopwatch.GetTimestamp();
            host.StartClone(number);
            double running = MillisecondsSince(start);
            host.WaitForTick(number);
            double tick = MillisecondsSince(start);
            clones.Add((running, tick, host.OwnRamBytes(number, 1)));
            host.Remove(number, 1);
        }

        long growth = ProcessGrowth(host, options.Count);
        foreach ((double running, double tick, long ram) in clones)
        {
            Console.WriteLine(JsonSerializer.Serialize(new
            {
                running_ms = Math.Round(running, 2),
                tick_ms = Math.Round(tick, 1),
                own_kib = (ram + growth) >> 10,
                own_ram_kib = ram >> 10,
            }));
        }

        Console.WriteLine(JsonSerializer.Serialize(new
        {
            median_running_ms = Math.Round(Median.Of(clones.Select(clone => clone.Running)), 2),
            median_tick_ms = Math.Round(Median.Of(clones.Select(clone => clone.Tick)), 1),
            median_own_kib = (long)Median.Of(clones.Select(clone => (double)((clone.OwnRam + growth) >> 10))),
            median_own_ram_kib = (long)Median.Of(clones.Select(clone => (double)(clone.OwnRam >> 10))),
            clones = clones.Count,
        }));
    }

    /// <summary>What the process grows by for each clone beside the clone's RAM, in bytes: the clones share it, so all run at once.</summary>
    private static long ProcessGrowth(CloneHost host, int count)
    {
        long before = CloneHost.ProcessOwnBytes();
        for (int number = 0; number < count; number++)
        {
            host.StartClone(number);
        }

        for (int number = 0; number < count; number++)
        {
            host.WaitForTick(number);
        }

        host.Suspend(0, count);
        long growth = CloneHost.ProcessOwnBytes() - before - host.OwnRamBytes(0, count);
        return growth / count;
    }

    private static double MillisecondsSince(long stamp) => Stopwatch.GetElapsedTime(stamp).TotalMilliseconds;
}
