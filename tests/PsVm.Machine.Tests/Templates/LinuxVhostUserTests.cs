using System.Diagnostics;
using System.Security.Cryptography;
using PsVm.Memory;

namespace PsVm.Machine.Tests.Templates;

/// <summary>
/// Debian's drivers on devices of Debian's daemons: virtiofsd and qemu-storage-daemon, with checksums both ways and daemons that are
/// killed.
/// </summary>
public sealed class LinuxVhostUserTests : TemplateTest
{
    private const int MiB = 1 << 20;

    private const string SumDisk = "dd if=/dev/vda bs=64k count=256 2>/dev/null | sha256sum | cut -c1-64";

    [SkippableFact]
    public void A_shared_folder_has_the_same_files_on_both_sides()
    {
        GuestOptions options = OptionsOrSkip("virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd");
        string shared = Directory.CreateDirectory(At("shared")).FullName;
        int files = FileCount;
        for (int i = 0; i < files; i++)
        {
            string folder = Directory.CreateDirectory(Path.Combine(shared, $"in/{i % 10}")).FullName;
            File.WriteAllBytes(Path.Combine(folder, $"{i}"), RandomNumberGenerator.GetBytes(i * 37 % 9000));
        }

        string guest = Boot(options with
        {
            VhostUser = [new GuestVhostUserOptions { Kind = VhostUserKind.FileSystem, Tag = "src", Path = shared }], Balloon = true,
        });
        Assert.Equal("0", Run(guest, "mkdir /mnt; mount -t virtiofs src /mnt; echo $?"));
        Assert.Equal($"{files}", Run(guest, "find /mnt/in -type f | wc -l"));
        Assert.Equal(SumOf(Path.Combine(shared, "in")), Run(guest, SumTree("/mnt/in")));

        Run(guest, "cp -r /mnt/in /mnt/out && dd if=/dev/urandom of=/mnt/big bs=1M count=20 2>/dev/null && sync");
        Assert.Equal(SumOf(Path.Combine(shared, "in")), SumOf(Path.Combine(shared, "out")));
        Assert.Equal(
            Sum(Path.Combine(shared, "big"), 20 * MiB), Run(guest, "echo 3 >/proc/sys/vm/drop_caches; sha256sum </mnt/big | cut -c1-64"));

        // Holes in the memory that both have: what the daemon writes there afterwards is what the guest reads.
        Host.SetMemoryTarget(guest, 96 * MiB);
        Assert.True(SpinWait.SpinUntil(() => Host.Get(guest).Balloon is { Size: 32 * MiB, GivenBack: > 0 }, Patience));
        Host.SetMemoryTarget(guest, 128 * MiB);
        Assert.True(SpinWait.SpinUntil(() => Host.Get(guest).Balloon!.Size == 0, Patience));
        Assert.Equal(SumOf(Path.Combine(shared, "in")), Run(guest, "echo 3 >/proc/sys/vm/drop_caches; " + SumTree("/mnt/in")));

        GuestVhostUser device = Assert.Single(Host.Get(guest).VhostUser);
        Assert.Equal(("src", true, 0, null, shared), (device.Tag, device.Connected, device.Losses, device.LastFailure, device.Path));
        Assert.NotNull(device.ProcessId);
        Assert.Equal(GuestErrorIds.CheckpointDeviceExternal, ErrorOf(() => Make(guest, new CheckpointOptions { Path = At("t") })));
        Assert.Equal("here", Run(guest, "umount /mnt && mount -t virtiofs src /mnt && [ -e /mnt/big ] && echo here"));

        // A reboot has a daemon of its own, and one that is suspended goes on.
        Host.Suspend(guest);
        Host.Resume(guest);
        Reboot(guest);
        Assert.Equal($"{files}", Run(guest, "mkdir -p /mnt; mount -t virtiofs src /mnt; find /mnt/in -type f | wc -l"));
        Assert.Equal("", Complaints(guest));
        int process = Host.Get(guest).VhostUser[0].ProcessId!.Value;
        Host.Stop(guest);
        Assert.False(Directory.Exists($"/proc/{process}"));
        End(guest);
    }

    [SkippableFact]
    public void A_folder_whose_daemon_was_killed_is_there_again_when_it_is_mounted_again()
    {
        GuestOptions options = OptionsOrSkip("virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd");
        string shared = Directory.CreateDirectory(At("shared")).FullName;
        File.WriteAllText(Path.Combine(shared, "f"), "content\n");
        string guest = Boot(
            options with { VhostUser = [new GuestVhostUserOptions { Kind = VhostUserKind.FileSystem, Tag = "src", Path = shared }] });
        Run(guest, "mkdir /mnt; mount -t virtiofs src /mnt; (while [ ! -e /tmp/stop ]; do cat /mnt/f; done >/dev/null 2>&1 &)");

        using (Process daemon = Process.GetProcessById(Host.Get(guest).VhostUser[0].ProcessId!.Value))
        {
            daemon.Kill();
        }

        Assert.True(SpinWait.SpinUntil(() => Host.Get(guest).VhostUser[0] is { Losses: 1, Connected: true }, Patience));

        // A file of it that is open keeps the file system of before, which the kernel gives whoever mounts it then.
        const string again =
            "touch /tmp/stop; n=0; while umount -l /mnt; mount -t virtiofs src /mnt; ! cat /mnt/f && [ $n -lt 200 ]; do n=$((n + 1)); "
                + "usleep 50000; done";
        Assert.Equal("content", Run(guest, $"({again}) 2>/dev/null"));
        Assert.Contains(Host.ReadEvents(0).Events, happened => happened.Id == HostEventIds.GuestDeviceFailed
            && happened.Message.Contains("shared folder 'src' has lost", StringComparison.Ordinal));
    }

    [SkippableFact]
    public void Disks_keep_what_is_written_through_kills_of_their_daemons()
    {
        GuestOptions options = OptionsOrSkip("qemu-storage-daemon");
        string image = At("disk.qcow2"), plain = At("disk.img");
        QemuImage("create", "-q", "-f", "qcow2", image, "64M");
        QemuImage("create", "-q", "-f", "raw", plain, "16M");
        string guest = Boot(options with
        {
            VhostUser =
            [
                new GuestVhostUserOptions { Kind = VhostUserKind.Block, Path = image },
                new GuestVhostUserOptions { Kind = VhostUserKind.Block, Path = plain, Format = "raw" },
            ],
        });
        Assert.Equal($"{64 * MiB / 512} {16 * MiB / 512}", Run(guest, "echo $(cat /sys/block/vda/size /sys/block/vdb/size)"));
        string sum = Run(
            guest, $"dd if=/dev/urandom of=/dev/vda bs=64k count=256 conv=fsync 2>/dev/null; echo 3 >/proc/sys/vm/drop_caches; {SumDisk}");

        // Written and read all the time, while daemons are killed. A raw image has what was written as soon as that is said; one in qcow2
        // once it is flushed.
        Run(
            guest,
            "cat /dev/vda >/dev/null & (while :; do dd if=/dev/urandom of=/tmp/x bs=64k count=8; dd if=/tmp/x of=/dev/vdb bs=4k seek=2048 "
            + "conv=fsync "
            + "|| echo failed >>/tmp/wrong; echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vdb of=/tmp/y bs=4k skip=2048 count=128; "
            + "cmp /tmp/x /tmp/y || echo differs >>/tmp/wrong; echo round >>/tmp/rounds; done >/dev/null 2>&1 &)");
        for (int kill = 1; kill <= Kills(3); kill++)
        {
            int rounds = Rounds(guest);
            Assert.True(SpinWait.SpinUntil(() => Rounds(guest) > rounds, Patience));
            foreach (GuestVhostUser device in Host.Get(guest).VhostUser)
            {
                using Process daemon = Process.GetProcessById(device.ProcessId!.Value);
                daemon.Kill();
            }

            Assert.True(
                SpinWait.SpinUntil(() => Host.Get(guest).VhostUser.All(device => device.Connected && device.Losses == kill), Patience));
            rounds = Rounds(guest);
            Assert.True(SpinWait.SpinUntil(() => Rounds(guest) > rounds + 1, Patience), Host.Get(guest).VhostUser[0].LastFailure);
        }

        Assert.Equal("no", Run(guest, "[ -e /tmp/wrong ] && cat /tmp/wrong || echo no"));
        Assert.Equal(sum, Run(guest, $"echo 3 >/proc/sys/vm/drop_caches; {SumDisk}"));
        Assert.Equal("", Complaints(guest, "I/O error"));
        End(guest);
        string raw = At("disk.raw");
        QemuImage("convert", "-f", "qcow2", "-O", "raw", image, raw);
        Assert.Equal(sum, Sum(raw, 16 * MiB));
    }

    [SkippableFact]
    public void A_template_without_the_devices_has_clones_that_get_errors_and_a_guest_that_goes_on()
    {
        GuestOptions options = OptionsOrSkip("virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd");
        _ = OptionsOrSkip(["qemu-storage-daemon"], isMade: true);
        string shared = Directory.CreateDirectory(At("shared")).FullName, plain = At("disk.img");
        File.WriteAllText(Path.Combine(shared, "f"), "content\n");
        QemuImage("create", "-q", "-f", "raw", plain, "16M");
        string guest = Boot(options with
        {
            VhostUser =
            [
                new GuestVhostUserOptions { Kind = VhostUserKind.FileSystem, Tag = "src", Path = shared },
                new GuestVhostUserOptions { Kind = VhostUserKind.Block, Path = plain, Format = "raw" },
            ],
        });
        Run(
            guest,
            "dmesg -n 1; mkdir /mnt; mount -t virtiofs src /mnt; (while [ ! -e /tmp/stop ]; do dd if=/dev/urandom of=/tmp/x bs=64k "
            + "count=8; "
            + "dd if=/tmp/x of=/dev/vda bs=4k conv=fsync && cp /tmp/x /mnt/x || echo failed >>/tmp/wrong; echo 3 "
            + ">/proc/sys/vm/drop_caches; "
            + "dd if=/dev/vda of=/tmp/y bs=4k count=128; cmp /tmp/x /tmp/y || echo differs >>/tmp/wrong; cmp /tmp/x /mnt/x || echo differs "
            + ">>/tmp/wrong; "
            + "echo round >>/tmp/rounds; done >/dev/null 2>&1 &)");
        for (int made = 0; made < 2; made++)
        {
            int rounds = Rounds(guest);
            Assert.True(SpinWait.SpinUntil(() => Rounds(guest) > rounds, Patience));
            GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t"), DetachVhostUser = true, Force = true });
            Assert.Equal(["vhost-user-fs:src", "vhost-user-blk:vhost1"], template.Slots);

            // What was under way when the guest stood still, and all that comes, ends with an error.
            string clone = Clone(template);
            rounds = Rounds(clone);
            Assert.True(SpinWait.SpinUntil(() => Rounds(clone) > rounds + 2, Patience));
            Assert.NotEqual("0", Run(clone, "touch /tmp/stop; cat /tmp/wrong | wc -l"));
            Assert.Equal("1", Run(clone, "dd if=/dev/vda of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null; echo $?"));
            Assert.Contains(
                "not connected", Run(clone, "echo 3 >/proc/sys/vm/drop_caches; cat /mnt/f 2>&1; ls /mnt 2>&1"), StringComparison.Ordinal);
            Assert.Equal("", Complaints(clone, "blocked for more"));
            End(clone);
        }

        int before = Rounds(guest);
        Assert.True(SpinWait.SpinUntil(() => Rounds(guest) > before + 1, Patience));
        Assert.Equal("no", Run(guest, "[ -e /tmp/wrong ] && cat /tmp/wrong || echo no"));
        Assert.Equal("content", Run(guest, "cat /mnt/f"));
        Assert.All(Host.Get(guest).VhostUser, device => Assert.Equal((true, 0), (device.Connected, device.Losses)));
        Assert.Equal("", Complaints(guest, "I/O error"));
    }

    // 10,000 by hand: PSVM_TEST_FILES=10000.
    private static int FileCount => int.TryParse(Environment.GetEnvironmentVariable("PSVM_TEST_FILES"), null, out int files) ? files : 300;

    private int Rounds(string guest) => int.Parse(Run(guest, "cat /tmp/rounds 2>/dev/null | wc -l"), null);

    private void Reboot(string guest)
    {
        long position = Host.ReadConsole(guest, 0).NextPosition;
        Host.WriteConsole(guest, "reboot\n");
        Assert.True(
            SpinWait.SpinUntil(() => Host.ReadConsole(guest, position).Text.Contains("GUEST-UP", StringComparison.Ordinal), Patience));
    }

    private static string SumTree(string folder) => $"(cd {folder}; find . -type f | sort | xargs sha256sum | sha256sum | cut -c1-64)";

    private static string SumOf(string folder)
    {
        string[] lines = [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .Select(file => (Name: "./" + Path.GetRelativePath(folder, file), file)).OrderBy(file => file.Name, StringComparer.Ordinal)
            .Select(file => $"{Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file.file)))}  {file.Name}\n")];
        return Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(string.Concat(lines))));
    }

    private static string Sum(string path, int bytes)
    {
        using FileStream file = File.OpenRead(path);
        byte[] content = new byte[bytes];
        file.ReadExactly(content);
        return Convert.ToHexStringLower(SHA256.HashData(content));
    }

    private static void QemuImage(params string[] arguments)
    {
        using Process process = Process.Start("qemu-img", arguments);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }

    /// <summary>A guest on shared memory; skips the test without the daemon or the guest's modules.</summary>
    private GuestOptions OptionsOrSkip(string daemon, params string[] others) => OptionsOrSkip([daemon, .. others], isMade: false);

    private GuestOptions OptionsOrSkip(string[] daemons, bool isMade)
    {
        LinuxGuest linux = LinuxGuest.GetOrSkip();
        string[] folders = Environment.GetEnvironmentVariable("PATH")!.Split(':');
        Skip.IfNot(
            daemons.SelectMany(name => name.Contains('/') ? [name] : folders.Select(folder => Path.Combine(folder, name))).Any(File.Exists),
            $"no {daemons[0]}: the package qemu-system-common of Debian 12 has it");
        string module = Path.Combine(Path.GetDirectoryName(linux.Kernel)!, "modules/virtio_mmio.ko.xz");
        Skip.IfNot(File.Exists(module), $"no {module}: tests/guests/get-linux.sh fetches it");
        if (isMade)
        {
            return new GuestOptions();
        }

        MemoryBackend ram = Backends.Create(
            new MemoryBackendOptions { Id = "shared", Kind = BackendKind.Memfd, Share = true, Size = 128 << 20 });
        return new GuestOptions
        {
            BackendIds = [ram.Id], Kernel = linux.Kernel, Initrd = linux.Initrd, CommandLine = "console=ttyS0 quiet",
        };
    }
}
