using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using PsVm.Machine.Guests;
using PsVm.Memory;

namespace PsVm.Benchmarks;

/// <summary>What a guest of tests/guests/disks gets of a disk here, and of QEMU's in turn, with the same kernel, image and loads.</summary>
internal static class DiskCommand
{
    /// <summary>The command that a run's process gets.</summary>
    public const string ChildName = "disk-child";

    private const string Append = "console=ttyS0 quiet rdinit=/disk-init load=";

    /// <summary>Prints a line for each load; the runs go to standard error as they end.</summary>
    public static void Disk(string[] words)
    {
        Arguments arguments = new(words);
        string kernel = arguments.Text("--kernel"), initrd = arguments.Text("--initrd");
        string? qemu = arguments.TextOrNull("--qemu");
        string above = arguments.TextOrNull("--folder") ?? Path.GetTempPath();
        string overlay = arguments.TextOrNull("--overlay") ?? "none";
        int runs = arguments.Number("-n", 3), megabytes = arguments.Number("--size", 512), load = arguments.Number("--load", 2000);
        arguments.Done();
        string folder = Directory.CreateDirectory(Path.Combine(above, $"psvm-disk-{Guid.NewGuid():N}")).FullName;
        try
        {
            string image = Path.Combine(folder, "disk.img");
            Fill(image, megabytes);
            List<Load> ours = [], peers = [];
            for (int run = 0; run < runs; run++)
            {
                if (qemu is not null)
                {
                    peers.AddRange(Run("QEMU", qemu,
                    [
                        "-accel", "tcg", "-machine", "virt", "-smp", "1", "-m", "256M", "-nodefaults", "-display", "none", "-serial",
                        "stdio", "-no-reboot",
                        "-kernel", kernel, "-initrd", initrd, "-append", $"{Append}{load}",
                        "-drive", $"if=none,id=d,format=raw,file={image},cache=writeback,aio=threads", "-device",
                        "virtio-blk-device,drive=d",
                    ]));
                }

                ours.AddRange(Run("PsVm", Environment.ProcessPath!,
                [
                    .. Environment.ProcessPath!.EndsWith("dotnet", StringComparison.Ordinal)
                        ? ["exec", typeof(DiskCommand).Assembly.Location]
                        : Array.Empty<string>(),
                    ChildName, kernel, initrd, image, overlay == "file" ? Path.Combine(folder, $"overlay{run}") : overlay,
                    load.ToString(CultureInfo.InvariantCulture),
                ]));
            }

            foreach (string name in ours.Select(one => one.Name).Distinct())
            {
                double here = Rate(ours, name), there = Rate(peers, name);
                Console.WriteLine(JsonSerializer.Serialize(new
                {
                    load = name,
                    overlay,
                    requests_per_s = Math.Round(here),
                    cpu_us_per_request = Math.Round(Cpu(ours, name), 1),
                    qemu_requests_per_s = Math.Round(there),
                    qemu_cpu_us_per_request = there > 0 ? Math.Round(Cpu(peers, name), 1) : 0,
                    ratio = there > 0 ? Math.Round(here / there, 2) : 0,
                    runs,
                }));
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Boots the guest once and passes on what it says, with the CPU time of the process so far.</summary>
    public static void RunChild(string[] words)
    {
        (string kernel, string initrd, string image, string overlay, string load) = (words[0], words[1], words[2], words[3], words[4]);
        GuestDiskOptions disk = overlay switch
        {
            "none" => new GuestDiskOptions { Path = image },
            "memory" => new GuestDiskOptions { Path = image, Overlay = DiskOverlay.Memory },
            _ => new GuestDiskOptions { Path = image, OverlayPath = overlay },
        };
        using MemoryBackends backends = new();
        using GuestHost host = new(backends);
        string guest = host.Start(
            new GuestOptions { Memory = 256 << 20, Kernel = kernel, Initrd = initrd, CommandLine = Append + load, Disks = [disk] },
            CancellationToken.None).Name;
        long position = 0;
        do
        {
            Thread.Sleep(20);
            ConsoleText text = host.ReadConsole(guest, position);
            position = text.NextPosition;
            Console.Write(text.Text);
            Console.Out.Flush();
        }
        while (host.Get(guest).State == GuestState.Running);
    }

    private static double Rate(List<Load> loads, string name) =>
        loads.Where(one => one.Name == name).Select(one => one.PerSecond).ToArray() is { Length: > 0 } rates ? Median.Of(rates) : 0;

    private static double Cpu(List<Load> loads, string name) =>
        Median.Of(loads.Where(one => one.Name == name).Select(one => one.CpuMicroseconds));

    private static List<Load> Run(string who, string program, string[] words)
    {
        List<Load> loads = [];
        using Process process =
            Process.Start(new ProcessStartInfo(program, words) { RedirectStandardOutput = true, RedirectStandardInput = true })!;
        TimeSpan cpu = TimeSpan.Zero;
        while (process.StandardOutput.ReadLine() is { } line)
        {
            if (line.StartsWith("LOADS-BEGIN", StringComparison.Ordinal))
            {
                cpu = ProcessCpu.Of(process); // what its boot took is no load's
            }
            else if (line.Split(' ') is ["D", var name, var requests, var microseconds])
            {
                TimeSpan now = ProcessCpu.Of(process);
                double count = double.Parse(requests, CultureInfo.InvariantCulture);
                Load load = new(
                    name, count / double.Parse(microseconds, CultureInfo.InvariantCulture) * 1e6, (now - cpu).TotalMicroseconds / count);
                cpu = now;
                loads.Add(load);
                Console.Error.WriteLine($"{who} {load}");
            }
        }

        process.WaitForExit();
        return loads.Count > 0 ? loads : throw new BenchmarkException($"Expected {who}'s guest to say what it did, found nothing.");
    }

    // Not zeros, and no holes.
    private static void Fill(string path, int megabytes)
    {
        using FileStream file = File.Create(path);
        byte[] bytes = new byte[1 << 20];
        new Random(1).NextBytes(bytes);
        for (int i = 0; i < megabytes; i++)
        {
            file.Write(bytes);
        }

        file.Flush(flushToDisk: true);
    }

    private sealed record Load(string Name, double PerSecond, double CpuMicroseconds);
}
