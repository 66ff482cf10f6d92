using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using PsVm.Machine.Guests;
using PsVm.Memory;

namespace PsVm.Benchmarks;

/// <summary>Keeps a guest of several harts busy for minutes in RAM that is almost full, and looks for checksums that differ and memory
/// that grows.</summary>
internal static class SoakCommand
{
    private const string Name = "soak";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    /// <summary>Prints each unit, a sample now and then, and the verdict.</summary>
    /// <returns>Whether all was well.</returns>
    public static bool Soak(string[] words)
    {
        Arguments arguments = new(words);
        int seconds = arguments.Number("--seconds", 600);
        int interval = arguments.Number("--sample", 10);
        int harts = arguments.Number("--harts", 4);
        int workers = arguments.Number("--workers", harts);
        GuestOptions options = new()
        {
            Name = Name,
            Kernel = arguments.Text("--kernel"),
            Initrd = arguments.Text("--initrd"),
            CommandLine = string.Create(CultureInfo.InvariantCulture, $"console=ttyS0 panic=-1 quiet soak={seconds} workers={workers}"),
            Memory = (long)arguments.Number("--mem", 256) << 20,
            Harts = harts,
        };
        arguments.Done();

        using MemoryBackends backends = new();
        using GuestHost host = new(backends);
        host.Start(options, CancellationToken.None);
        string begin = string.Create(CultureInfo.InvariantCulture, $"SOAK-BEGIN harts={harts} ");
        if (!host.WaitForText(Name, begin, Patience, CancellationToken.None))
        {
            throw new BenchmarkException($"Expected '{begin}' on the console, found: {host.ReadConsole(Name, 0).Text}");
        }

        SoakLog log = new();
        List<Sample> samples = [];
        long began = Stopwatch.GetTimestamp(), position = 0, due = interval;
        bool ended;
        do
        {
            ended = host.WaitForState(Name, GuestState.Stopped, TimeSpan.FromSeconds(1), CancellationToken.None)
                || host.Get(Name).State == GuestState.Failed;
            ConsoleText read = host.ReadConsole(Name, position);
            position = read.NextPosition;
            log.Add(read.Text);
            Console.Write(read.Text);
            double elapsed = Stopwatch.GetElapsedTime(began).TotalSeconds;
            if (elapsed > seconds + Patience.TotalSeconds)
            {
                throw new BenchmarkException($"Expected the guest to end after {seconds} s, found it running after {elapsed:F0} s.");
            }

            if (elapsed >= due && elapsed < seconds)
            {
                due += interval;
                samples.Add(TakeSample(host, elapsed, log.Units));
                Console.WriteLine(JsonSerializer.Serialize(samples[^1]));
            }
        }
        while (!ended);

        bool finished = host.ReadConsole(Name, 0).Text.Contains("SOAK-END", StringComparison.Ordinal);
        bool good = finished && log.Units > 0 && log.Wrong.Count == 0 && log.Complaints.Count == 0;
        Console.WriteLine(JsonSerializer.Serialize(new
        {
            verdict = good ? "same" : "different",
            finished,
            units = log.Units,
            units_by_kind = log.UnitsByKind,
            wrong = log.Wrong,
            complaints = log.Complaints,
            growth_kib = Growth(samples),
        }));
        return good;
    }

    /// <summary>How much more the process has on the median in the last third of the samples than in the first; null: too few.</summary>
    public static long? Growth(IReadOnlyList<Sample> samples)
    {
        int third = samples.Count / 3;
        return third == 0 ? null : (long)(MedianOf(samples.TakeLast(third)) - MedianOf(samples.Take(third)));

        static double MedianOf(IEnumerable<Sample> some) => Median.Of(some.Select(sample => (double)sample.Host));
    }

    private static Sample TakeSample(GuestHost host, double elapsed, int units)
    {
        long ram = host.Measure([Name], detailed: true).SelectMany(guest => guest.Backends).Sum(backend => backend.Own);
        long own = CloneHost.ProcessOwnBytes();
        using Process process = Process.GetCurrentProcess();
        return new Sample
        {
            Seconds = Math.Round(elapsed, 1),
            Units = units,
            Resident = process.WorkingSet64 >> 10,
            Ram = ram >> 10,
            Host = (own - ram) >> 10,
        };
    }

    /// <summary>A look at the process.</summary>
    internal sealed record Sample
    {
        /// <summary>Seconds since the guest began to work.</summary>
        [JsonPropertyName("seconds")]
        public double Seconds { get; init; }

        /// <summary>Units of work done.</summary>
        [JsonPropertyName("units")]
        public int Units { get; init; }

        /// <summary>KiB that the process has in memory.</summary>
        [JsonPropertyName("rss_kib")]
        public long Resident { get; init; }

        /// <summary>KiB of the guest's RAM that only this process has.</summary>
        [JsonPropertyName("ram_kib")]
        public long Ram { get; init; }

        /// <summary>KiB that only this process has and that are not the guest's RAM: these must not grow.</summary>
        [JsonPropertyName("host_kib")]
        public long Host { get; init; }
    }
}
