using System.Diagnostics;
using System.Text.Json;
using Mono.Unix.Native;
using PsVm.Machine.Guests;
using PsVm.Machine.Templates;
using PsVm.Memory;

namespace PsVm.Benchmarks;

/// <summary>
/// Packs, unpacks and copies a template, there and to other file systems, over and over, and looks whether what comes of it is whole.
/// </summary>
internal static class TravelCommand
{

    /// <summary>Prints a line for each folder.</summary>
    public static void Travel(string[] words)
    {
        Arguments arguments = new(words);
        CloneOptions options = new(arguments);
        string[] folders = (arguments.TextOrNull("--to") ?? string.Empty).Split(',', StringSplitOptions.RemoveEmptyEntries);
        int flips = arguments.Number("--flips", 5);
        arguments.Done();

        DirectoryInfo home = Directory.CreateTempSubdirectory("psvm-travel-");
        try
        {
            using MemoryBackends backends = new();
            using GuestHost host = new(backends);
            GuestTemplate template = Make(host, Path.Combine(home.FullName, "template"), options);
            foreach (string folder in folders.Prepend(home.FullName))
            {
                DirectoryInfo there = Directory.CreateDirectory(Path.Combine(folder, $"psvm-travel-{Guid.NewGuid():N}"));
                try
                {
                    Measure(host, template, there.FullName, folder, options, flips);
                }
                finally
                {
                    there.Delete(recursive: true);
                }
            }
        }
        finally
        {
            home.Delete(recursive: true);
        }
    }

    private static GuestTemplate Make(GuestHost host, string path, CloneOptions options)
    {
        string guest = host.Start(
            new GuestOptions { Memory = options.Memory, Kernel = options.Kernel, Initrd = options.Initrd, CommandLine = options.Append },
            CancellationToken.None).Name;
        host.WaitFor(guest, options.Until);
        GuestTemplate template = host.Checkpoint(guest, new CheckpointOptions { Path = path }, null, CancellationToken.None);
        host.End(guest);
        return template;
    }

    private static void Measure(GuestHost host, GuestTemplate template, string there, string folder, CloneOptions options, int flips)
    {
        TemplateHost templates = new();
        List<double> export = [], import = [], copy = [], move = [], first = [], next = [];
        long archive = 0;
        string packed = Path.Combine(there, "archive.psvm"), copied = Path.Combine(there, "copy"), moved = Path.Combine(there, "moved");
        string byHand = Path.Combine(there, "by-hand");
        for (int turn = 0; turn < options.Count; turn++)
        {
            Time(
                export,
                () => archive = templates.Export(
                    template.Path, new TemplateExportOptions { Path = packed }, null, CancellationToken.None).Length);
            GuestTemplate imported = template;
            Time(
                import,
                () => imported = templates.Import(packed, new TemplateImportOptions { Folder = there }, null, CancellationToken.None));
            StartAndTick(host, imported.Path, options);
            Time(copy, () => templates.Copy(template.Path, new TemplateCopyOptions { Destination = copied }, null, CancellationToken.None));
            StartAndTick(host, copied, options);
            Time(move, () => templates.Move(copied, new TemplateCopyOptions { Destination = moved }, null, CancellationToken.None));
            StartAndTick(host, moved, options);

            // Copied by other hands, it is read before its first guest.
            CopyByHand(template.Path, byHand);
            Time(first, () => StartAndTick(host, byHand, options));
            Time(next, () => StartAndTick(host, byHand, options));
            Directory.Delete(byHand, recursive: true);
            File.Delete(packed);
            templates.Remove(imported.Path);
            templates.Remove(moved);
        }

        int found = Enumerable.Range(0, flips).Count(_ => IsFlipFound(templates, template, copied));
        Console.WriteLine(JsonSerializer.Serialize(new
        {
            folder,
            runs = options.Count,
            export_ms = Round(export),
            import_ms = Round(import),
            copy_ms = Round(copy),
            move_ms = Round(move),
            by_hand_first_tick_ms = Round(first),
            by_hand_next_tick_ms = Round(next),
            ram_mib = template.Memory >> 20,
            disk_kib = DiskBytes(template.RamBlocks[0].File) >> 10,
            archive_kib = archive >> 10,
            flips,
            flips_found = found,
        }));
    }

    /// <summary>Changes a byte of a copy's RAM where there is data, and nothing else that can be seen of the file but its times.</summary>
    private static bool IsFlipFound(TemplateHost templates, GuestTemplate template, string path)
    {
        GuestTemplate copy = templates.Copy(template.Path, new TemplateCopyOptions { Destination = path }, null, CancellationToken.None);
        string file = copy.RamBlocks[0].File;
        DateTime time = File.GetLastWriteTimeUtc(file);
        _ = Syscall.chmod(file, FilePermissions.S_IRUSR | FilePermissions.S_IWUSR);
        using (FileStream ram = File.Open(file, FileMode.Open, FileAccess.ReadWrite))
        {
            int value;
            do
            {
                ram.Position = Random.Shared.NextInt64(ram.Length);
                value = ram.ReadByte();
            }
            while (value == 0);

            ram.Position--;
            ram.WriteByte((byte)(value ^ (1 << Random.Shared.Next(8))));
        }

        File.SetLastWriteTimeUtc(file, time);
        bool isFound = templates.Test(path, verify: false).Errors.Any(error => error.Id == GuestErrorIds.TemplateRamChanged);
        templates.Remove(path);
        return isFound;
    }

    private static void CopyByHand(string from, string to)
    {
        using Process copy = Process.Start("cp", ["-r", "--sparse=always", from, to]);
        copy.WaitForExit();
        if (copy.ExitCode != 0)
        {
            throw new BenchmarkException($"Expected cp to copy '{from}' to '{to}', found that it ended with {copy.ExitCode}.");
        }
    }

    private static void StartAndTick(GuestHost host, string template, CloneOptions options)
    {
        string clone = host.Start(new GuestOptions { Template = template }, CancellationToken.None).Name;
        host.WaitFor(clone, options.Tick);
        host.End(clone);
    }

    private static void Time(List<double> times, Action work)
    {
        long began = Stopwatch.GetTimestamp();
        work();
        times.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
    }

    private static double Round(List<double> times) => Math.Round(Median.Of(times), 1);

    private static long DiskBytes(string file) => Syscall.stat(file, out Stat stat) == 0 ? stat.st_blocks * 512 : 0;
}
