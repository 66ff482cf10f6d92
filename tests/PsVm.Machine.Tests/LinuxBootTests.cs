using System.Security.Cryptography;
using System.Text;
using PsVm.Machine.Guests;
using PsVm.Memory;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests;

/// <summary>Debian's kernel on every kind of RAM and on both kinds of firmware.</summary>
public sealed class LinuxBootTests : IDisposable
{
    private const long Memory = 256 << 20;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly TestFolder _folder = new();
    private readonly MemoryBackends _backends = new();
    private readonly GuestHost _host;

    public LinuxBootTests() => _host = new GuestHost(_backends);

    public void Dispose()
    {
        _host.Dispose();
        _backends.Dispose();
        _folder.Dispose();
    }

    [SkippableFact]
    public void It_boots_on_a_shared_file_and_powers_off()
    {
        LinuxGuest linux = LinuxGuest.GetOrSkip();
        string path = _folder.In("ram");
        MemoryBackend ram = _backends.Create(new MemoryBackendOptions { Path = path, Size = Memory, Share = true });

        BootToPowerOff(Linux(linux) with { BackendIds = [ram.Id] });

        Assert.Equal(FileAccessMode.ReadWrite, ram.Outcome.EffectiveMode);
        Assert.Equal(File.ReadAllBytes(linux.Kernel).AsSpan(0, 64).ToArray(), ReadFile(path, 0x20_0000, 64));
    }

    [SkippableFact]
    public void It_boots_on_private_memory_over_a_read_only_file_and_the_file_stays_as_it_was()
    {
        LinuxGuest linux = LinuxGuest.GetOrSkip();
        string path = _folder.File("ram", Memory);
        byte[] before = Digest(path);
        MemoryBackend ram = _backends.Create(
            new MemoryBackendOptions { Path = path, Size = Memory, FileAccessMode = FileAccessMode.ReadOnly });

        BootToPowerOff(Linux(linux) with { BackendIds = [ram.Id] });

        Assert.Contains("O_RDONLY", ram.Outcome.OpenFlags, StringComparison.Ordinal);
        Assert.Equal(before, Digest(path));
    }

    [SkippableTheory]
    [InlineData(true)]
    [InlineData(false)]
    public void It_boots_on_huge_pages(bool share)
    {
        LinuxGuest linux = LinuxGuest.GetOrSkip();
        using HugePages pages = new((int)(Memory / HugePages.Size));
        using Mounted mount = Host.Mount(_folder, "hugetlbfs");
        using MemoryBackend ram = _backends.Create(new MemoryBackendOptions { Path = mount.Path, Size = Memory, Share = share });

        BootToPowerOff(Linux(linux) with { BackendIds = [ram.Id] });

        Assert.True(ram.Outcome.HugeTlb);
    }

    [SkippableFact]
    public void It_boots_on_default_RAM_in_a_file()
    {
        LinuxGuest linux = LinuxGuest.GetOrSkip();
        string path = _folder.File("ram", Memory);
        byte[] before = Digest(path);

        BootToPowerOff(Linux(linux) with { MemoryPath = path, Memory = Memory });

        Assert.Equal(before, Digest(path));
    }

    [SkippableFact]
    public void It_boots_on_several_backends()
    {
        LinuxGuest linux = LinuxGuest.GetOrSkip();
        _backends.Create(new MemoryBackendOptions { Id = "low", Kind = BackendKind.Memfd, Size = 96 << 20, Share = true });
        _backends.Create(new MemoryBackendOptions { Id = "high", Size = 128 << 20 });

        GuestInfo guest = Boot(Linux(linux, "quiet") with { BackendIds = ["low", "high"] });

        string line = RunCommand(guest.Name, "grep MemTotal /proc/meminfo", "MemTotal:");
        long kilobytes = long.Parse(
            line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], System.Globalization.CultureInfo.InvariantCulture);
        Assert.InRange(kilobytes, 97 << 10, 224 << 10); // more than the first alone
    }

    [SkippableFact]
    public void It_has_a_shell_on_the_console()
    {
        GuestInfo guest = Boot(Linux(LinuxGuest.GetOrSkip(), "quiet"));

        Assert.Equal("product is 42", RunCommand(guest.Name, "echo product is $((6 * 7))", "product is 42"));
        _host.WriteConsole(guest.Name, "poweroff\n");

        Assert.True(_host.WaitForState(guest.Name, GuestState.Stopped, Patience, CancellationToken.None));
        Assert.Equal("powered off by the guest", _host.Get(guest.Name).StopReason);
    }

    [SkippableTheory]
    [InlineData(2, null)]
    [InlineData(4, null)]
    [InlineData(4, "fw_dynamic.bin")]
    public void It_works_on_all_harts(int harts, string? firmware)
    {
        LinuxGuest linux = LinuxGuest.GetOrSkip();
        GuestOptions options = Linux(linux, "quiet") with { Harts = harts, Memory = Memory };
        string name = Boot(firmware is null ? options : options with { Firmware = linux.FirmwareOrSkip(firmware) }).Name;

        Assert.Equal(
            $"harts: {harts} 0-{harts - 1}", RunCommand(name, "echo harts: $(nproc) $(cat /sys/devices/system/cpu/online)", "harts: "));
        Assert.Equal(
            $"work: {SumOfSequences(workers: 8, last: 30)} -",
            RunCommand(
                name,
                "for i in $(seq 8); do for j in $(seq 30); do echo $j | cat; done >/tmp/$i & done; wait; echo work: $(cat /tmp/? | md5sum)",
                "work: "));
        Assert.Equal("bad: 0", RunCommand(name, "echo bad: $(dmesg | grep -cE 'BUG|WARNING:|Oops|stall|lockup')", "bad: "));
    }

    [SkippableFact]
    public void Its_clock_is_the_hosts()
    {
        GuestInfo guest = Boot(Linux(LinuxGuest.GetOrSkip(), "quiet"));
        long before = DateTimeOffset.UtcNow.ToUnixTimeSeconds();

        string line = RunCommand(guest.Name, "echo now: $(date +%s)", "now: 1");

        long now = long.Parse(line.AsSpan("now: ".Length), System.Globalization.CultureInfo.InvariantCulture);
        Assert.InRange(now, before - 1, DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 1);
    }

    [SkippableTheory]
    [InlineData("fw_jump.elf", 2)]
    [InlineData("fw_dynamic.bin", 1)]
    public void It_boots_behind_OpenSBI(string firmware, int harts)
    {
        const ulong fixedTree = 0x8220_0000; // where fw_jump puts the device tree, whatever is there
        LinuxGuest linux = LinuxGuest.GetOrSkip();
        Skip.If(firmware == "fw_jump.elf" && linux.KernelEnd > fixedTree, "fw_jump would put the device tree into a kernel of this size");

        string console = BootToPowerOff(Linux(linux) with { Memory = Memory, Firmware = linux.FirmwareOrSkip(firmware), Harts = harts });

        Assert.Contains("OpenSBI v", console, StringComparison.Ordinal);
        Assert.Contains("SBI implementation ID=0x1 ", console, StringComparison.Ordinal);
    }

    private static GuestOptions Linux(LinuxGuest linux, string arguments = "poweroff") => new()
    {
        Kernel = linux.Kernel,
        Initrd = linux.Initrd,
        CommandLine = $"console=ttyS0 {arguments}",
    };

    private GuestInfo Boot(GuestOptions options)
    {
        GuestInfo guest = _host.Start(options, CancellationToken.None);
        Assert.True(_host.WaitForText(guest.Name, "GUEST-UP", Patience, CancellationToken.None), _host.ReadConsole(guest.Name, 0).Text);
        return guest;
    }

    private string BootToPowerOff(GuestOptions options)
    {
        GuestInfo guest = Boot(options);
        Assert.True(
            _host.WaitForState(guest.Name, GuestState.Stopped, Patience, CancellationToken.None), _host.ReadConsole(guest.Name, 0).Text);
        Assert.Equal("powered off by the guest", _host.Get(guest.Name).StopReason);
        return _host.ReadConsole(guest.Name, 0).Text;
    }

    /// <summary>Types a command; the line of its output that begins with a text that the echo of the command does not hold.</summary>
    private string RunCommand(string name, string command, string begin)
    {
        Assert.True(_host.WaitForText(name, "~ # ", Patience, CancellationToken.None));
        _host.WriteConsole(name, command + "\n");
        string? line = null;
        Assert.True(SpinWait.SpinUntil(() => (line = FindLine()) is not null, Patience), _host.ReadConsole(name, 0).Text);
        return line!;

        // The last line may still grow.
        string? FindLine() => _host.ReadConsole(name, 0).Text.Split("\r\n")[..^1]
            .FirstOrDefault(line => line.StartsWith(begin, StringComparison.Ordinal));
    }

    private static string SumOfSequences(int workers, int last)
    {
        string one = string.Concat(Enumerable.Range(1, last).Select(number => $"{number}\n"));
        byte[] all = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(one, workers)));
#pragma warning disable CA5351 // a checksum that busybox has, too
        return Convert.ToHexStringLower(MD5.HashData(all));
#pragma warning restore CA5351
    }

    private static byte[] Digest(string path)
    {
        using FileStream file = File.OpenRead(path);
        return SHA256.HashData(file);
    }

    private static byte[] ReadFile(string path, long offset, int length)
    {
        using FileStream file = File.OpenRead(path);
        file.Position = offset;
        byte[] bytes = new byte[length];
        file.ReadExactly(bytes);
        return bytes;
    }
}
