using System.Diagnostics;
using PsVm.Machine.Templates;
using PsVm.Memory;
using PsVm.Memory.Tests.Support;
using Mounts = PsVm.Memory.Tests.Support.Host;

namespace PsVm.Machine.Tests.Templates;

/// <summary>Debian's driver on the balloon.</summary>
public sealed class LinuxBalloonTests : TemplateTest
{
    private const long LinuxMemory = 256 << 20, MiB = 1 << 20;

    // A file in memory of the guest, in pages of 2 MiB (AssertHuge). A guest reports free memory of that size and larger, so all of the
    // file is reported once it is gone, however the rest of its memory lies.
    private const long FileSize = 16 * MiB;
    private const string Mount = "mount -t tmpfs -o size=90%,huge=always t /tmp";
    private const string Fill = $"{Mount}; dd if=/dev/urandom of=/tmp/f bs=64k count=256 2>/dev/null", Free = "rm /tmp/f";

    // Makes all of the file's memory a clone's own.
    private const string Overwrite = "dd if=/dev/zero of=/tmp/f bs=64k count=256 conv=notrunc 2>/dev/null";

    // What of the file the guest may have used again before it was reported.
    private const long Slack = 4 * MiB;

    [SkippableFact]
    public void It_inflates_and_deflates_to_a_target_and_the_host_has_the_memory_meanwhile()
    {
        string guest = BootOrSkip();
        Run(guest, Fill);
        AssertHuge(guest);
        long filled = OwnBytes(guest);
        Run(guest, Free);
        long free = long.Parse(Run(guest, "awk '/MemAvailable/ { print $2 }' /proc/meminfo"), null) << 10;

        Reach(guest, 160 * MiB);

        GuestBalloon Told() => Host.Measure(guest, detailed: false).Balloon!;
        Wait(() => Told().Available <= free - (60 * MiB), () => $"{free} available before, {Told()}"); // a busy guest tells late
        GuestBalloon inflated = Told();
        Assert.Equal((96 * MiB, 160 * MiB, 0L), (inflated.Size, inflated.Target, inflated.Refused));
        Assert.InRange(inflated.Total!.Value, 160 * MiB, LinuxMemory);
        GuestException tooLow = Assert.Throws<GuestException>(() => Host.SetMemoryTarget(guest, 40 * MiB));
        Assert.Equal(GuestErrorIds.GuestMemoryTargetInvalid, tooLow.ErrorId);
        Assert.Contains("its kernel needs", tooLow.Message, StringComparison.Ordinal);
        Wait(
            () => OwnBytes(guest) < filled - FileSize + Slack,
            () => $"{filled} own bytes before, {OwnBytes(guest)} after, {Host.Get(guest).Balloon}");
        Assert.True(Host.Get(guest).Balloon!.GivenBack > FileSize - Slack, $"{Host.Get(guest).Balloon}");

        Reach(guest, LinuxMemory);
        Assert.Equal(0, Host.Get(guest).Balloon!.Size);
        AssertHealthy(guest);
    }

    [SkippableFact]
    public void Free_pages_of_a_clone_go_back_and_template_and_other_clones_are_as_they_were()
    {
        string guest = BootOrSkip();
        Run(guest, Fill); // the template has bytes where clones will have free pages
        AssertHuge(guest);
        string sum = Run(guest, "sha256sum </tmp/f");
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t"), Digest = true });
        End(guest);
        string digest = Sha256(template.RamBlocks[0].File);
        string[] clones = [.. Enumerable.Range(0, 4).Select(_ => Clone(template))];

        Array.ForEach(clones[1..], clone => Run(clone, Overwrite));
        long written = OwnBytes(clones[1]);
        Assert.True(written >= FileSize, $"{written} own bytes");
        Run(clones[1], Free);
        Wait(
            () => OwnBytes(clones[1]) < written - FileSize + Slack,
            () => $"{written} own bytes before, {OwnBytes(clones[1])} after, {Host.Get(clones[1]).Balloon!.GivenBack} given "
                + $"back, {Run(clones[1], "cat /proc/buddyinfo")}");

        Assert.True(Host.Get(clones[1]).Balloon!.GivenBack > FileSize - Slack);
        Reach(clones[2], 200 * MiB);
        Run(clones[2], Free);
        Assert.Equal(sum, Run(clones[0], "sha256sum </tmp/f"));
        Assert.Equal(digest, Sha256(template.RamBlocks[0].File));
        Assert.Equal(FileSize, long.Parse(Run(clones[3], "cat /tmp/f | wc -c"), null));
        Assert.Equal(sum, Run(Clone(template), "sha256sum </tmp/f"));
        Host.Reset(clones[1]);
        Assert.Equal(sum, Run(clones[1], "sha256sum </tmp/f"));
        Array.ForEach(clones, AssertHealthy);
    }

    [SkippableFact]
    public void Twelve_clones_give_back_what_they_freed_and_balloons_take_what_they_do_not_use()
    {
        string guest = BootOrSkip();
        Run(guest, Fill);
        AssertHuge(guest);
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t"), Digest = true });
        End(guest);
        string digest = Sha256(template.RamBlocks[0].File);
        string idle = Clone(template);
        string sum = Run(idle, "sha256sum </tmp/f");
        string[] clones = [.. Enumerable.Range(0, 12).Select(_ => Clone(template))];
        Array.ForEach(clones, clone => Run(clone, Overwrite));
        long filled = Own();
        Assert.True(filled >= clones.Length * FileSize, $"{filled} own bytes");

        Array.ForEach(clones, clone => Run(clone, Free));

        long freed = filled - (clones.Length * (FileSize - Slack));
        Wait(() => Own() < freed, () => $"{filled} own bytes before, {Own()} after reports");
        Array.ForEach(clones, clone => Host.SetMemoryTarget(clone, 150 * MiB));
        Wait(
            () => clones.All(clone => Host.Get(clone).Balloon!.Size == LinuxMemory - (150 * MiB)),
            () => string.Join(", ", clones.Select(clone => Host.Get(clone).Balloon)));

        // A balloon's pages are noted by the guest in memory that it then has for itself: what was free before stays given back, and no
        // more is certain.
        Assert.True(Own() < freed + (clones.Length * Slack), $"{filled} own bytes before, {Own()} after inflation");
        Assert.All(
            clones,
            clone => Assert.True(
                Host.Get(clone).Balloon!.GivenBack > FileSize - Slack, $"{Host.Get(clone).Balloon!.GivenBack} given back"));
        Assert.Equal(digest, Sha256(template.RamBlocks[0].File));
        Assert.Equal(sum, Run(idle, "sha256sum </tmp/f"));
        Assert.Equal(sum, Run(Clone(template), "sha256sum </tmp/f"));
        AssertHealthy(clones[0]);
        AssertHealthy(clones[^1]);

        long Own() => clones.Sum(OwnBytes);
    }

    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_checkpoint_with_an_inflated_balloon_gives_clones_whose_balloon_is_their_memorys(bool differential)
    {
        string guest = BootOrSkip();
        if (differential)
        {
            GuestTemplate parent = Make(guest, new CheckpointOptions { Path = At("p") });
            End(guest);
            guest = Clone(parent);
        }

        Run(guest, $"{Fill}; {Free}");
        Reach(guest, 150 * MiB);
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t"), Differential = differential });
        Assert.Empty(GuestTemplates.Test(template.Path, verify: true).Errors);

        string clone = Clone(template);

        GuestBalloon had = Host.Get(clone).Balloon!;
        Assert.Equal((106 * MiB, 150 * MiB, true), (had.Size, had.Target, had.HasDriver));
        Reach(clone, LinuxMemory);
        Run(clone, Fill); // pages of the balloon among them
        string sum = Run(clone, "sha256sum </tmp/f");
        Assert.Equal(sum, Run(clone, "sha256sum </tmp/f"));
        Reach(guest, 200 * MiB);
        Host.Reset(clone);
        Assert.Equal(106 * MiB, Host.Get(clone).Balloon!.Size);
        Reach(clone, 240 * MiB);
        AssertHealthy(clone);
        AssertHealthy(guest);
    }

    [SkippableFact]
    public void Inflation_goes_on_while_checkpoints_are_made()
    {
        string guest = BootOrSkip();
        for (int i = 0; i < 2; i++)
        {
            Host.SetMemoryTarget(guest, (i % 2 == 0 ? 150 : 256) * MiB);
            GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t"), Force = true });
            string clone = Clone(template);
            long target = (i % 2 == 0 ? 150 : 256) * MiB;
            Wait(() => Host.Get(clone).Balloon!.Size == LinuxMemory - target);
            Wait(() => Host.Get(guest).Balloon!.Size == LinuxMemory - target);
            Run(clone, $"{Fill}; {Free}; umount /tmp");
            AssertHealthy(clone);
            End(clone);
        }
    }

    [SkippableFact]
    public void A_guest_that_is_out_of_memory_deflates_it()
    {
        string guest = BootOrSkip();
        Reach(guest, 100 * MiB);

        Assert.Equal(
            (40 << 20).ToString(null as IFormatProvider),
            Run(guest, $"{Fill.Replace("256", "640", StringComparison.Ordinal)}; cat /tmp/f | wc -c"));

        Assert.InRange(Host.Get(guest).Balloon!.Size, 0, 150 * MiB);
        Assert.Equal("0", Run(guest, "dmesg | grep -c 'Killed process'"));
    }

    [SkippableTheory]
    [InlineData("shared file")]
    [InlineData("private file")]
    [InlineData("RestoreTemplate")]
    [InlineData("memfd")]
    [InlineData("shared hugetlbfs")]
    [InlineData("private hugetlbfs")]
    public void It_works_on_RAM_of_each_kind(string kind)
    {
        LinuxGuest linux = LinuxOrSkip();
        HugePages? pages = null;
        Mounted? mount = null;
        using TestFolder folder = new();
        try
        {
            string path = At("ram");
            if (kind.EndsWith("hugetlbfs", StringComparison.Ordinal))
            {
                pages = new HugePages((int)(LinuxMemory / HugePages.Size));
                mount = Mounts.Mount(folder, "hugetlbfs");
                path = mount.Path;
            }
            else if (kind != "memfd")
            {
                using FileStream file = File.Create(path);
                file.SetLength(LinuxMemory);
            }

            MemoryBackend ram = Backends.Create(new MemoryBackendOptions
            {
                Path = kind == "memfd" ? null : path,
                Kind = kind == "memfd" ? BackendKind.Memfd : BackendKind.File,
                Size = LinuxMemory,
                Share = kind is "shared file" or "memfd" or "shared hugetlbfs",
                DiscardPolicy = kind == "RestoreTemplate" ? DiscardPolicy.RestoreTemplate : DiscardPolicy.Auto,
            });
            string guest = Boot(Options(linux) with { Memory = 0, BackendIds = [ram.Id] });

            // More of the guest's free memory than the balloon can do without.
            Run(guest, $"{Mount}; dd if=/dev/zero of=/tmp/f bs=64k count=1792 2>/dev/null");
            long held = ram.MeasureHeld();
            Run(guest, Free);
            if (kind != "RestoreTemplate") // which reports are nothing to
            {
                Wait(
                    () => Host.Get(guest).Balloon!.GivenBack >= FileSize,
                    () => $"{Host.Get(guest).Balloon!.GivenBack} bytes given back by reports");
            }

            Reach(guest, 150 * MiB);

            Assert.True(Host.Get(guest).Balloon!.GivenBack >= FileSize, $"{Host.Get(guest).Balloon!.GivenBack} bytes given back");
            // A file on a disk holds no memory.
            bool isMeasured = kind != "shared file" && !kind.EndsWith("hugetlbfs", StringComparison.Ordinal);
            Assert.True(!isMeasured || ram.MeasureHeld() < held, $"{held} bytes held before, {ram.MeasureHeld()} after");

            Reach(guest, LinuxMemory);
            string sum = Run(guest, $"{Fill[Fill.IndexOf("dd", StringComparison.Ordinal)..]}; sha256sum </tmp/f");
            Assert.Equal(sum, Run(guest, "sha256sum </tmp/f"));
            AssertHealthy(guest);
        }
        finally
        {
            foreach (GuestInfo guest in Host.List())
            {
                End(guest.Name);
            }

            Backends.List().ToList().ForEach(backend => backend.Dispose());
            mount?.Dispose();
            pages?.Dispose();
        }
    }

    private static LinuxGuest LinuxOrSkip()
    {
        LinuxGuest linux = LinuxGuest.GetOrSkip();
        string module = Path.Combine(Path.GetDirectoryName(linux.Kernel)!, "modules", "virtio_balloon.ko.xz");
        Skip.IfNot(File.Exists(module), $"no {module}: tests/guests/get-linux.sh fetches it");
        return linux;
    }

    private static GuestOptions Options(LinuxGuest linux) => new()
    {
        Memory = LinuxMemory, Kernel = linux.Kernel, Initrd = linux.Initrd, CommandLine = "console=ttyS0 quiet", Balloon = true,
    };

    private string BootOrSkip()
    {
        string guest = Boot(Options(LinuxOrSkip()));
        Wait(() => Host.Get(guest).Balloon!.HasDriver);
        return guest;
    }

    private void AssertHuge(string guest) =>
        Assert.Equal($"{FileSize >> 10}", Run(guest, "awk '/^ShmemHugePages/ { print $2 }' /proc/meminfo"));

    private void Reach(string guest, long target)
    {
        Host.SetMemoryTarget(guest, target);
        Wait(() => Host.Get(guest).Balloon is { } balloon && balloon.Size == Host.Get(guest).Memory - target);
    }

    private static void Wait(Func<bool> reached, Func<string>? describe = null)
    {
        long began = Stopwatch.GetTimestamp();
        while (!reached())
        {
            Assert.True(Stopwatch.GetElapsedTime(began) < Patience, describe?.Invoke() ?? "reached in time");
            Thread.Sleep(10);
        }
    }

    private long OwnBytes(string guest) => Host.Measure(guest, detailed: false).OwnBytes;

    private void AssertHealthy(string guest)
    {
        Assert.Equal("", Complaints(guest));
        Assert.Equal(GuestState.Running, Host.Get(guest).State);
    }
}
