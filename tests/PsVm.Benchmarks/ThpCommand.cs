using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using PsVm.Machine.Guests;
using PsVm.Memory;

namespace PsVm.Benchmarks;

/// <summary>
/// What transparent huge pages do to guests that boot on anonymous memory and to clones: the same with MADV_HUGEPAGE and without, in turn.
/// </summary>
internal static partial class ThpCommand
{
    private const int HugePage = 14; // MADV_HUGEPAGE

    /// <summary>Prints a line for guests that boot, and one for clones, with the advice and without.</summary>
    public static void Thp(string[] words)
    {
        Arguments arguments = new(words);
        CloneOptions options = new(arguments);
        arguments.Done();
        List<Run>[] boots = [[], []], clones = [[], []];
        for (int turn = 0; turn < options.Count; turn++)
        {
            boots[0].Add(Boot(options, advise: false));
            boots[1].Add(Boot(options, advise: true));
        }

        Print("boot", boots);
        using CloneHost host = new(options);
        int number = 0;
        for (int turn = 0; turn <= options.Count; turn++)
        {
            foreach (bool advise in new[] { false, true })
            {
                Run run = Clone(host, number++, advise);
                if (turn > 0) // what is compiled when first used is no clone's
                {
                    clones[advise ? 1 : 0].Add(run);
                }
            }
        }

        Print("clone", clones);
    }

    private static void Print(string what, List<Run>[] runs)
    {
        for (int advised = 0; advised < runs.Length; advised++)
        {
            Console.WriteLine(JsonSerializer.Serialize(new
            {
                guest = what,
                advice = advised == 1 ? "MADV_HUGEPAGE" : "none",
                runs = runs[advised].Count,
                median_ms = Math.Round(Median.Of(runs[advised].Select(run => run.Milliseconds)), 2),
                least_ms = Math.Round(runs[advised].Min(run => run.Milliseconds), 2),
                median_cpu_ms = Math.Round(Median.Of(runs[advised].Select(run => run.CpuMilliseconds)), 2),
                own_ram_kib = (long)Median.Of(runs[advised].Select(run => run.OwnKilobytes)),
                in_huge_pages_kib = (long)Median.Of(runs[advised].Select(run => run.HugeKilobytes)),
            }));
        }
    }

    private static Run Boot(CloneOptions options, bool advise)
    {
        using MemoryBackends backends = new();
        using GuestHost host = new(backends);
        MemoryBackend ram = backends.Create(new MemoryBackendOptions { Size = options.Memory });
        if (advise)
        {
            Advise(ram);
        }

        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        long began = Stopwatch.GetTimestamp();
        string guest = host.Start(
            new GuestOptions { BackendIds = [ram.Id], Kernel = options.Kernel, Initrd = options.Initrd, CommandLine = options.Append },
            CancellationToken.None).Name;
        host.WaitFor(guest, options.Until);

        double elapsed = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
        double spent = (Environment.CpuUsage.TotalTime - cpu).TotalMilliseconds;
        host.Suspend(guest);
        return new Run(elapsed, spent, ram.MeasureOwn() >> 10, HugeKilobytes(ram));
    }

    /// <summary>A clone that waits in a pool is mapped and has not run: there advice comes before its first page.</summary>
    private static Run Clone(CloneHost host, int number, bool advise)
    {
        host.MakePool(1);
        MemoryBackend ram = host.Pooled;
        if (advise)
        {
            Advise(ram);
        }

        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        long began = Stopwatch.GetTimestamp();
        host.StartClone(number, fromPool: true);
        host.WaitForTick(number);
        double elapsed = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
        double spent = (Environment.CpuUsage.TotalTime - cpu).TotalMilliseconds;
        host.Suspend(number, 1);
        Run run = new(elapsed, spent, ram.MeasureOwn() >> 10, HugeKilobytes(ram));
        host.Remove(number, 1);
        host.RemovePool();
        return run;
    }

    private static void Advise(MemoryBackend ram)
    {
        if (Madvise(ram.Address, (nuint)ram.Size, HugePage) != 0)
        {
            throw new BenchmarkException($"Expected the kernel to take MADV_HUGEPAGE, found error {Marshal.GetLastPInvokeError()}.");
        }
    }

    /// <summary>Of /proc/self/smaps: what of the mappings in a backend's addresses is in huge pages.</summary>
    private static double HugeKilobytes(MemoryBackend ram)
    {
        (bool isInside, double sum) = (false, 0);
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            int dash = line.IndexOf('-', StringComparison.Ordinal);
            if (dash > 0
                && nint.TryParse(line.AsSpan(0, dash), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out nint start))
            {
                isInside = start >= ram.Address && start < ram.Address + (nint)ram.Size;
            }
            else if (isInside && line.StartsWith("AnonHugePages:", StringComparison.Ordinal))
            {
                sum += double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
            }
        }

        return sum;
    }

    [LibraryImport("libc", EntryPoint = "madvise", SetLastError = true)]
    private static partial int Madvise(nint address, nuint length, int advice);

    private sealed record Run(double Milliseconds, double CpuMilliseconds, double OwnKilobytes, double HugeKilobytes);
}
