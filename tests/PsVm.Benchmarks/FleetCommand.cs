using System.Diagnostics;
using System.Text.Json;
using PsVm.Riscv;

namespace PsVm.Benchmarks;

/// <summary>Starts many clones of a template at once, and tells what the whole fleet takes.</summary>
internal static class FleetCommand
{
    private static readonly TimeSpan s_betweenSamples = TimeSpan.FromMilliseconds(1);

    /// <summary>Prints one line.</summary>
    public static void Fleet(string[] words)
    {
        Arguments arguments = new(words);
        CloneOptions options = new(arguments);
        int seconds = arguments.Number("--seconds", 10);
        bool profiled = arguments.Switch("--profile");
        GuestSymbols symbols = GuestSymbols.Read(arguments.TextOrNull("--symbols"));
        arguments.Done();

        AppContext.SetSwitch(HartProfile.SwitchName, profiled);
        using CloneHost host = new(options);

        // What is compiled and loaded when first used is no clone's.
        host.StartClone(options.Count);
        host.WaitForTick(options.Count);
        host.Remove(options.Count, 1);

        TranslationUsage before = host.MeasureTranslation();
        ProcessCosts costsBefore = ProcessCosts.Read();
        long start = Stopwatch.GetTimestamp();
        double[] latencies = [.. Enumerable.Range(0, options.Count).Select(
            number => host.StartClone(number).StartLatency.TotalMilliseconds)];
        double started = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        for (int number = 0; number < options.Count; number++)
        {
            host.WaitForTick(number);
        }

        double ticked = Stopwatch.GetElapsedTime(start).TotalMilliseconds;

        int ticksBefore = Ticks(host, options.Count);
        TimeSpan cpuBefore = Environment.CpuUsage.TotalTime;
        long idle = Stopwatch.GetTimestamp();
        HartProfile.TakeAll();
        do
        {
            Thread.Sleep(profiled ? s_betweenSamples : TimeSpan.FromSeconds(seconds));
            HartProfile.AskAll();
        }
        while (Stopwatch.GetElapsedTime(idle).TotalSeconds < seconds);
        double idleSeconds = Stopwatch.GetElapsedTime(idle).TotalSeconds;
        double cpuSeconds = (Environment.CpuUsage.TotalTime - cpuBefore).TotalSeconds;
        if (profiled)
        {
            Console.Write(new ProfileReport("fleet", HartProfile.TakeAll(), TimeSpan.FromSeconds(cpuSeconds)).ToText(symbols, top: 15));
        }

        int ticks = Ticks(host, options.Count) - ticksBefore;

        host.Suspend(0, options.Count);
        ProcessCosts costs = ProcessCosts.Read();
        long own = costs.Own - costsBefore.Own;
        long ram = host.OwnRamBytes(0, options.Count);
        TranslationUsage after = host.MeasureTranslation();
        Console.WriteLine(JsonSerializer.Serialize(new
        {
            clones = options.Count,
            start_ms = Math.Round(started, 1),
            median_latency_ms = Math.Round(Median.Of(latencies), 2),
            all_ticked_ms = Math.Round(ticked, 1),
            own_kib = own >> 10,
            own_ram_kib = ram >> 10,
            own_kib_per_clone = KibPerClone(own),
            beside_ram_kib_per_clone = KibPerClone(own - ram),
            managed_kib_per_clone = KibPerClone(costs.Managed - costsBefore.Managed),
            heaps_kib_per_clone = KibPerClone(costs.Committed - costsBefore.Committed),
            page_tables_kib_per_clone = KibPerClone(costs.PageTables - costsBefore.PageTables),
            mappings_per_clone = Math.Round((costs.Mappings - costsBefore.Mappings) / (double)options.Count, 2),
            descriptors = costs.Descriptors - costsBefore.Descriptors,
            code_kib = after.CodeBytes >> 10,
            code_kib_before = before.CodeBytes >> 10,
            code_pages_shared = after.PagesShared - before.PagesShared,
            threads = costs.Threads,
            threads_before = costsBefore.Threads,
            idle_cpu_percent = Math.Round(100 * cpuSeconds / idleSeconds, 1),
            ticks_per_clone_and_second = Math.Round(ticks / idleSeconds / options.Count, 2),
        }));

        double KibPerClone(long bytes) => Math.Round(bytes / 1024.0 / options.Count, 1);
    }

    private static int Ticks(CloneHost host, int count) => Enumerable.Range(0, count).Sum(host.Ticks);
}
