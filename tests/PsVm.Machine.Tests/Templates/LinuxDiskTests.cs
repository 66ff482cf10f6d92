using System.Diagnostics;
using System.Security.Cryptography;
using PsVm.Machine.Guests;
using PsVm.Memory;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests.Templates;

/// <summary>Debian's driver on disks: patterns with checksums through flushes, kills, checkpoints, clones, resets and reboots.</summary>
public sealed class LinuxDiskTests : TemplateTest
{
    /// <summary>What the helper process is told to boot a guest that writes a disk until it is killed.</summary>
    public const string Argument = "write-disk";

    private const int MiB = 1 << 20;

    // Writes random bytes, has them flushed, and says what they are.
    private const string WriteFour =
        "dd if=/dev/urandom of=/dev/vda bs=64k count=64 conv=fsync 2>/dev/null; echo 3 >/proc/sys/vm/drop_caches; " + SumFour;
    private const string SumFour = "dd if=/dev/vda bs=64k count=64 2>/dev/null | md5sum | cut -c1-32";

    [SkippableFact]
    public void What_a_guest_writes_and_flushes_is_in_the_image()
    {
        string image = Image("disk", 64);
        string guest = Boot(OptionsOrSkip() with { Disks = [new GuestDiskOptions { Path = image, Name = "data" }] });

        Assert.Equal("131072 data", Run(guest, "echo $(cat /sys/block/vda/size) $(cat /sys/block/vda/serial)"));
        string sum = Run(guest, WriteFour);
        Assert.Equal(Sum(image, 4), sum);
        Assert.Equal("", Run(guest, "blkdiscard -o 0 -l 1048576 /dev/vda"));
        Assert.Equal(new byte[MiB], File.ReadAllBytes(image).AsSpan(0, MiB).ToArray());
        Assert.Equal("", Complaints(guest, "I/O error"));
        GuestDisk disk = Assert.Single(Host.GetDisks(guest));
        Assert.Equal(
            (FileAccessMode.ReadWrite, DiskOverlay.None, 0L, null), (disk.EffectiveMode, disk.Overlay, disk.Failures, disk.LastFailure));
        Assert.InRange(disk.WrittenBytes, 4 * MiB, 64 * MiB);
    }

    [SkippableTheory]
    [InlineData("")]
    [InlineData("overlay")]
    public void What_was_flushed_is_there_when_the_process_is_killed(string overlay)
    {
        GuestOptions options = OptionsOrSkip();
        string image = Image("disk", 64);
        overlay = overlay.Length == 0 ? overlay : At(overlay);
        using Process writer = Process.Start(new ProcessStartInfo(
            "dotnet",
            [
                "exec", typeof(Program).Assembly.Location, Argument, options.Kernel!, options.Initrd!,
                image, overlay]) { RedirectStandardOutput = true })!;

        string? sum = null;
        while (sum is null && writer.StandardOutput.ReadLine() is { } line)
        {
            sum = line.StartsWith("flushed ", StringComparison.Ordinal) ? line["flushed ".Length..] : null;
        }

        writer.Kill();
        writer.WaitForExit();
        if (overlay.Length == 0)
        {
            Assert.Equal(Sum(image, 4), sum);
            return;
        }

        // The overlay is another guest's now.
        string guest = Boot(options with { Disks = [new GuestDiskOptions { Path = image, OverlayPath = overlay }] });
        Assert.Equal(sum, Run(guest, SumFour));
        Assert.Equal(new byte[4 * MiB], File.ReadAllBytes(image).AsSpan(0, 4 * MiB).ToArray());
    }

    [SkippableFact]
    public void Clones_keep_what_they_write_to_themselves_and_go_back_when_they_are_reset()
    {
        string image = Image("disk", 64);
        byte[] before = File.ReadAllBytes(image);
        string guest = Boot(OptionsOrSkip() with { Disks = [new GuestDiskOptions { Path = image, Overlay = DiskOverlay.Memory }] });
        string sum = Run(guest, WriteFour);
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });
        Assert.Equal(["disk0"], template.Disks.Select(disk => disk.Name));
        Assert.Equal(4, template.FormatVersion);

        GuestOptions clone = new() { Template = template.Path, Disks = [new GuestDiskOptions { Path = image }] };
        string[] clones = [Clone(clone), Clone(clone)];
        Assert.All(clones, one => Assert.Equal(sum, Run(one, "echo 3 >/proc/sys/vm/drop_caches; " + SumFour)));
        string other = Run(clones[0], WriteFour);
        Assert.NotEqual(sum, other);
        Assert.Equal(sum, Run(clones[1], SumFour));
        Host.Reset(clones[0]);
        Assert.Equal(sum, Run(clones[0], "echo 3 >/proc/sys/vm/drop_caches; " + SumFour));

        Assert.Equal(sum, Run(guest, SumFour));
        Assert.Equal(before, File.ReadAllBytes(image));
        Assert.Equal(DiskOverlay.Memory, Host.GetDisks(clones[1]).Single().Overlay);
    }

    [SkippableTheory]
    [InlineData(DiskOverlay.Memory, 3)]
    [InlineData(DiskOverlay.File, 2)]
    public void Checkpoints_under_load_lose_no_request(DiskOverlay overlay, int checkpoints)
    {
        string image = Image("disk", 64);
        string guest = Boot(OptionsOrSkip() with { Disks = [Over("guest")] });
        const string work = "while :; do dd if=/dev/urandom of=/tmp/x bs=64k count=16; dd if=/tmp/x of=/dev/vda bs=4k conv=fsync; "
            + "echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vda of=/tmp/y bs=4k count=256; cmp /tmp/x /tmp/y || echo differs >>/tmp/wrong; "
            + "echo round >>/tmp/rounds; done >/dev/null 2>&1 & true";
        Run(guest, work);

        for (int i = 0; i < checkpoints; i++)
        {
            int rounds = Rounds(guest);
            Assert.True(SpinWait.SpinUntil(() => Rounds(guest) > rounds, Patience));
            GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t"), Force = true });
            string clone = Clone(new GuestOptions { Template = template.Path, Disks = [Over($"clone{i}")] });
            rounds = Rounds(clone);
            Assert.True(SpinWait.SpinUntil(() => Rounds(clone) > rounds + 1, Patience));
            Assert.Equal("no", Run(clone, "[ -e /tmp/wrong ] && cat /tmp/wrong || echo no"));
            End(clone);
        }

        Assert.Equal("no", Run(guest, "[ -e /tmp/wrong ] && cat /tmp/wrong || echo no"));

        GuestDiskOptions Over(string name) =>
            new() { Path = image, Overlay = overlay, OverlayPath = overlay == DiskOverlay.File ? At($"{name}.overlay") : null };
    }

    [SkippableFact]
    public void A_full_file_system_is_an_error_in_the_guest_and_a_warning_and_all_go_on()
    {
        GuestOptions options = OptionsOrSkip();
        using TestFolder folder = new();
        using Mounted mount = PsVm.Memory.Tests.Support.Host.Mount(folder, "tmpfs", "size=1m");
        string image = Path.Combine(mount.Path, "disk");
        using (FileStream file = File.Create(image))
        {
            file.SetLength(16 * MiB);
        }

        string guest = Boot(options with { Disks = [new GuestDiskOptions { Path = image, Name = "data" }] });
        Run(guest, "dd if=/dev/urandom of=/dev/vda bs=64k count=64 conv=fsync");

        Assert.NotEqual("0", Run(guest, "dmesg | grep -c 'I/O error'"));
        GuestDisk disk = Assert.Single(Host.GetDisks(guest));
        Assert.True(disk.Failures > 0, disk.LastFailure);
        HostEvent warning = Told(HostEventIds.GuestDeviceFailed);
        Assert.Equal((HostEventLevel.Warning, guest), (warning.Level, warning.Guest?.Name));
        Assert.Contains("disk 'data' failed: ", warning.Message, StringComparison.Ordinal);
        Assert.Equal(GuestState.Running, Host.Get(guest).State);
        Assert.Equal("still here", Run(guest, "echo still here"));
        End(guest);
    }

    [SkippableFact]
    public void What_is_written_over_a_disk_counts_as_the_guests_own_memory()
    {
        string guest = Boot(
            OptionsOrSkip() with { Disks = [new GuestDiskOptions { Path = Image("disk", 64), Overlay = DiskOverlay.Memory }] });
        Run(guest, "cat /proc/uptime"); // what it takes to type and to answer
        long before = Host.Measure(guest, detailed: false).OwnBytes;

        Run(guest, "dd if=/dev/zero of=/dev/vda bs=64k count=512 conv=fsync 2>/dev/null; echo 3 >/proc/sys/vm/drop_caches");

        Assert.InRange(Host.GetDisks(guest).Single().OverlayBytes, 32 * MiB, 34 * MiB);
        Assert.True(Host.Measure(guest, detailed: false).OwnBytes >= before + (32 * MiB));
    }

    [SkippableFact]
    public void An_overlay_survives_a_reboot()
    {
        string image = Image("disk", 64);
        string guest = Boot(OptionsOrSkip() with { Disks = [new GuestDiskOptions { Path = image, Overlay = DiskOverlay.Memory }] });
        string sum = Run(guest, WriteFour);
        long position = Host.ReadConsole(guest, 0).NextPosition;

        Host.WriteConsole(guest, "reboot\n");
        Assert.True(
            SpinWait.SpinUntil(() => Host.ReadConsole(guest, position).Text.Contains("GUEST-UP", StringComparison.Ordinal), Patience));

        Assert.Equal(sum, Run(guest, SumFour));
        Assert.Equal(1, Host.Get(guest).Reboots);
    }

    /// <summary>Boots a guest that writes a disk, says what it flushed, and goes on writing behind that.</summary>
    internal static void Write(string kernel, string initrd, string image, string overlay)
    {
        using MemoryBackends backends = new();
        using GuestHost host = new(backends);
        string guest = host.Start(
            new GuestOptions
            {
                Memory = 128 << 20, Kernel = kernel, Initrd = initrd, CommandLine = "console=ttyS0 quiet",
                Disks = [new GuestDiskOptions { Path = image, OverlayPath = overlay.Length == 0 ? null : overlay }],
            },
            CancellationToken.None).Name;
        host.WaitForText(guest, "GUEST-UP", Timeout.InfiniteTimeSpan, CancellationToken.None);
        host.WriteConsole(
            guest, $"echo sum''med $({WriteFour}).; while :; do dd if=/dev/urandom of=/dev/vda bs=64k seek=64 count=64; done\n");
        host.WaitForOutput(
            guest,
            new ConsoleExpectation { Pattern = @"summed [0-9a-f]{32}\.", IsRegex = true },
            Timeout.InfiniteTimeSpan,
            CancellationToken.None);
        string text = host.ReadConsole(guest, 0).Text;
        int at = text.IndexOf("summed ", StringComparison.Ordinal);
        Console.WriteLine($"flushed {text.Substring(at + "summed ".Length, 32)}");
        Thread.Sleep(Timeout.Infinite);
    }

    private int Rounds(string guest) => int.Parse(Run(guest, "cat /tmp/rounds 2>/dev/null | wc -l"), null);

    private string Image(string name, int mebibytes)
    {
        using FileStream file = File.Create(At(name));
        file.SetLength((long)mebibytes * MiB);
        return file.Name;
    }

    private static string Sum(string image, int mebibytes)
    {
        using FileStream file = new(image, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        byte[] bytes = new byte[mebibytes * MiB];
        file.ReadExactly(bytes);
#pragma warning disable CA5351 // a checksum that busybox has, too
        return Convert.ToHexStringLower(MD5.HashData(bytes));
#pragma warning restore CA5351
    }

    private static GuestOptions OptionsOrSkip()
    {
        LinuxGuest linux = LinuxGuest.GetOrSkip();
        string modules = Path.Combine(Path.GetDirectoryName(linux.Kernel)!, "modules");
        Skip.IfNot(Directory.Exists(modules), $"no {modules}: tests/guests/get-linux.sh fetches them");
        return new GuestOptions { Memory = 128 << 20, Kernel = linux.Kernel, Initrd = linux.Initrd, CommandLine = "console=ttyS0 quiet" };
    }
}
