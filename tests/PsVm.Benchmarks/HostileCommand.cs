using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using PsVm.Machine.Guests;
using PsVm.Memory;

namespace PsVm.Benchmarks;

/// <summary>
/// Runs many guests that mean harm beside one that works, and tells what that one gets and how fast an operator is obeyed.
/// </summary>
internal static class HostileCommand
{
    private const string Honest = "honest";
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    /// <summary>Prints one line.</summary>
    public static void Hostile(string[] words)
    {
        Arguments arguments = new(words);
        int guests = arguments.Number("--guests", 200);
        int seconds = arguments.Number("--seconds", 20);
        string? only = arguments.TextOrNull("--only");
        arguments.Done();

        DirectoryInfo folder = Directory.CreateTempSubdirectory("psvm-hostile-");
        try
        {
            using MemoryBackends backends = new();
            using GuestHost host = new(backends);
            host.Start(new GuestOptions { Name = Honest, Memory = 16 << 20 }, CancellationToken.None);
            host.WaitFor(Honest, "GUEST-UP");
            StartHostile(host, folder.FullName, guests, only);
            Console.WriteLine(JsonSerializer.Serialize(Measure(host, guests, seconds)));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static object Measure(GuestHost host, int guests, int seconds)
    {
        host.WriteConsole(Honest, "spin 1000000\n");
        Thread.Sleep(TimeSpan.FromSeconds(1));
        GuestInfo before = host.Get(Honest);
        TimeSpan cpuBefore = Environment.CpuUsage.TotalTime;
        long began = Stopwatch.GetTimestamp();
        Thread.Sleep(TimeSpan.FromSeconds(seconds));
        GuestInfo after = host.Get(Honest);
        double elapsed = Stopwatch.GetElapsedTime(began).TotalSeconds;
        double share = (after.CpuTime - before.CpuTime) / (Environment.CpuUsage.TotalTime - cpuBefore);
        double fair = 1 / (guests + 1.0);
        string[] ended = [.. host.List().Where(guest => guest.State != GuestState.Running).Select(
            guest => $"{guest.Name}: {guest.StopReason}")];

        double[] suspends = Latencies(guests, name => host.Suspend(name));
        Array.ForEach(Names(guests), name => host.Resume(name));
        double[] stops = Latencies(guests, name => host.Stop(name));
        return new
        {
            guests,
            seconds = Math.Round(elapsed, 1),
            honest_share_percent = Math.Round(100 * share, 2),
            fair_share_percent = Math.Round(100 * fair, 2),
            honest_of_fair = Math.Round(share / fair, 2),
            honest_instructions_per_s = Math.Round((after.Instructions - before.Instructions) / elapsed),
            suspend_ms = Percentiles(suspends),
            stop_ms = Percentiles(stops),
            ended,
            honest_runs_on = host.Get(Honest).State == GuestState.Running,
        };
    }

    private static void StartHostile(GuestHost host, string folder, int guests, string? only)
    {
        (string Name, int Harts, uint[] Code)[] programs =
            [.. HostilePrograms.All.Where(program => only is null || program.Name == only)];
        if (programs.Length == 0)
        {
            throw new ArgumentException(
                $"Expected --only with one of {string.Join(", ", HostilePrograms.All.Select(program => program.Name))}, found '{only}'.");
        }

        foreach ((string name, _, uint[] code) in programs)
        {
            File.WriteAllBytes(Path.Combine(folder, name), HostilePrograms.Image(code));
        }

        for (int number = 0; number < guests; number++)
        {
            (string name, int harts, _) = programs[number % programs.Length];
            host.Start(
                new GuestOptions { Name = Name(number), Kernel = Path.Combine(folder, name), Memory = 16 << 20, Harts = harts },
                CancellationToken.None);
        }
    }

    private static double[] Latencies(int guests, Action<string> act) => [.. Names(guests).Select(name =>
    {
        long began = Stopwatch.GetTimestamp();
        act(name);
        return Stopwatch.GetElapsedTime(began).TotalMilliseconds;
    })];

    private static object Percentiles(double[] figures)
    {
        double[] sorted = [.. figures.Order()];
        return new { p50 = At(0.5), p99 = At(0.99), max = At(1) };

        double At(double part) => Math.Round(sorted[Math.Max(0, (int)Math.Ceiling(part * sorted.Length) - 1)], 2);
    }

    private static string[] Names(int guests) => [.. Enumerable.Range(0, guests).Select(Name)];

    private static string Name(int number) => string.Create(CultureInfo.InvariantCulture, $"hostile{number}");
}
