using System.Diagnostics;
using System.Text.Json;
using PsVm.Machine.Guests;
using PsVm.Machine.Templates;
using PsVm.Memory;
using PsVm.Memory.Copying;
using PsVm.Memory.Native;

namespace PsVm.Benchmarks;

/// <summary>Makes a chain of differential templates, and takes what starts of its levels cost, alone and merged.</summary>
internal static class ChainCommand
{
    private const int Levels = 10;

    /// <summary>Prints a line for the template that stands alone, for one level, for ten, and for those merged into one.</summary>
    public static void Chain(string[] words)
    {
        Arguments arguments = new(words);
        CloneOptions options = new(arguments);
        arguments.Done();

        DirectoryInfo folder = Directory.CreateTempSubdirectory("psvm-chain-");
        try
        {
            using MemoryBackends backends = new();
            using GuestHost host = new(backends);
            GuestTemplate[] levels = MakeLevels(host, folder.FullName, options);
            long began = Stopwatch.GetTimestamp();
            GuestTemplate merged = new TemplateHost()
                .Compress(levels[^1].Path, new CompressOptions { Destination = Path.Combine(folder.FullName, "merged") });
            double mergeTime = MillisecondsSince(began);
            (string Name, GuestTemplate Template)[] measured =
                [("alone", levels[0]), ("1 level", levels[1]), ($"{Levels} levels", levels[^1]), ("merged", merged)];
            List<double>[] starts = [.. measured.Select(_ => new List<double>())];
            List<double>[] cpus = [.. measured.Select(_ => new List<double>())];
            int[] mappings = new int[measured.Length];
            List<double>[] owns = [.. measured.Select(_ => new List<double>())];
            for (int turn = 0; turn < options.Count; turn++)
            {
                for (int i = 0; i < measured.Length; i++)
                {
                    TimeSpan cpu = KernelCalls.ThreadCpuTime;
                    began = Stopwatch.GetTimestamp();
                    string clone = host.Start(new GuestOptions { Template = measured[i].Template.Path }, CancellationToken.None).Name;
                    starts[i].Add(MillisecondsSince(began));
                    cpus[i].Add((KernelCalls.ThreadCpuTime - cpu).TotalMilliseconds);
                    host.WaitFor(clone, options.Tick);
                    mappings[i] = File.ReadLines("/proc/self/maps").Count(line => line.Contains(folder.FullName, StringComparison.Ordinal));
                    owns[i].Add(host.Measure(clone, detailed: true).Backends.Sum(ram => ram.Own) >> 10);
                    host.End(clone);
                }
            }

            for (int i = 0; i < measured.Length; i++)
            {
                Console.WriteLine(JsonSerializer.Serialize(new
                {
                    template = measured[i].Name,
                    median_running_ms = Math.Round(Median.Of(starts[i]), 2),
                    least_running_ms = Math.Round(starts[i].Min(), 2),
                    median_cpu_ms = Math.Round(Median.Of(cpus[i]), 2),
                    median_own_ram_kib = (long)Median.Of(owns[i]),
                    disk_kib = DiskBytes(measured[i].Template) >> 10,
                    mappings = mappings[i],
                    digest_ms = Math.Round(DigestTime(measured[i].Template), 1),
                }));
            }

            Console.WriteLine(JsonSerializer.Serialize(new { merge_ms = Math.Round(mergeTime), starts = options.Count }));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static GuestTemplate[] MakeLevels(GuestHost host, string folder, CloneOptions options)
    {
        GuestOptions boot =
            new() { Memory = options.Memory, Kernel = options.Kernel, Initrd = options.Initrd, CommandLine = options.Append };
        string guest = host.Start(boot, CancellationToken.None).Name;
        host.WaitFor(guest, options.Until);
        List<GuestTemplate> levels = [];
        for (int level = 0; level <= Levels; level++)
        {
            levels.Add(host.Checkpoint(
                guest,
                new CheckpointOptions { Path = Path.Combine(folder, $"level{level}"), Differential = level > 0 },
                progress: null,
                CancellationToken.None));
            host.End(guest);
            if (level < Levels)
            {
                guest = host.Start(new GuestOptions { Template = levels[^1].Path }, CancellationToken.None).Name;
                host.WaitFor(guest, options.Tick);
            }
        }

        return [.. levels];
    }

    private static long DiskBytes(GuestTemplate template) => template.RamBlocks.Sum(block =>
    {
        using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(block.File);
        return SparseFile.Data(file, 0, block.Size).Sum(range => range.Length);
    });

    private static double DigestTime(GuestTemplate template)
    {
        using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(template.RamBlocks[0].File);
        List<double> times = [];
        for (int i = 0; i < 5; i++)
        {
            long began = Stopwatch.GetTimestamp();
            _ = RamDigest.Of(file);
            times.Add(MillisecondsSince(began));
        }

        return Median.Of(times);
    }

    private static double MillisecondsSince(long stamp) => Stopwatch.GetElapsedTime(stamp).TotalMilliseconds;
}
