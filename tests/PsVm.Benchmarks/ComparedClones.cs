using System.Globalization;

namespace PsVm.Benchmarks;

/// <summary>What the start of a process costs a clone, beside the same guest of the peer's, and what memory a clone takes.</summary>
internal static class ComparedClones
{
    private const int Clones = 20;

    /// <summary>Prints two tables.</summary>
    /// <param name="options">What boots.</param>
    /// <param name="peer">Starts the peer with a command line.</param>
    /// <param name="ticks">How many process starts are measured.</param>
    /// <param name="run">Our run, for what its process takes.</param>
    /// <param name="peerRun">The peer's.</param>
    public static void Print(BootOptions options, Func<string, ConsoleRun> peer, int ticks, ComparedRun run, ComparedRun peerRun)
    {
        string append = options.Append + " every=1";
        double there = PeerCpuPerTick(peer(append), ticks);
        using CloneHost host = new(new CloneOptions(new Arguments(
        [
            "--kernel", options.Kernel, "--initrd", options.Initrd, "--append", append, "--until", "TICK 3",
            "--mem", options.Megabytes.ToString(CultureInfo.InvariantCulture),
        ])));
        host.StartClone(Clones);
        host.WaitForTick(Clones);
        (int before, TimeSpan cpu) = (host.Ticks(Clones), host.Measure(Clones).CpuTime);
        while (host.Ticks(Clones) < before + ticks)
        {
            Thread.Sleep(10);
        }

        double here = (host.Measure(Clones).CpuTime - cpu).TotalMilliseconds / (host.Ticks(Clones) - before);
        host.Remove(Clones, 1);
        Write(
            $"""

            | CPU ms | QEMU | PsVm, a clone |
            |---|---:|---:|
            | start of a process by a shell, one a second | {there:F2} | {here:F2} |

            """);

        long ownBefore = CloneHost.ProcessOwnBytes();
        host.StartTicking(Clones);
        host.Suspend(0, Clones);
        long own = (CloneHost.ProcessOwnBytes() - ownBefore) / Clones;
        long ram = host.OwnRamBytes(0, Clones) / Clones;
        TranslationUsage code = host.MeasureTranslation();
        Write($"\n| memory, KiB | QEMU | PsVm |\n|---|---:|---:|\n");
        Write($"| process at the boot's end, its guest's RAM with it | {peerRun.Own >> 10:N0} | {run.Own >> 10:N0} |\n");
        Write($"| a clone's own, at its first process | | {own >> 10:N0} |\n");
        Write($"| of that its RAM | | {ram >> 10:N0} |\n");
        Write($"| translated code that all clones share | | {code.CodeBytes >> 10:N0} |\n");
    }

    private static double PeerCpuPerTick(ConsoleRun run, int ticks)
    {
        using (run)
        {
            double? began = null;
            int seen = 0;
            foreach (ConsoleLine line in run.Lines())
            {
                if (!line.Text.StartsWith("TICK ", StringComparison.Ordinal) || ++seen < 3)
                {
                    continue;
                }

                began ??= line.Cpu;
                if (seen == ticks + 3)
                {
                    return (line.Cpu - began.Value) * 1000 / ticks;
                }
            }
        }

        throw new BenchmarkException("Expected QEMU's guest to tick, found that it ended.");
    }

    private static void Write(FormattableString text) => Console.Write(text.ToString(CultureInfo.InvariantCulture));
}
