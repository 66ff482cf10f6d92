using System.Diagnostics;
using System.Text.Json;
using PsVm.Machine.Guests;
using PsVm.Memory;

namespace PsVm.Benchmarks;

/// <summary>
/// How soon a guest answers that is started on a template while that is copied from a slow source, and how soon one that waits for the
/// copy.
/// </summary>
internal static class LazyCommand
{
    private const string Source = "source";
    private const int PageSize = 4096, PoolStart = 4 << 20; // what the embedded guest does not fill, and some

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(10);

    /// <summary>Prints one line.</summary>
    public static void Lazy(string[] words)
    {
        Arguments arguments = new(words);
        CloneOptions options = new(arguments);
        int rate = arguments.Number("--rate", 200);
        int whole = arguments.Number("--copies", 1);
        string above = arguments.TextOrNull("--folder") ?? Path.GetTempPath();
        arguments.Done();
        DirectoryInfo folder = Directory.CreateDirectory(Path.Combine(above, $"psvm-lazy-{Guid.NewGuid():N}"));
        try
        {
            Run(folder.FullName, options, rate * 1e6, whole);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static void Run(string folder, CloneOptions options, double rate, int whole)
    {
        using MemoryBackends backends = new();
        using GuestHost host = new(backends) { OpenLazySource = path => new SlowSource(path, rate) };
        string template = MakeTemplate(host, Path.Combine(folder, "template"), options);
        foreach (bool isLazy in new[] { false, true })
        {
            // What is compiled and loaded when first used is no clone's.
            Start(host, new GuestOptions { Template = template, Lazy = isLazy });
            host.End(Source);
        }

        List<double> local = [], running = [], answered = [], fetched = [];
        for (int run = 0; run < options.Count; run++)
        {
            local.Add(Start(host, new GuestOptions { Template = template }).Answered);
            host.End(Source);
            (double began, double answer) = Start(host, new GuestOptions { Template = template, Lazy = true });
            running.Add(began);
            answered.Add(answer);
            fetched.Add(host.Get(Source).Fill!.BytesFetched / (double)(1 << 20));
            host.End(Source);
        }

        List<double> copied = [], waited = [], meanwhile = [];
        for (int copy = 0; copy < whole; copy++)
        {
            string destination = Path.Combine(folder, $"copy{copy}");
            long began = Stopwatch.GetTimestamp();
            meanwhile.Add(Start(host, new GuestOptions { Template = template, Lazy = true, Destination = destination }).Answered);
            while (host.Get(Source).Fill!.State != GuestFillState.Complete)
            {
                Thread.Sleep(1);
            }

            copied.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
            host.End(Source);
            waited.Add(copied[^1] + Start(host, new GuestOptions { Template = destination }).Answered);
            host.End(Source);
            Directory.Delete(destination, recursive: true);
        }

        Console.WriteLine(JsonSerializer.Serialize(new
        {
            memory_mib = options.Memory >> 20,
            source_mb_per_s = rate / 1e6,
            runs = options.Count,
            local_answer_ms = Round(local),
            lazy_running_ms = Round(running),
            lazy_answer_ms = Round(answered),
            lazy_fetched_mib = Round(fetched),
            copies = whole,
            copy_ms = Round(copied),
            answer_after_copy_ms = Round(waited),
            times_sooner = Math.Round(Median.Of(waited) / Median.Of(answered), 1),
        }));
    }

    /// <summary>A template of a guest that has booted; most of the embedded guest's RAM is full of a pattern.</summary>
    private static string MakeTemplate(GuestHost host, string path, CloneOptions options)
    {
        host.Start(
            new GuestOptions
            {
                Name = Source, Memory = options.Memory, Kernel = options.Kernel, Initrd = options.Initrd, CommandLine = options.Append,
            },
            CancellationToken.None);
        host.WaitFor(Source, options.Until, s_patience);
        if (options.Kernel is null)
        {
            long pages = (options.Memory - PoolStart) / PageSize;
            host.WriteConsole(Source, $"touch {pages}\r");
            host.WaitFor(Source, $"touch: pages={pages}", s_patience);
        }

        host.Checkpoint(Source, new CheckpointOptions { Path = path }, progress: null, CancellationToken.None);
        host.End(Source);
        return path;
    }

    private static (double Running, double Answered) Start(GuestHost host, GuestOptions options)
    {
        long began = Stopwatch.GetTimestamp();
        host.Start(options with { Name = Source }, CancellationToken.None);
        double running = Stopwatch.GetElapsedTime(began).TotalMilliseconds;

        // The embedded guest knows "spin", a shell the other; each answers to one of them.
        bool isEmbedded = host.Get(Source).Boot == "embedded guest";
        host.WriteConsole(Source, isEmbedded ? "spin 1\r" : "echo an''swer $((6 * 7))\n");
        host.WaitFor(Source, isEmbedded ? "spin: " : "answer 42", s_patience);
        return (running, Stopwatch.GetElapsedTime(began).TotalMilliseconds);
    }

    private static double Round(IEnumerable<double> figures) => figures.Any() ? Math.Round(Median.Of(figures), 1) : 0;
}
