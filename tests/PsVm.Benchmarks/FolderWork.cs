using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using PsVm.Machine.Guests;

namespace PsVm.Benchmarks;

/// <summary>What a Linux guest does with a folder that it shares, here and in QEMU in turn: long files, and many small ones.</summary>
internal static partial class FolderWork
{
    private const string End = "all-done.";

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(5);

    /// <summary>
    /// What is typed into the guest's shell. What the host has cached stays so; what the guest has is dropped before each piece of work.
    /// </summary>
    /// <param name="place">Where the folder is.</param>
    /// <param name="mount">Commands that mount it there.</param>
    /// <param name="megabytes">Of the long file.</param>
    /// <param name="files">Small ones.</param>
    public static string Script(string place, IEnumerable<string> mount, int megabytes, int files) => string.Join("; ",
    [
        .. mount,
        "t() { n=$1; shift; echo 3 >/proc/sys/vm/drop_caches; read -r a x </proc/uptime; \"$@\" >/dev/null 2>&1; read -r b x "
            + "</proc/uptime; echo took $n $a $b.; }",
        $"w() {{ dd if=/dev/zero of={place}/f bs=1M count={megabytes} conv=fsync; }}",
        $"r() {{ dd if={place}/f of=/dev/null bs=1M; }}",
        $"c() {{ mkdir {place}/d; i=0; while [ $i -lt {files} ]; do echo $i >{place}/d/$i; i=$((i + 1)); done; sync; }}",
        $"l() {{ ls -l {place}/d; }}",
        $"s() {{ cat {place}/d/*; }}",
        $"x() {{ rm -r {place}/d; }}",
        "t write w; t read r; t create c; t list l; t cat s; t remove x; echo all-do\"\"ne.\n",
    ]);

    /// <summary>Does it in turn and prints a table of medians; the runs go to standard error as they end.</summary>
    /// <param name="runs">How often.</param>
    /// <param name="peer">Runs QEMU with a folder and gives what its guest printed; null: it does not.</param>
    /// <param name="ours">Runs a guest here.</param>
    public static void Compare(int runs, Func<string, string>? peer, Func<string, string> ours)
    {
        Dictionary<string, (List<double> Peer, List<double> Ours)> all = [];
        for (int run = 0; run < runs; run++)
        {
            if (peer is not null)
            {
                Note("QEMU", InFolder(peer), figures => figures.Peer);
            }

            Note("PsVm", InFolder(ours), figures => figures.Ours);
        }

        Console.WriteLine("| work | QEMU s | PsVm s | times as fast |\n|---|---:|---:|---:|");
        foreach ((string name, (List<double> there, List<double> here)) in all)
        {
            double mine = Median.Of(here), its = there.Count == 0 ? double.NaN : Median.Of(there);
            Console.WriteLine(FormattableString.Invariant($"| {name} | {its:F2} | {mine:F2} | {its / mine:F2} |"));
        }

        void Note(string who, string output, Func<(List<double> Peer, List<double> Ours), List<double>> side)
        {
            foreach (Match took in Took().Matches(output))
            {
                string name = took.Groups["name"].Value;
                double seconds = Number(took.Groups["to"].Value) - Number(took.Groups["from"].Value);
                all.TryAdd(name, ([], []));
                side(all[name]).Add(seconds);
                Console.Error.WriteLine(FormattableString.Invariant($"{who} {name} {seconds:F2}"));
            }
        }
    }

    /// <summary>Types the script once the guest is up, and gives all that it prints.</summary>
    public static string Run(GuestHost host, string guest, string script)
    {
        host.WaitFor(guest, "GUEST-UP");
        host.WriteConsole(guest, script);
        host.WaitFor(guest, End, s_patience);
        return host.ReadConsole(guest, 0).Text;
    }

    /// <summary>The same in QEMU.</summary>
    /// <param name="qemu">The program.</param>
    /// <param name="kernel">The kernel.</param>
    /// <param name="initrd">Its initial RAM disk.</param>
    /// <param name="machine">The machine and its devices.</param>
    /// <param name="script">What is typed.</param>
    /// <exception cref="BenchmarkException">It ends too early.</exception>
    public static string RunQemu(string qemu, string kernel, string initrd, IEnumerable<string> machine, string script)
    {
        using Process process = Process.Start(new ProcessStartInfo(qemu,
        [
            "-accel", "tcg", .. machine, "-smp", "1", "-m", "256M", "-nodefaults", "-display", "none", "-serial", "stdio",
            "-global", "virtio-mmio.force-legacy=false", "-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0 quiet",
        ])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true,
        })!;
        try
        {
            StringBuilder text = new();
            bool isTyped = false;
            char[] some = new char[4096];
            while (!text.ToString().Contains(End, StringComparison.Ordinal))
            {
                int count = process.StandardOutput.Read(some);
                text.Append(
                    count > 0 ? some.AsSpan(0, count) : throw new BenchmarkException($"Expected QEMU to run to the end, found: {text}"));
                if (!isTyped && text.ToString().Contains("GUEST-UP", StringComparison.Ordinal))
                {
                    isTyped = true;
                    process.StandardInput.Write(script);
                    process.StandardInput.Flush();
                }
            }

            return text.ToString();
        }
        finally
        {
            process.Kill();
            process.WaitForExit();
        }
    }

    private static string InFolder(Func<string, string> run)
    {
        string folder = Directory.CreateTempSubdirectory("psvm-folder-bench-").FullName;
        Directory.CreateDirectory(Path.Combine(folder, "shared"));
        try
        {
            return run(folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"took (?<name>\w+) (?<from>[0-9.]+) (?<to>[0-9.]+)\.\s")]
    private static partial Regex Took();
}
