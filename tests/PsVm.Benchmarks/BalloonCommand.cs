using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using PsVm.Machine.Guests;
using PsVm.Memory;

namespace PsVm.Benchmarks;

/// <summary>
/// Clones of one Linux template that fill memory, free it, and give up what they do not use: what the host gets back of it.
/// </summary>
internal static class BalloonCommand
{
    private const string Reference = "reference";

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    private static int s_lines;

    /// <summary>Prints one line.</summary>
    public static void Balloon(string[] words)
    {
        Arguments arguments = new(words);
        CloneOptions options = new(arguments);
        int work = arguments.Number("--work", 32);
        int target = arguments.Number("--target", 160);
        arguments.Done();

        DirectoryInfo folder = Directory.CreateTempSubdirectory("psvm-balloons-");
        using MemoryBackends backends = new();
        GuestHost host = new(backends);
        try
        {
            GuestTemplate template = MakeTemplate(host, options, Path.Combine(folder.FullName, "template"), work);
            string before = Digest(template);
            Start(host, template, Reference);
            string content = Run(host, Reference, "sha256sum </f");
            string[] clones = [.. Enumerable.Range(1, options.Count).Select(number => $"clone{number}")];
            Array.ForEach(clones, clone => Start(host, template, clone));
            Array.ForEach(clones, clone => Run(host, clone, Fill(work)));
            long filled = Own(host, clones);

            Array.ForEach(clones, clone => Run(host, clone, "rm /f"));
            long reported = Settle(host, clones, out double reportSeconds);
            long givenByReports = clones.Sum(clone => host.Get(clone).Balloon!.GivenBack);

            long began = Stopwatch.GetTimestamp();
            Array.ForEach(clones, clone => host.SetMemoryTarget(clone, (long)target << 20));
            foreach (string clone in clones)
            {
                Await(
                    () => host.Get(clone) is var info && info.Balloon!.Size == info.Memory - info.Balloon.Target, $"{clone} at its target");
            }

            double inflateSeconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
            Console.WriteLine(JsonSerializer.Serialize(new
            {
                clones = clones.Length,
                work_mib = work,
                own_filled_mib = filled >> 20,
                own_reported_mib = reported >> 20,
                report_s = Math.Round(reportSeconds, 1),
                given_by_reports_mib = givenByReports >> 20,
                own_inflated_mib = Own(host, clones) >> 20,
                inflate_s = Math.Round(inflateSeconds, 2),
                balloon_mib = clones.Sum(clone => host.Get(clone).Balloon!.Size) >> 20,
                mappings = File.ReadLines("/proc/self/maps").Count(),
                digest_unchanged = Digest(template) == before,
                reference_unchanged = Run(host, Reference, "sha256sum </f") == content,
            }));
        }
        finally
        {
            host.Dispose();
            folder.Delete(recursive: true);
        }
    }

    private static string Fill(int work) => $"dd if=/dev/urandom of=/f bs=64k count={work * 16} conv=notrunc 2>/dev/null";

    private static GuestTemplate MakeTemplate(GuestHost host, CloneOptions options, string path, int work)
    {
        const string source = "source";
        host.Start(
            new GuestOptions
            {
                Name = source, Memory = options.Memory, Kernel = options.Kernel, Initrd = options.Initrd, CommandLine = options.Append,
                Balloon = true,
            },
            CancellationToken.None);
        host.WaitFor(source, options.Until);
        Await(() => host.Get(source).Balloon!.HasDriver, "a driver for the balloon (modules of tests/guests/get-linux.sh)");
        Run(host, source, Fill(work)); // where clones will free pages, the template has bytes
        GuestTemplate template = host.Checkpoint(source, new CheckpointOptions { Path = path }, null, CancellationToken.None);
        host.End(source);
        return template;
    }

    private static void Start(GuestHost host, GuestTemplate template, string name) =>
        host.Start(new GuestOptions { Name = name, Template = template.Path }, CancellationToken.None);

    /// <summary>Bytes that only these clones have, by the kernel's page tables.</summary>
    private static long Own(GuestHost host, string[] clones) => clones.Sum(clone => host.Measure(clone, detailed: false).OwnBytes);

    /// <summary>Waits until no more comes back for some seconds: a kernel reports 2 s after pages were freed.</summary>
    private static long Settle(GuestHost host, string[] clones, out double seconds)
    {
        long began = Stopwatch.GetTimestamp(), changed = began, least = long.MaxValue;
        while (Stopwatch.GetElapsedTime(changed) < TimeSpan.FromSeconds(6))
        {
            Thread.Sleep(500);
            long own = Own(host, clones);
            if (own < least - (1 << 20))
            {
                (least, changed) = (own, Stopwatch.GetTimestamp());
            }
        }

        seconds = Stopwatch.GetElapsedTime(began, changed).TotalSeconds;
        return least;
    }

    private static void Await(Func<bool> reached, string expected)
    {
        long began = Stopwatch.GetTimestamp();
        while (!reached())
        {
            if (Stopwatch.GetElapsedTime(began) > s_patience)
            {
                throw new BenchmarkException($"Expected {expected} within {s_patience.TotalSeconds} s, found it not.");
            }

            Thread.Sleep(10);
        }
    }

    /// <summary>
    /// What a command prints in a guest's shell; the halves of the marks are joined by the shell, so that the echo is none.
    /// </summary>
    private static string Run(GuestHost host, string guest, string command)
    {
        string line = (++s_lines).ToString(CultureInfo.InvariantCulture);
        long position = host.ReadConsole(guest, long.MaxValue).NextPosition;
        host.WriteConsole(guest, $"echo be''gin{line}.; {command}; echo en''d{line}.\n");
        host.WaitFor(guest, $"end{line}.");
        string text = host.ReadConsole(guest, position).Text;
        string begin = $"begin{line}.";
        return text[(text.IndexOf(begin, StringComparison.Ordinal) + begin.Length)..text.IndexOf($"end{line}.", StringComparison.Ordinal)]
            .Trim();
    }

    private static string Digest(GuestTemplate template) => string.Join(' ', template.RamBlocks.Select(block =>
    {
        using FileStream file = File.OpenRead(block.File);
        return Convert.ToHexStringLower(SHA256.HashData(file));
    }));
}
