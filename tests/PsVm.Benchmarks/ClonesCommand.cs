using System.Diagnostics;
using System.Text.Json;
using PsVm.Memory.Native;

namespace PsVm.Benchmarks;

/// <summary>Starts clones of a template one at a time, and takes the times and the memory that only a clone has.</summary>
internal static class ClonesCommand
{
    /// <summary>Prints each clone and the medians.</summary>
    public static void Clones(string[] words)
    {
        Arguments arguments = new(words);
        CloneOptions options = new(arguments);
        int warm = arguments.Count("--warm", 0);
        arguments.Done();

        using CloneHost host = new(options);
        List<Clone> clones = [];
        for (int number = -warm; number < options.Count; number++)
        {
            Clone clone = StartOne(host, number);
            if (number >= 0)
            {
                clones.Add(clone);
            }
        }

        long growth = ProcessGrowth(host, options.Count);
        foreach (Clone clone in clones)
        {
            Console.WriteLine(JsonSerializer.Serialize(new
            {
                running_ms = Math.Round(clone.Running, 2),
                tick_ms = Math.Round(clone.Tick, 1),
                own_kib = (clone.OwnRam + growth) >> 10,
                own_ram_kib = clone.OwnRam >> 10,
            }));
        }

        // Where the time of a start goes, and what the clone did until it had ticked.
        Console.WriteLine(JsonSerializer.Serialize(new
        {
            median_open_ms = Middle(clone => clone.Cost.StartTimes.Open.TotalMilliseconds, 3),
            median_map_ms = Middle(clone => clone.Cost.StartTimes.Map.TotalMilliseconds, 3),
            median_restore_ms = Middle(clone => clone.Cost.StartTimes.Restore.TotalMilliseconds, 3),
            median_first_ms = Middle(clone => clone.Cost.StartTimes.FirstInstruction.TotalMilliseconds, 3),
            median_start_cpu_ms = Middle(clone => clone.Cpu, 3),
            median_start_faults = Middle(clone => clone.Faults, 0),
            median_start_allocated_kib = Middle(clone => clone.Allocated / 1024.0, 1),
            median_tick_cpu_ms = Middle(clone => clone.Cost.CpuTime.TotalMilliseconds, 2),
            median_tick_instructions = Middle(clone => clone.Cost.Instructions, 0),
            median_tick_lookups = Middle(clone => clone.Cost.Exits.JumpTableMisses, 0),
            median_tick_waits = Middle(clone => clone.Cost.Exits.WaitForInterrupt, 0),
        }));

        Console.WriteLine(JsonSerializer.Serialize(new
        {
            median_running_ms = Middle(clone => clone.Running, 2),
            median_tick_ms = Middle(clone => clone.Tick, 1),
            median_own_kib = (long)Middle(clone => (clone.OwnRam + growth) >> 10, 0),
            median_own_ram_kib = (long)Middle(clone => clone.OwnRam >> 10, 0),
            clones = clones.Count,
        }));

        double Middle(Func<Clone, double> figure, int digits) => Math.Round(Median.Of(clones.Select(figure)), digits);
    }

    private static Clone StartOne(CloneHost host, int number)
    {
        _ = KernelCalls.TakeThreadPageFaults();
        (TimeSpan cpu, long allocated) = (KernelCalls.ThreadCpuTime, GC.GetAllocatedBytesForCurrentThread());
        long start = Stopwatch.GetTimestamp();
        host.StartClone(number);
        double running = MillisecondsSince(start);
        (cpu, allocated) = (KernelCalls.ThreadCpuTime - cpu, GC.GetAllocatedBytesForCurrentThread() - allocated);
        long faults = KernelCalls.TakeThreadPageFaults();
        host.WaitForTick(number);
        double tick = MillisecondsSince(start);
        GuestMeasurement cost = host.Measure(number);
        Clone clone = new(running, tick, host.OwnRamBytes(number, 1), cpu.TotalMilliseconds, faults, allocated, cost);
        host.Remove(number, 1);
        return clone;
    }

    /// <summary>
    /// What the process grows by for each clone beside the clone's RAM, in bytes: the clones share it, so all run at once.
    /// </summary>
    private static long ProcessGrowth(CloneHost host, int count)
    {
        long before = CloneHost.ProcessOwnBytes();
        host.StartTicking(count);
        host.Suspend(0, count);
        long growth = CloneHost.ProcessOwnBytes() - before - host.OwnRamBytes(0, count);
        return growth / count;
    }

    private static double MillisecondsSince(long stamp) => Stopwatch.GetElapsedTime(stamp).TotalMilliseconds;

    /// <summary>
    /// A clone: milliseconds until it ran and had ticked, its own RAM then, and what its start cost the thread that asked for it.
    /// </summary>
    private sealed record Clone(double Running, double Tick, long OwnRam, double Cpu, long Faults, long Allocated, GuestMeasurement Cost);
}
