using System.Diagnostics;
using System.Text.Json;
using PsVm.Machine.Guests;
using PsVm.Memory;
using PsVm.Riscv;

namespace PsVm.Benchmarks;

/// <summary>Boots a guest that powers itself off, and takes the time. Each run is a process of its own, timed from its start, as a
/// peer's is; with <c>--warm</c> all are in this one, timed from the request, as in a shell that has the module loaded.</summary>
internal static class BootCommand
{
    /// <summary>The command that a run's process gets, with the options of <c>boot</c>.</summary>
    public const string ChildName = "boot-child";

    private const string UpLine = "UP";

    /// <summary>Prints each run and the median.</summary>
    public static void Boot(string[] words)
    {
        Arguments arguments = new(words);
        BootOptions options = new(arguments);
        bool warm = arguments.Switch("--warm");
        arguments.Done();

        List<double> times = [];
        for (int run = 0; run < options.Runs; run++)
        {
            BootResult result = warm ? RunHere(options) : RunChildProcess(options);
            Console.WriteLine(result);
            times.AddRange(result.UntilSeconds is { } seconds ? [seconds] : []);
        }

        if (times.Count == 0)
        {
            throw new BenchmarkException($"Expected '{options.Until}' on the console, found it in no run.");
        }

        Console.WriteLine(JsonSerializer.Serialize(new { median_until_s = Math.Round(Median.Of(times), 3), runs = times.Count }));
    }

    /// <summary>A run in a process of its own.</summary>
    /// <exception cref="BenchmarkException">The process failed.</exception>
    public static BootResult RunChildProcess(BootOptions options)
    {
        ProcessStartInfo start = new(Path.Combine(AppContext.BaseDirectory, "PsVm.Benchmarks"), [ChildName, .. options.ToWords()])
        {
            RedirectStandardOutput = true,
        };
        long began = Stopwatch.GetTimestamp();
        using Process process = Process.Start(start)!;
        double? until = null;
        string? line = process.StandardOutput.ReadLine();
        if (line == UpLine)
        {
            until = SecondsSince(began);
            line = process.StandardOutput.ReadLine();
        }

        process.WaitForExit();
        return process.ExitCode == 0
            ? BootResult.Parse(line) with { UntilSeconds = until, ExitSeconds = SecondsSince(began) }
            : throw new BenchmarkException($"Expected the run's process to end with 0, found {process.ExitCode}.");
    }

    /// <summary>What that process does: prints a line when the text is on the console, and the result in the end.</summary>
    public static void RunChild(string[] words)
    {
        Arguments arguments = new(words);
        BootOptions options = new(arguments);
        arguments.Done();
        Console.WriteLine(Run(options, () => Console.WriteLine(UpLine)));
    }

    private static BootResult RunHere(BootOptions options)
    {
        long began = Stopwatch.GetTimestamp();
        double? until = null;
        return Run(options, () => until = SecondsSince(began)) with { UntilSeconds = until, ExitSeconds = SecondsSince(began) };
    }

    /// <summary>A run without its times.</summary>
    private static BootResult Run(BootOptions options, Action up)
    {
        const string name = "boot";
        using MemoryBackends backends = new();
        using CodeDump? dump = options.Dump is { } path ? new CodeDump(path) : null;
        TranslatorOptions translation = options.Translate ? TranslatorOptions.Default : TranslatorOptions.Off;
        using GuestHost host = new(backends, translation: dump is null ? translation : translation with { Observer = dump.Write });
        host.Start(options.ToGuest(name), CancellationToken.None);
        if (host.WaitForText(name, options.Until, Timeout.InfiniteTimeSpan, CancellationToken.None))
        {
            up();
        }

        host.WaitForState(name, GuestState.Stopped, Timeout.InfiniteTimeSpan, CancellationToken.None);
        GuestInfo guest = host.Get(name);
        if (guest.State != GuestState.Stopped)
        {
            throw new BenchmarkException($"Expected the guest to power off, found that it failed: {guest.StopReason}");
        }

        return new BootResult
        {
            Bench = BenchLines(host.ReadConsole(name, 0).Text),
            Instructions = guest.Instructions,
            InstructionsPerSecond = (long)(guest.Instructions / guest.CpuTime.TotalSeconds),
        };
    }

    private static string[] BenchLines(string console) =>
        [.. console.Split('\n', StringSplitOptions.TrimEntries).Where(line => line.StartsWith("B ", StringComparison.Ordinal))];

    private static double SecondsSince(long stamp) => Math.Round(Stopwatch.GetElapsedTime(stamp).TotalSeconds, 3);
}
