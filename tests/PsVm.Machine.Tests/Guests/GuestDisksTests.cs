using PsVm.Machine.Devices.Disks;
using PsVm.Machine.Tests.Support;
using PsVm.Machine.Tests.Templates;
using PsVm.Memory.Files;

namespace PsVm.Machine.Tests.Guests;

/// <summary>What was written over images goes into them, or goes; disks come and go while their guests are off.</summary>
public sealed class GuestDisksTests : TemplateTest
{
    private const int Size = 1 << 20;

    private string Image => At("image");

    [Theory]
    [InlineData(DiskOverlay.Memory, false)]
    [InlineData(DiskOverlay.File, false)]
    [InlineData(DiskOverlay.Memory, true)]
    [InlineData(DiskOverlay.File, true)]
    public void What_was_saved_is_in_the_image_and_no_more_over_it(DiskOverlay overlay, bool runs)
    {
        string guest = BootOver(overlay, out Disk disk);
        byte[] expected = Written(disk);
        if (!runs)
        {
            Host.Stop(guest);
        }

        GuestDisk saved = Host.Disks.Save(guest, "disk0", null);

        Assert.Equal((0L, Host.Get(guest).State), (saved.OverlayBytes, runs ? GuestState.Running : GuestState.Stopped));
        Assert.Equal(expected, File.ReadAllBytes(Image));
        Assert.Equal(expected, All(disk));
        Assert.True(disk.TryWrite(0, Pattern(512, 9))); // over the image again, which is locked as before
        Assert.Equal(expected, File.ReadAllBytes(Image));
        Assert.Equal(GuestErrorIds.DiskInUse, Assert.Throws<GuestException>(() => DiskFile.Open(Image, write: true)).ErrorId);
        DiskFile.Open(Image, write: false).Dispose();
        Pattern(512, 9).CopyTo(expected, 0);
        if (runs)
        {
            Host.Stop(guest);
        }

        Host.Remove(guest);
        if (overlay == DiskOverlay.File)
        {
            BootOver(overlay, out disk);
            Assert.Equal(expected, All(disk));
        }
    }

    [Theory]
    [InlineData(DiskOverlay.Memory)]
    [InlineData(DiskOverlay.File)]
    public void What_was_dropped_is_gone(DiskOverlay overlay)
    {
        string guest = BootOver(overlay, out Disk disk);
        Written(disk);
        Assert.Equal(GuestErrorIds.GuestNotStopped, Id(() => Host.Disks.Reset(guest, "disk0")));
        Host.Stop(guest);
        Assert.Equal(0, Host.Disks.Reset(guest, "disk0").OverlayBytes);
        Assert.Equal(new byte[Size], All(disk));
        Host.StartAgain(guest, CancellationToken.None);
    }

    [Fact]
    public void An_overlay_in_a_file_still_has_all_when_saving_is_given_up()
    {
        string guest = BootOver(DiskOverlay.File, out Disk disk);
        byte[] expected = Written(disk);
        using CancellationTokenSource stop = new();
        Host.Stop(guest);

        Assert.Throws<OperationCanceledException>(() => Host.Disks.Save(guest, "disk0", new After(stop), stop.Token));

        Assert.Equal(expected, All(disk));
        Assert.NotEqual(new byte[Size], File.ReadAllBytes(Image)); // a part of it is there
        Host.Remove(guest);
        guest = BootOver(DiskOverlay.File, out disk); // though the image was written since
        Assert.Equal(expected, All(disk));
        Host.Disks.Save(guest, "disk0", null);
        Assert.Equal(expected, File.ReadAllBytes(Image));
    }

    [Fact]
    public void What_cannot_be_saved_says_so_and_stays()
    {
        string guest = BootOver(DiskOverlay.Memory, out Disk disk);
        byte[] expected = Written(disk);
        string reader = Host.Start(
            new GuestOptions { Memory = Memory, Disks = [new GuestDiskOptions { Path = Image, ReadOnly = true }] },
            CancellationToken.None).Name;
        Assert.Equal(GuestErrorIds.DiskInUse, Id(() => Host.Disks.Save(guest, "disk0", null)));
        Assert.Equal(GuestErrorIds.DiskOverlayMissing, Id(() => Host.Disks.CheckSave(reader, "disk0")));
        Assert.Equal(GuestErrorIds.GuestDiskNotFound, Id(() => Host.Disks.Save(guest, "disk1", null)));
        Host.Stop(reader);
        Host.Remove(reader);

        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });
        string clone = Clone(
            new GuestOptions { Template = template.Path, Disks = [new GuestDiskOptions { Path = Image, OverlayPath = At("clone") }] });
        Assert.Equal(GuestErrorIds.DiskNotSaved, Id(() => Host.Disks.Save(clone, "disk0", null)));
        Assert.Equal(expected, All(DiskOf(clone)));
        Host.Reset(clone);
        Assert.Equal(expected, All(DiskOf(clone)));
        Assert.Equal(expected, All(disk));
        Assert.Equal(new byte[Size], File.ReadAllBytes(Image));
    }

    private sealed class After(CancellationTokenSource stop) : IProgress<StepProgress>
    {
        public void Report(StepProgress value) => stop.Cancel();
    }

    private string BootOver(DiskOverlay overlay, out Disk disk)
    {
        if (!File.Exists(Image))
        {
            File.WriteAllBytes(Image, new byte[Size]);
        }

        string guest = Boot(new GuestOptions
        {
            Memory = Memory,
            Disks = [
                new GuestDiskOptions { Path = Image, Overlay = overlay, OverlayPath = overlay == DiskOverlay.File ? At("overlay") : null }],
        });
        disk = DiskOf(guest);
        return guest;
    }

    private Disk DiskOf(string guest) => Host.DisksOf(guest)[0];

    private static byte[] Written(Disk disk)
    {
        byte[] expected = new byte[Size];
        foreach ((int at, int length) in new[] { (512, 512), (64 << 10, 12 << 10), (Size - 512, 512) })
        {
            Assert.True(disk.TryWrite(at, Pattern(length, at)));
            Pattern(length, at).CopyTo(expected, at);
        }

        Assert.True(disk.TryZero(256 << 10, 8192, giveBack: true));
        return expected;
    }

    private static byte[] All(Disk disk)
    {
        byte[] bytes = new byte[Size];
        Assert.True(disk.TryRead(0, bytes), disk.Counts.LastFailure);
        return bytes;
    }

    private static string Id(Action action) => Assert.Throws<GuestException>(action).ErrorId;

    private static byte[] Pattern(int length, int seed)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
