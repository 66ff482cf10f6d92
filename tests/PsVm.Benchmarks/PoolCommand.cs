using System.Diagnostics;
using System.Text.Json;

namespace PsVm.Benchmarks;

/// <summary>
/// Takes clones out of a pool and starts others without, and tells what each takes and what clones cost while they are held.
/// </summary>
internal static class PoolCommand
{
    /// <summary>Prints one line.</summary>
    public static void Pool(string[] words)
    {
        Arguments arguments = new(words);
        CloneOptions options = new(arguments);
        arguments.Done();

        using CloneHost host = new(options);

        // What is compiled and loaded when first used is no clone's.
        host.MakePool(2);
        foreach (int number in Enumerable.Range(0, 60))
        {
            host.StartClone(number, fromPool: number % 2 == 0);
            host.WaitForTick(number);
            host.Remove(number, 1);
        }

        host.RemovePool();
        long own = CloneHost.ProcessOwnBytes();
        long began = Stopwatch.GetTimestamp();
        host.MakePool(options.Count);
        double fill = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
        long held = CloneHost.ProcessOwnBytes() - own;
        Thread.Sleep(2000); // until the runtime has compiled what it wants to
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        Thread.Sleep(1000);
        double idle = (Environment.CpuUsage.TotalTime - cpu).TotalMilliseconds;

        List<(double Running, double Tick)> pooled = [], started = [];
        for (int turn = 0; turn < options.Count; turn++)
        {
            pooled.Add(Take(host, 2 * turn, fromPool: true));
            started.Add(Take(host, (2 * turn) + 1, fromPool: false));
        }

        Console.WriteLine(JsonSerializer.Serialize(new
        {
            clones = options.Count,
            fill_ms = Math.Round(fill, 1),
            own_kib_per_held = Math.Round(held / 1024.0 / options.Count, 1),
            idle_cpu_ms_per_s = Math.Round(idle, 1),
            taken_running_ms = Round(pooled.Select(clone => clone.Running)),
            taken_tick_ms = Round(pooled.Select(clone => clone.Tick)),
            started_running_ms = Round(started.Select(clone => clone.Running)),
            started_tick_ms = Round(started.Select(clone => clone.Tick)),
        }));
    }

    private static (double Running, double Tick) Take(CloneHost host, int number, bool fromPool)
    {
        long start = Stopwatch.GetTimestamp();
        host.StartClone(number, fromPool);
        double running = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        host.WaitForTick(number);
        double tick = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        host.Remove(number, 1);
        return (running, tick);
    }

    private static double Round(IEnumerable<double> figures) => Math.Round(Median.Of(figures), 3);
}
