using System.Text.Json;

namespace PsVm.Benchmarks;

/// <summary>
/// Clones that start a process at each tick: what each tick costs, from a clone's first on, and with how many clones before it.
/// </summary>
internal static class WarmingCommand
{
    /// <summary>Prints each tick of each clone.</summary>
    public static void Run(string[] words)
    {
        Arguments arguments = new(words);
        CloneOptions options = new(arguments);
        int ticks = arguments.Count("--ticks", 5);
        arguments.Done();

        using CloneHost host = new(options);
        for (int number = 0; number < options.Count; number++)
        {
            GuestMeasurement before = new() { Name = string.Empty };
            TimeSpan cpuBefore = Environment.CpuUsage.TotalTime;
            host.StartClone(number);
            for (int tick = 1; tick <= ticks; tick++)
            {
                while (host.Ticks(number) < tick)
                {
                    Thread.Sleep(1);
                }

                GuestMeasurement now = host.Measure(number);
                TimeSpan cpu = Environment.CpuUsage.TotalTime;
                Console.WriteLine(JsonSerializer.Serialize(new
                {
                    clone = number,
                    tick,
                    cpu_ms = Math.Round((now.CpuTime - before.CpuTime).TotalMilliseconds, 2),
                    process_cpu_ms = Math.Round((cpu - cpuBefore).TotalMilliseconds, 2),
                    instructions = now.Instructions - before.Instructions,
                    misses = now.Exits.JumpTableMisses - before.Exits.JumpTableMisses,
                    not_translated = now.Exits.NotTranslated - before.Exits.NotTranslated,
                    blocks = now.Translation.Blocks,
                    translation_ms = Math.Round(now.Translation.Time.TotalMilliseconds, 1),
                    own_kib = now.OwnBytes >> 10,
                }));
                (before, cpuBefore) = (now, cpu);
            }

            host.Remove(number, 1);
        }
    }
}
