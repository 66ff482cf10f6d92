using System.Diagnostics;
using System.Globalization;
using PsVm.Machine.Guests;
using PsVm.Memory;
using PsVm.Riscv;

namespace PsVm.Benchmarks;

/// <summary>Runs the same boot and workloads here and with QEMU in turn, so that both see the same machine.</summary>
internal static class CompareCommand
{
    /// <summary>The command that a run's process gets, with the options of <c>boot</c>: its output is the guest's console.</summary>
    public const string ChildName = "compare-child";

    private const string Guest = "compare";

    /// <summary>Prints tables; the runs go to standard error as they end.</summary>
    /// <returns>Whether all ran to the same checksums on both sides.</returns>
    public static bool Compare(string[] words)
    {
        Arguments arguments = new(words);
        string qemu = arguments.Text("--qemu");
        TimeSpan limit = TimeSpan.FromSeconds(arguments.Number("--limit", 600));
        int ticks = arguments.Number("--ticks", 10);
        BootOptions options = new(arguments);
        arguments.Done();

        List<ComparedRun> ours = [], peers = [];
        List<(double Seconds, double Cpu)> warm = [];
        using MemoryBackends backends = new();
        using (GuestHost host = new(backends))
        {
            BootHere(host, options);
            for (int run = 0; run < options.Runs; run++)
            {
                peers.Add(Log("QEMU", Watch(StartPeer(qemu, options, options.Append, limit), options)));
                ours.Add(Log("PsVm", Watch(StartOurs(options, limit), options)));
                warm.Add(BootHere(host, options));
                Console.Error.WriteLine(
                    string.Create(CultureInfo.InvariantCulture, $"PsVm, loaded: boot {warm[^1].Seconds:F3} s (CPU {warm[^1].Cpu:F3})"));
            }
        }

        Comparison comparison = Comparison.Of(ours, peers, warm);
        Console.Write(comparison);
        ComparedClones.Print(options, append => StartPeer(qemu, options, append, limit), ticks, ours[^1], peers[^1]);
        string load = File.ReadAllText("/proc/loadavg").Split(' ')[1];
        Console.WriteLine($"\nThreads that ran or waited to on the host, mean of the last five minutes: {load}.");
        return comparison.Failures.Count == 0;
    }

    /// <summary>What a run's process does: passes on what is on the console until the guest is off.</summary>
    public static void RunChild(string[] words)
    {
        Arguments arguments = new(words);
        BootOptions options = new(arguments);
        arguments.Done();
        using MemoryBackends backends = new();
        using GuestHost host = new(backends, translation: options.Translate ? TranslatorOptions.Default : TranslatorOptions.Off);
        host.Start(options.ToGuest(Guest), CancellationToken.None);
        long position = 0;
        bool ended;
        do
        {
            ended = host.WaitForState(Guest, GuestState.Stopped, TimeSpan.FromMilliseconds(2), CancellationToken.None);
            ConsoleText text = host.ReadConsole(Guest, position);
            position = text.NextPosition;
            Console.Write(text.Text);
        }
        while (!ended);
    }

    /// <summary>
    /// Boots a guest in this process, as a shell that has the module loaded does: seconds from the request, and of CPU time.
    /// </summary>
    private static (double Seconds, double Cpu) BootHere(GuestHost host, BootOptions options)
    {
        GC.Collect();
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        long began = Stopwatch.GetTimestamp();
        host.Start(options.ToGuest(Guest), CancellationToken.None);
        host.WaitFor(Guest, options.Until);
        (double, double) took = (Stopwatch.GetElapsedTime(began).TotalSeconds, (Environment.CpuUsage.TotalTime - cpu).TotalSeconds);
        host.End(Guest);
        return took;
    }

    private static ComparedRun Log(string who, ComparedRun run)
    {
        Console.Error.WriteLine($"{who}: {run}");
        return run;
    }

    private static ComparedRun Watch(ConsoleRun run, BootOptions options)
    {
        using (run)
        {
            return ComparedRun.Of(run, options.Until);
        }
    }

    private static ConsoleRun StartOurs(BootOptions options, TimeSpan limit) =>
        new("PsVm", Path.Combine(AppContext.BaseDirectory, "PsVm.Benchmarks"), [ChildName, .. options.ToWords()], limit);

    private static ConsoleRun StartPeer(string qemu, BootOptions options, string append, TimeSpan limit) => new(
        "QEMU",
        qemu,
        [
            "-accel", "tcg", "-cpu", "rv64", "-machine", "virt", "-smp", options.Harts.ToString(CultureInfo.InvariantCulture),
            "-m", $"{options.Megabytes}M", "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio",
            "-kernel", options.Kernel, "-initrd", options.Initrd, "-append", append,
        ],
        limit);
}
