namespace PsVm.Machine.Tests.Templates;

/// <summary>
/// Debian's 9P driver on files that the host makes shorter, or replaces, while the guest has them open: errors, and no end of the guest.
/// </summary>
public sealed class LinuxFolderChangeTests : TemplateTest
{
    private const int MiB = 1 << 20;

    [SkippableTheory]
    [InlineData("none")]
    [InlineData("mmap")]
    [InlineData("loose")]
    public void What_the_host_does_to_open_files_is_an_error_at_most(string cache)
    {
        string shared = Directory.CreateDirectory(At("shared")).FullName;
        foreach (string name in (string[])["cut", "cut-mapped", "replaced", "appended"])
        {
            File.WriteAllBytes(Path.Combine(shared, name), new byte[MiB]);
        }

        string guest = Boot(OptionsOrSkip(shared));
        Run(guest, $"umount /mnt/src; mount -t 9p -o trans=virtio,version=9p2000.L,msize=65536,cache={cache} src /mnt/src");
        Run(guest, "cd /mnt/src; exec 5<cut; exec 6<replaced; exec 7<>appended; dd if=cut of=/dev/null bs=64k count=2; cd /");
        Cut(Path.Combine(shared, "cut"), 3);
        File.WriteAllText(Path.Combine(shared, "new"), "new");
        File.Move(Path.Combine(shared, "new"), Path.Combine(shared, "replaced"), overwrite: true);
        Cut(Path.Combine(shared, "appended"), 5);

        // Whatever these say, the guest goes on.
        Run(guest, "cd /mnt/src; (cat cut; cat <&5; cat replaced; cat <&6; tail -c 10 appended) >/dev/null; cd /");
        Run(guest, "cd /mnt/src; dd if=cut of=/dev/null bs=1M; dd if=cut of=/dev/null bs=4k skip=2; cd /");
        Run(guest, "echo more >&7; head -c 100 <&7 >/dev/null");
        Run(guest, "exec 5<&-; exec 6<&-; exec 7<&-; echo 3 >/proc/sys/vm/drop_caches; cat /mnt/src/* >/dev/null");
        Assert.Equal("", Run(guest, "dmesg | grep -E 'BUG|Oops|WARNING|overflow'"));
        Assert.Equal("3", Run(guest, "umount /mnt/src; mount -t 9p -o trans=virtio,version=9p2000.L src /mnt/src; wc -c </mnt/src/cut"));
        Assert.Equal("new", Run(guest, "cat /mnt/src/replaced"));
        Assert.Equal(GuestState.Running, Host.Get(guest).State);
    }

    private static void Cut(string path, long size)
    {
        using FileStream file = File.OpenWrite(path);
        file.SetLength(size);
    }

    private static GuestOptions OptionsOrSkip(string shared)
    {
        LinuxGuest linux = LinuxGuest.GetOrSkip();
        string module = Path.Combine(Path.GetDirectoryName(linux.Kernel)!, "modules/9p.ko.xz");
        Skip.IfNot(File.Exists(module), $"no {module}: tests/guests/get-linux.sh fetches it");
        return new GuestOptions
        {
            Memory = 128 << 20,
            Kernel = linux.Kernel,
            Initrd = linux.Initrd,
            CommandLine = "console=ttyS0 quiet",
            SharedFolders = [new GuestSharedFolderOptions { Path = shared, Tag = "src" }],
        };
    }
}
