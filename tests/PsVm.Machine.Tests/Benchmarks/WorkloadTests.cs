using PsVm.Machine.Tests.Support;
using PsVm.Memory;
using PsVm.Riscv;

namespace PsVm.Machine.Tests.Benchmarks;

/// <summary>The workloads of tests/guests/workloads on our own machine, as small as they get.</summary>
public sealed class WorkloadTests : IDisposable
{
    private const string CrossCompiler = "riscv64-linux-gnu-gcc";
    private const string HostCompiler = "cc";

    // What the init runs of busybox, after all of the program's own.
    private static readonly string[] Programs = ["busybox-sha256sum", "busybox-gzip", "busybox-sort", "busybox-awk"];

    private readonly string _folder = Directory.CreateTempSubdirectory("psvm-workloads-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_guests_checksums_are_the_hosts(bool translate)
    {
        LinuxGuest guest = LinuxGuest.GetOrSkip();
        foreach (string tool in (string[])[CrossCompiler, HostCompiler, "cpio"])
        {
            Skip.If(HostProgram.Run(tool, "--version") is null, $"{tool} is not installed");
        }

        string sources = Path.Combine(LinuxGuest.Repository, "tests/guests/workloads");
        string host = Path.Combine(_folder, "workloads");
        string initrd = Path.Combine(_folder, "workloads.cpio");
        HostProgram.Run("env", $"CC={HostCompiler}", Path.Combine(sources, "build.sh"), host);
        HostProgram.Run(Path.Combine(sources, "pack-workloads.sh"), Path.GetDirectoryName(guest.Kernel)!, initrd);
        string[] names = HostProgram.Run(host)!.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.NotEmpty(names);

        Dictionary<string, string> checksums = RunGuest(guest.Kernel, initrd, translate);

        Assert.Equal([.. names, .. Programs], checksums.Keys);
        Assert.All(names, name => Assert.Equal(HostProgram.Run(host, name, "1")!.Split(' ')[3].Trim(), checksums[name]));
    }

    /// <summary>What the guest says of its workloads at one percent: checksums by name.</summary>
    private static Dictionary<string, string> RunGuest(string kernel, string initrd, bool translate)
    {
        using MemoryBackends backends = new();
        using GuestHost host = new(backends, translation: translate ? TranslatorOptions.Default : TranslatorOptions.Off);
        host.Start(
            new GuestOptions
            {
                Name = "g",
                Kernel = kernel,
                Initrd = initrd,
                CommandLine = "console=ttyS0 panic=-1 quiet scale=1",
                Memory = 256 << 20,
            },
            CancellationToken.None);
        bool ended = host.WaitForState("g", GuestState.Stopped, TimeSpan.FromMinutes(5), CancellationToken.None);
        string console = host.ReadConsole("g", 0).Text;
        Assert.True(ended, console);
        return console.Split('\n', StringSplitOptions.TrimEntries)
            .Where(line => line.StartsWith("B ", StringComparison.Ordinal))
            .Select(line => line.Split(' '))
            .ToDictionary(words => words[1], words => words[3]);
    }
}
