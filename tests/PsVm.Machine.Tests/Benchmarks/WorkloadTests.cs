using System.Text.RegularExpressions;
using PsVm.Machine.Guests;
using PsVm.Machine.Tests.Support;
using PsVm.Memory;
using PsVm.Riscv;

namespace PsVm.Machine.Tests.Benchmarks;

/// <summary>The workloads of tests/guests/workloads on our own machine, as small as they get.</summary>
public sealed partial class WorkloadTests : IDisposable
{
    private const string CrossCompiler = "riscv64-linux-gnu-gcc";
    private const string HostCompiler = "cc";

    // What the init runs of busybox, after all of the program's own.
    private static readonly string[] Programs = ["busybox-sha256sum", "busybox-gzip", "busybox-sort", "busybox-awk"];

    // And of Debian's, where get-programs.sh has taken them beside the kernel.
    private static readonly string[] Debians = ["processes-dynamic", "gzip", "gunzip", "xz", "lua", "sqlite"];

    private static readonly string Sources = Path.Combine(LinuxGuest.Repository, "tests/guests/workloads");

    private readonly string _folder = Directory.CreateTempSubdirectory("psvm-workloads-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_guests_checksums_are_the_hosts(bool translate)
    {
        LinuxGuest guest = LinuxGuest.GetOrSkip();
        string initrd = PackOrSkip(guest);
        Skip.If(HostProgram.Run(HostCompiler, "--version") is null, $"{HostCompiler} is not installed");
        string host = Path.Combine(_folder, "workloads");
        HostProgram.Run("env", $"CC={HostCompiler}", Path.Combine(Sources, "build.sh"), host);
        string[] names = HostProgram.Run(host)!.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.NotEmpty(names);

        Dictionary<string, string> checksums = Checksums(RunGuest(guest.Kernel, initrd, "scale=1", harts: 1, translate));

        bool hasDebians = Directory.Exists(Path.Combine(Path.GetDirectoryName(guest.Kernel)!, "programs"));
        Assert.Equal([.. names, .. Programs, .. hasDebians ? Debians : []], checksums.Keys);
        Assert.All(names, name => Assert.Equal(Checksums(HostProgram.Run(host, name, "1")!.Split('\n'))[name], checksums[name]));
    }

    // Atomics, locks, messages between harts, and code that one writes and others run.
    [SkippableTheory]
    [InlineData(2, false)]
    [InlineData(4, false)]
    [InlineData(2, true)]
    [InlineData(4, true)]
    public void Harts_agree_on_the_memory_that_they_share(int harts, bool translate)
    {
        LinuxGuest guest = LinuxGuest.GetOrSkip();
        string initrd = PackOrSkip(guest);

        string[] console = RunGuest(guest.Kernel, initrd, "parallel=10", harts, translate);

        Assert.Contains($"harts: {harts}", console);
        string[] checks = [.. console.Where(line => line.StartsWith("P ", StringComparison.Ordinal))];
        Assert.Equal(15, checks.Length);
        Assert.All(checks, check => Assert.EndsWith(" ok", check, StringComparison.Ordinal));

        // Harts that wait for the host's CPUs look like ones that hang to a kernel.
        Assert.DoesNotContain(console, line => KernelComplaint().IsMatch(line));
    }

    [GeneratedRegex("^K (?!.*(stall|lockup))")]
    private static partial Regex KernelComplaint();

    /// <summary>Packs the workloads; gives the initramfs.</summary>
    private string PackOrSkip(LinuxGuest guest)
    {
        foreach (string tool in (string[])[CrossCompiler, "cpio"])
        {
            Skip.If(HostProgram.Run(tool, "--version") is null, $"{tool} is not installed");
        }

        string initrd = Path.Combine(_folder, "workloads.cpio");
        HostProgram.Run(Path.Combine(Sources, "pack-workloads.sh"), Path.GetDirectoryName(guest.Kernel)!, initrd);
        return initrd;
    }

    /// <summary>What each workload's line says that it ended with, by its name.</summary>
    private static Dictionary<string, string> Checksums(IEnumerable<string> lines) => lines
        .Where(line => line.StartsWith("B ", StringComparison.Ordinal))
        .Select(line => line.Trim().Split(' '))
        .ToDictionary(words => words[1], words => words[3]);

    /// <summary>The lines on the console of a guest that has powered itself off.</summary>
    private static string[] RunGuest(string kernel, string initrd, string arguments, int harts, bool translate)
    {
        using MemoryBackends backends = new();
        using GuestHost host = new(backends, translation: translate ? TranslatorOptions.Default : TranslatorOptions.Off);
        host.Start(
            new GuestOptions
            {
                Name = "g",
                Kernel = kernel,
                Initrd = initrd,
                CommandLine = $"console=ttyS0 panic=-1 quiet {arguments}",
                Memory = 256 << 20,
                Harts = harts,
            },
            CancellationToken.None);
        bool ended = host.WaitForState("g", GuestState.Stopped, TimeSpan.FromMinutes(5), CancellationToken.None);
        string console = host.ReadConsole("g", 0).Text;
        Assert.True(ended, console);
        return console.Split('\n', StringSplitOptions.TrimEntries);
    }
}
