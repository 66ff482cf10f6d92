using Microsoft.Win32.SafeHandles;
using PsVm.Machine.Devices.Disks;
using PsVm.Machine.State;
using PsVm.Machine.Templates;
using PsVm.Memory.Files;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests.Devices.Disks;

/// <summary>What was written over a disk goes into a file as it was at one moment, whatever the guest writes meanwhile.</summary>
public sealed class SealedOverlayTests : IDisposable
{
    private const int Size = (4 << 20) + 512, Block = 4096;

    private readonly TestFolder _folder = new();
    private readonly List<SafeFileHandle> _files = [];

    public SealedOverlayTests() => File.WriteAllBytes(Image, Pattern(Size, 1));

    private string Image => Path.Combine(_folder.Path, "image");

    public void Dispose()
    {
        _files.ForEach(file => file.Dispose());
        _folder.Dispose();
    }

    [Theory]
    [InlineData(DiskOverlay.Memory, false)]
    [InlineData(DiskOverlay.Memory, true)]
    [InlineData(DiskOverlay.File, false)]
    [InlineData(DiskOverlay.File, true)]
    public async Task What_is_written_meanwhile_is_not_in_it(DiskOverlay kind, bool hasLayer)
    {
        using DiskLayer? layer = hasLayer ? MakeLayer() : null;
        using Disk disk = Open(kind, layer);
        Assert.True(disk.TryWrite(0, Pattern(3 << 20, 2)));
        Assert.True(disk.TryZero(Size - 512, 512, giveBack: false));
        byte[] then = Read(disk);
        StateStream state = new(files: _ => NewFile("t"));
        disk.Transfer(state);

        Assert.True(disk.TryWrite(512, Pattern(3 * Block, 3)));
        Assert.True(disk.TryZero(10 * Block, Block, giveBack: true));
        Assert.True(disk.TryDiscard(12 * Block, Block));
        Assert.True(disk.TryWrite((3 << 20) + Block, Pattern(Block, 4)));
        using CancellationTokenSource stop = new();
        Task writer = Task.Run(() => WriteUntil(disk, stop.Token));
        byte[] small = state.ToArray();
        await stop.CancelAsync();
        await writer;

        Assert.InRange(small.Length, 1, 64); // and no blocks
        using Disk clone = Open(DiskOverlay.Memory, DiskLayer.Open(DiskFile.Take(_files[^1], "t"), Size, DiskLayer.CountBytes(_files[^1])));
        clone.Transfer(new StateStream(small));
        Assert.Equal(then, Read(clone));
        Assert.NotEqual(then, Read(disk));
    }

    [Theory]
    [InlineData(DiskOverlay.Memory)]
    [InlineData(DiskOverlay.File)]
    public void A_file_that_cannot_be_written_is_not_the_guests_failure(DiskOverlay kind)
    {
        using Disk disk = Open(kind, null);
        Assert.True(disk.TryWrite(0, Pattern(3 << 20, 2)));
        StateStream state = new(files: _ => NewFile("/dev/full"));
        disk.Transfer(state);

        Assert.True(disk.TryWrite(0, Pattern(3 * Block, 3)));

        Assert.Throws<IOException>(() => state.ToArray());
        Assert.Equal((0, null), (disk.Counts.Failures, disk.Counts.LastFailure));
        byte[] bytes = new byte[3 * Block];
        Assert.True(disk.TryRead(0, bytes));
        Assert.Equal(Pattern(3 * Block, 3), bytes);
    }

    [Fact]
    public void Clones_share_the_open_file_and_the_last_one_closes_it()
    {
        GuestTemplate template = new()
        {
            Path = _folder.Path, Guest = "g", MachineType = "virt-1.3", Board = "virt", Isa = "i", Boot = "b",
            Disks = [Described(MakeLayer)],
        };
        TemplateDiskLayers layers = new(template);

        DiskLayer first = layers.Hold(template.Disks[0], verify: false, CancellationToken.None)!;
        DiskLayer second = layers.Hold(template.Disks[0], verify: false, CancellationToken.None)!;
        Assert.Same(first, second);
        first.Dispose();
        Assert.NotNull(second.Identity);
        second.Dispose();
        using DiskLayer third = layers.Hold(template.Disks[0], verify: false, CancellationToken.None)!;
        Assert.NotSame(first, third);
        Assert.Equal(
            GuestErrorIds.DiskInUse,
            Assert.Throws<GuestException>(() => DiskFile.Open(template.Disks[0].Written!.File, write: true)).ErrorId);
        Assert.Null(layers.Hold(template.Disks[0] with { Name = "other" }, verify: false, CancellationToken.None));
    }

    private static TemplateDisk Described(Func<DiskLayer> make)
    {
        using DiskLayer made = make();
        using SafeFileHandle file = File.OpenHandle(made.Path);
        return new TemplateDisk
        {
            Name = "disk0",
            Identity = new FileIdentity(0, 0, Size, 0),
            Written = new TemplateDiskFile
            {
                File = made.Path, Bytes = DiskLayer.CountBytes(file), Identity = made.Identity!.Value,
                Digest = PsVm.Memory.Copying.RamDigest.Of(file),
            },
        };
    }

    private static void WriteUntil(Disk disk, CancellationToken stop)
    {
        for (int i = 0; i < 2000 && !stop.IsCancellationRequested; i++)
        {
            Assert.True(disk.TryWrite(((i * 37) + (i % 3)) % 700 * Block, Pattern(Block, i)));
        }
    }

    private DiskLayer MakeLayer()
    {
        using Disk disk = Open(DiskOverlay.Memory, null);
        Assert.True(disk.TryWrite(2 << 20, Pattern((2 << 20) + 512, 7)));
        Assert.True(disk.TryZero(0, 4 * Block, giveBack: false));
        StateStream state = new(files: _ => NewFile("layer"));
        disk.Transfer(state);
        state.ToArray();
        string path = Path.Combine(_folder.Path, "layer");
        return DiskLayer.Open(DiskFile.Take(File.OpenHandle(path), path), Size, DiskLayer.CountBytes(_files[^1]));
    }

    private SafeFileHandle NewFile(string name)
    {
        SafeFileHandle file = File.OpenHandle(
            Path.Combine(_folder.Path, name),
            name[0] == '/' ? FileMode.Open : FileMode.CreateNew,
            FileAccess.ReadWrite,
            FileShare.ReadWrite);
        _files.Add(file);
        return file;
    }

    private Disk Open(DiskOverlay kind, DiskLayer? layer)
    {
        DiskFile image = DiskFile.Open(Image, write: false);
        string overlay = Path.Combine(_folder.Path, $"overlay{kind}{(layer is null ? "" : "2")}");
        DiskOverlayMaker maker = kind == DiskOverlay.Memory
            ? MemoryOverlay.Maker()
            : (_, read) => OverlayFile.Open(overlay, image.Identity, isClone: false, read);
        _ = layer?.TryHold();
        return new Disk("disk0", Size, isReadOnly: false, image, maker, layer);
    }

    private static byte[] Read(Disk disk)
    {
        byte[] bytes = new byte[Size];
        Assert.True(disk.TryRead(0, bytes), disk.Counts.LastFailure);
        return bytes;
    }

    private static byte[] Pattern(int length, int seed)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
