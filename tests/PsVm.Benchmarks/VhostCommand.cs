using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using PsVm.Machine.Guests;
using PsVm.Memory;

namespace PsVm.Benchmarks;

/// <summary>A folder that virtiofsd shares with a Linux guest, here and in QEMU in turn, by the same daemon: long files, and many small ones.</summary>
internal static partial class VhostCommand
{
    private const string End = "all-done.";

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(5);

    /// <summary>Prints a table of medians; the runs go to standard error as they end.</summary>
    public static void Vhost(string[] words)
    {
        Arguments arguments = new(words);
        string kernel = arguments.Text("--kernel"), initrd = arguments.Text("--initrd");
        string daemon = arguments.TextOrNull("--virtiofsd") ?? "/usr/lib/qemu/virtiofsd";
        string? qemu = arguments.TextOrNull("--qemu");
        int runs = arguments.Number("-n", 3), megabytes = arguments.Number("--size", 64), files = arguments.Number("--files", 500);
        arguments.Done();

        string script = Script(megabytes, files);
        Dictionary<string, (List<double> Peer, List<double> Ours)> all = [];
        for (int run = 0; run < runs; run++)
        {
            if (qemu is not null)
            {
                Note("QEMU", InFolder(folder => RunQemu(qemu, daemon, kernel, initrd, folder, script)), figures => figures.Peer);
            }

            Note("PsVm", InFolder(folder => RunHere(daemon, kernel, initrd, folder, script)), figures => figures.Ours);
        }

        Console.WriteLine("| work | QEMU s | PsVm s | times as fast |\n|---|---:|---:|---:|");
        foreach ((string name, (List<double> peer, List<double> ours)) in all)
        {
            double here = Median.Of(ours), there = peer.Count == 0 ? double.NaN : Median.Of(peer);
            Console.WriteLine(FormattableString.Invariant($"| {name} | {there:F2} | {here:F2} | {there / here:F2} |"));
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

    // What the host has cached stays so; what the guest has is dropped before each.
    private static string Script(int megabytes, int files) => string.Join("; ",
        "mkdir /mnt",
        "mount -t virtiofs src /mnt",
        "t() { n=$1; shift; echo 3 >/proc/sys/vm/drop_caches; read -r a x </proc/uptime; \"$@\" >/dev/null 2>&1; read -r b x </proc/uptime; echo took $n $a $b.; }",
        $"w() {{ dd if=/dev/zero of=/mnt/f bs=1M count={megabytes} conv=fsync; }}",
        "r() { dd if=/mnt/f of=/dev/null bs=1M; }",
        $"c() {{ mkdir /mnt/d; i=0; while [ $i -lt {files} ]; do echo $i >/mnt/d/$i; i=$((i + 1)); done; sync; }}",
        "l() { ls -l /mnt/d; }",
        "s() { cat /mnt/d/*; }",
        "x() { rm -r /mnt/d; }",
        "t write w; t read r; t create c; t list l; t cat s; t remove x; echo all-do\"\"ne.\n");

    private static string InFolder(Func<string, string> run)
    {
        string folder = Directory.CreateTempSubdirectory("psvm-vhost-bench-").FullName;
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

    private static string RunHere(string daemon, string kernel, string initrd, string folder, string script)
    {
        const string name = "guest";
        using MemoryBackends backends = new();
        using GuestHost host = new(backends);
        backends.Create(new MemoryBackendOptions { Id = "ram", Kind = BackendKind.Memfd, Share = true, Size = 256 << 20 });
        host.Start(
            new GuestOptions
            {
                Name = name, BackendIds = ["ram"], Kernel = kernel, Initrd = initrd, CommandLine = "console=ttyS0 quiet",
                VhostUser = [new GuestVhostUserOptions { Kind = VhostUserKind.FileSystem, Tag = "src", Path = Path.Combine(folder, "shared"), Daemon = daemon }],
            },
            CancellationToken.None);
        host.WaitFor(name, "GUEST-UP");
        host.WriteConsole(name, script);
        host.WaitFor(name, End, s_patience);
        return host.ReadConsole(name, 0).Text;
    }

    private static string RunQemu(string qemu, string daemon, string kernel, string initrd, string folder, string script)
    {
        string socket = Path.Combine(folder, "socket");
        using Process files = Process.Start(new ProcessStartInfo(daemon, [$"--socket-path={socket}", "-o", $"source={Path.Combine(folder, "shared")}"])
        {
            RedirectStandardError = true,
        })!;
        SpinWait.SpinUntil(() => File.Exists(socket), s_patience);
        using Process machine = Process.Start(new ProcessStartInfo(qemu,
        [
            "-accel", "tcg", "-machine", "virt,memory-backend=ram", "-object", "memory-backend-memfd,id=ram,share=on,size=256M", "-smp", "1", "-m", "256M",
            "-nodefaults", "-display", "none", "-serial", "stdio", "-global", "virtio-mmio.force-legacy=false",
            "-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0 quiet",
            "-chardev", $"socket,id=fs,path={socket}", "-device", "vhost-user-fs-device,chardev=fs,tag=src,queue-size=1024",
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
                int count = machine.StandardOutput.Read(some);
                text.Append(count > 0 ? some.AsSpan(0, count) : throw new BenchmarkException($"Expected QEMU to run to the end, found: {text}"));
                if (!isTyped && text.ToString().Contains("GUEST-UP", StringComparison.Ordinal))
                {
                    isTyped = true;
                    machine.StandardInput.Write(script);
                    machine.StandardInput.Flush();
                }
            }

            return text.ToString();
        }
        finally
        {
            machine.Kill();
            machine.WaitForExit();
            files.Kill(entireProcessTree: true);
            files.WaitForExit();
        }
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"took (?<name>\w+) (?<from>[0-9.]+) (?<to>[0-9.]+)\.\s")]
    private static partial Regex Took();
}
