using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using PsVm.Machine.Guests;
using PsVm.Memory;

namespace PsVm.Benchmarks;

/// <summary>
/// Clones with a disk and an agent: from a start to the end of the first command, then commands in all of them, in turn and at once.
/// </summary>
internal static class AgentsCommand
{
    private const long DiskBytes = 64 << 20;

    // Instructions in a pause, of a guest that has nothing to do but a tick of its clock now and then.
    private const long Idle = 2_000_000;

    private static readonly TimeSpan s_idlePause = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(5);

    /// <summary>Prints one line.</summary>
    /// <exception cref="BenchmarkException">A guest has no agent that answers, or a command fails.</exception>
    public static void Run(string[] words)
    {
        Arguments arguments = new(words);
        CloneOptions options = new(arguments);
        int commands = Math.Max(arguments.Number("--commands", 500), options.Count); // one in each clone at least
        NetworkBackend? network = arguments.TextOrNull("--network") is { } backend
            ? Enum.Parse<NetworkBackend>(backend, ignoreCase: true)
            : null;
        arguments.Done();

        DirectoryInfo folder = Directory.CreateTempSubdirectory("psvm-agents-");
        try
        {
            using MemoryBackends backends = new();
            using GuestHost host = new(backends);
            GuestOptions clone = MakeTemplate(host, options, network, folder.FullName);
            Command(host, host.Start(clone with { Name = "warm" }, CancellationToken.None).Name);
            host.End("warm");

            TimeSpan before = Environment.CpuUsage.TotalTime;
            double[] firsts = [.. Enumerable.Range(0, options.Count).Select(number => Time(() =>
            {
                host.Start(clone with { Name = NameOf(number) }, CancellationToken.None);
                Command(host, NameOf(number));
            })).Order()];
            TimeSpan firstCpu = (Environment.CpuUsage.TotalTime - before) / options.Count;
            GuestInfo[] guests = [.. Enumerable.Range(0, options.Count).Select(number => host.Get(NameOf(number)))];
            long own = OwnBytes(host, options.Count) / options.Count;
            long instructions = Instructions(host, options.Count);
            before = Environment.CpuUsage.TotalTime;
            double[] trips =
                [.. Enumerable.Range(0, commands).Select(number => Time(() => Command(host, NameOf(number % options.Count)))).Order()];
            TimeSpan cpu = (Environment.CpuUsage.TotalTime - before) / commands;
            instructions = (Instructions(host, options.Count) - instructions) / commands;
            ConcurrentBag<double> atOnce = [];
            double together = Time(() => Task.WhenAll(Enumerable.Range(0, options.Count).Select(
                guest => Task.Run(() => InTurnAsync(host, NameOf(guest), commands / options.Count, atOnce)))).GetAwaiter().GetResult());
            double[] loaded = [.. atOnce.Order()];
            Console.WriteLine(JsonSerializer.Serialize(new
            {
                clones = options.Count,
                commands,
                median_ms = Math.Round(Median.Of(trips), 2),
                p99_ms = Math.Round(trips[(int)(commands * 0.99)], 2),
                cpu_ms = Math.Round(cpu.TotalMilliseconds, 2),
                instructions,
                per_second_at_once = Math.Round(loaded.Length / (together / 1000), 1),
                at_once_median_ms = Math.Round(Median.Of(loaded), 2),
                at_once_p99_ms = Math.Round(loaded[(int)(loaded.Length * 0.99)], 2),
                first_median_ms = Math.Round(Median.Of(firsts), 2),
                first_most_ms = Math.Round(firsts[^1], 2),
                first_cpu_ms = Math.Round(firstCpu.TotalMilliseconds, 2),
                first_hart_cpu_ms = Math.Round(guests.Average(guest => guest.CpuTime.TotalMilliseconds), 2),
                first_instructions = (long)guests.Average(guest => guest.Instructions),
                own_after_first_kib = own >> 10,
                own_in_the_end_kib = (OwnBytes(host, options.Count) / options.Count) >> 10,
            }));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static GuestOptions MakeTemplate(GuestHost host, CloneOptions options, NetworkBackend? network, string folder)
    {
        const string source = "source";
        string image = Path.Combine(folder, "disk.img");
        using (FileStream disk = File.Create(image))
        {
            disk.SetLength(DiskBytes);
        }

        GuestOptions boot = new()
        {
            Name = source,
            Memory = options.Memory,
            Kernel = options.Kernel,
            Initrd = options.Initrd,
            CommandLine = options.Append,
            Disks = [new GuestDiskOptions { Path = image, Overlay = DiskOverlay.Memory }],
            Networks = network is { } backend ? [new GuestNetworkOptions { Backend = backend }] : [],
        };
        host.Start(boot, CancellationToken.None);
        if (!host.Agents.WaitAsync(source, s_patience).GetAwaiter().GetResult())
        {
            throw new BenchmarkException(
                $"Expected an agent that answers within {s_patience.TotalSeconds} s, found none: give --kernel and --initrd of "
                    + "get-linux.sh.");
        }

        // What its init has not done yet each clone would do.
        host.WaitFor(source, options.Until);
        Command(host, source);
        for (long before = -1; host.Get(source).Instructions is var now && now - before > Idle; before = now)
        {
            Thread.Sleep(s_idlePause);
        }

        string template = Path.Combine(folder, "template");
        host.Checkpoint(source, new CheckpointOptions { Path = template }, progress: null, CancellationToken.None);
        host.End(source);
        return new GuestOptions { Template = template, Memory = options.Memory, Disks = boot.Disks, Networks = boot.Networks };
    }

    private static async Task InTurnAsync(GuestHost host, string guest, int count, ConcurrentBag<double> times)
    {
        for (int number = 0; number < count; number++)
        {
            long began = Stopwatch.GetTimestamp();
            await CommandAsync(host, guest).ConfigureAwait(false);
            times.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
        }
    }

    private static void Command(GuestHost host, string guest) => CommandAsync(host, guest).GetAwaiter().GetResult();

    private static async Task CommandAsync(GuestHost host, string guest)
    {
        GuestCommandResult result = await host.Agents.RunAsync(guest, new GuestCommand("/bin/busybox") { Arguments = ["true"] })
            .ConfigureAwait(false);
        if (result.ExitCode != 0)
        {
            throw new BenchmarkException($"Expected a command in {guest} to end with 0, found {result.ExitCode}: {result.StdErr}");
        }
    }

    private static double Time(Action action)
    {
        long began = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(began).TotalMilliseconds;
    }

    private static long OwnBytes(GuestHost host, int count) => host.Measure([.. Enumerable.Range(0, count).Select(NameOf)], detailed: true)
        .SelectMany(guest => guest.Backends).Sum(ram => ram.Own);

    private static long Instructions(GuestHost host, int count) =>
        Enumerable.Range(0, count).Sum(number => host.Get(NameOf(number)).Instructions);

    private static string NameOf(int number) => string.Create(CultureInfo.InvariantCulture, $"clone{number}");
}
