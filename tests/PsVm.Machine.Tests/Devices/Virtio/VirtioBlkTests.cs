using System.Text;
using PsVm.Machine.Devices.Disks;
using PsVm.Machine.Devices.Virtio;
using PsVm.Machine.State;
using PsVm.Machine.Tests.Support;
using PsVm.Memory.Files;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests.Devices.Virtio;

/// <summary>A disk as its driver sees it, on real files.</summary>
public sealed class VirtioBlkTests : IDisposable
{
    private const int Sector = 512, Size = 1 << 20;
    private const ulong ReadOnlyFeature = 1 << 5;

    private readonly TestFolder _folder = new();
    private readonly List<IDisposable> _made = [];

    public void Dispose()
    {
        _made.Reverse();
        _made.ForEach(made => made.Dispose());
        _folder.Dispose();
    }

    [Fact]
    public void What_is_written_is_in_the_image_and_is_read_again()
    {
        string path = _folder.File("disk", Size, 0);
        BlockDriver driver = Insert(path, write: true);
        byte[] pattern = Pattern(3 * Sector);

        Assert.Equal(BlockDriver.Ok, driver.Do(BlockDriver.Write, 5, pattern));
        Assert.Equal(BlockDriver.Ok, driver.Do(BlockDriver.Flush, 0, []));

        Assert.Equal(pattern, File.ReadAllBytes(path).AsSpan(5 * Sector, pattern.Length).ToArray());
        (byte status, byte[] read) = driver.ReadSectors(4, 5 * Sector);
        Assert.Equal(BlockDriver.Ok, status);
        Assert.Equal([.. new byte[Sector], .. pattern, .. new byte[Sector]], read);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void With_an_overlay_the_image_stays_as_it_is(bool sparse)
    {
        string path = _folder.File("disk", Size);
        byte[] before = sparse ? new byte[Size] : Pattern(Size);
        File.WriteAllBytes(path, before);
        BlockDriver driver = Insert(path, write: false, overlay: true);
        byte[] pattern = Pattern(Sector, seed: 2);

        // Inside a block, over its end, and whole blocks with what lies between them.
        Assert.Equal(BlockDriver.Ok, driver.Do(BlockDriver.Write, 1, pattern));
        Assert.Equal(BlockDriver.Ok, driver.Do(BlockDriver.Write, 15, [.. pattern, .. pattern]));
        Assert.Equal(BlockDriver.Ok, driver.Do(BlockDriver.Write, 32, Pattern(8192, seed: 3)));

        byte[] expected = [.. before];
        pattern.CopyTo(expected, Sector);
        pattern.CopyTo(expected, 15 * Sector);
        pattern.CopyTo(expected, 16 * Sector);
        Pattern(8192, seed: 3).CopyTo(expected, 32 * Sector);
        Assert.Equal(expected.AsSpan(0, 64 * Sector).ToArray(), driver.ReadSectors(0, 64 * Sector).Data);
        Assert.Equal(before, File.ReadAllBytes(path));
    }

    [Fact]
    public void A_read_only_disk_says_so_and_refuses_writes()
    {
        string path = _folder.File("disk", Size);
        BlockDriver driver = Insert(path, write: false);

        Assert.Equal(BlockDriver.IoError, driver.Do(BlockDriver.Write, 0, new byte[Sector]));
        Assert.Equal(BlockDriver.IoError, driver.Range(BlockDriver.WriteZeroes, 0, 1));
        Assert.Equal(BlockDriver.IoError, driver.Range(BlockDriver.Discard, 0, 8));
        Assert.Equal(BlockDriver.Ok, driver.Do(BlockDriver.Flush, 0, []));
        Assert.Equal((BlockDriver.Ok, Sector), (driver.ReadSectors(0, Sector).Status, driver.ReadSectors(0, Sector).Data.Length));
        _slot!.Device.Write(VirtioDriver.FeaturesSelect, 0);
        Assert.Equal(ReadOnlyFeature, _slot.Device.Read(0x10) & (ReadOnlyFeature | (1 << 13) | (1 << 14)));
    }

    [Theory]
    [InlineData(Size / Sector, Sector)]
    [InlineData((Size / Sector) - 1, 2 * Sector)]
    [InlineData(long.MaxValue, Sector)]
    [InlineData(-1, Sector)]
    [InlineData(0, 100)]
    [InlineData(1L << 55, Sector)] // times 512 is 0 again
    public void What_is_not_on_the_disk_is_an_error(long sector, int bytes)
    {
        BlockDriver driver = Insert(_folder.File("disk", Size), write: true);

        Assert.Equal(BlockDriver.IoError, driver.ReadSectors((ulong)sector, bytes).Status);
        Assert.Equal(BlockDriver.IoError, driver.Do(BlockDriver.Write, (ulong)sector, new byte[bytes]));
        Assert.Equal(BlockDriver.Ok, driver.ReadSectors((Size / Sector) - 1, Sector).Status);
        Assert.Equal(Size, new FileInfo(Path.Combine(_folder.Path, "disk")).Length);
    }

    [Fact]
    public void It_tells_its_size_and_its_name()
    {
        BlockDriver driver = Insert(_folder.File("disk", Size), write: true);

        Assert.Equal((ulong)(Size / Sector), _slot!.Device.Read(0x100, 8));
        (_, ulong data, _, _) = driver.Begin(BlockDriver.GetName, 0, [], 20);
        driver.Ring.WaitTaken();
        Assert.Equal("root", Encoding.ASCII.GetString(_slot.Ram.Read(data, 20)).TrimEnd('\0'));
        Assert.Equal(BlockDriver.Unsupported, driver.Do(77, 0, []));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Ranges_are_discarded_and_zeroed(bool overlay)
    {
        string path = _folder.File("disk", Size);
        File.WriteAllBytes(path, Pattern(Size));
        BlockDriver driver = Insert(path, write: !overlay, overlay);
        Assert.Equal(BlockDriver.Ok, driver.Do(BlockDriver.Write, 0, Pattern(8192, seed: 2)));

        Assert.Equal(BlockDriver.Ok, driver.Range(BlockDriver.Discard, 0, 8));
        Assert.Equal(BlockDriver.Ok, driver.Range(BlockDriver.WriteZeroes, 20, 30));
        Assert.Equal(BlockDriver.Ok, driver.Range(BlockDriver.WriteZeroes, 64, 64, flags: 1));

        byte[] expected = Pattern(Size);
        Pattern(8192, seed: 2).CopyTo(expected, 0);
        expected.AsSpan(0, 8 * Sector).Clear();
        expected.AsSpan(20 * Sector, 30 * Sector).Clear();
        expected.AsSpan(64 * Sector, 64 * Sector).Clear();
        Assert.Equal(expected.AsSpan(0, 128 * Sector).ToArray(), driver.ReadSectors(0, 128 * Sector).Data);
        Assert.Equal(overlay ? Pattern(Size) : expected, File.ReadAllBytes(path));
        Assert.Equal(BlockDriver.IoError, driver.Range(BlockDriver.WriteZeroes, (Size / Sector) - 1, 2));
        Assert.Equal(BlockDriver.IoError, driver.Range(BlockDriver.Discard, 0, uint.MaxValue));
        Assert.Equal(BlockDriver.Unsupported, driver.Range(BlockDriver.WriteZeroes, 0, 1, flags: 2));
        Assert.Equal(BlockDriver.Unsupported, driver.Range(BlockDriver.Discard, 0, 8, flags: 1));
        Assert.Equal(BlockDriver.IoError, driver.Do(BlockDriver.Discard, 0, new byte[15]));
    }

    [Fact]
    public void An_image_that_shrank_gives_errors_where_it_ends_and_no_others()
    {
        string path = _folder.File("disk", Size);
        BlockDriver driver = Insert(path, write: false, overlay: true);
        using (FileStream file = new(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            file.SetLength(Size / 2);
        }

        Assert.Equal(BlockDriver.Ok, driver.ReadSectors(0, Sector).Status);
        Assert.Equal(BlockDriver.IoError, driver.ReadSectors(Size / Sector / 2, Sector).Status);
        // The rest of its block cannot be had.
        Assert.Equal(BlockDriver.IoError, driver.Do(BlockDriver.Write, Size / Sector / 2, new byte[Sector]));
        Assert.Equal(BlockDriver.Ok, driver.Do(BlockDriver.Write, Size / Sector / 2, new byte[4096]));
        Assert.Contains("has shrunk", _disk!.Counts.LastFailure, StringComparison.Ordinal);
        Assert.Equal(2, _disk.Counts.Failures);
    }

    [SkippableFact]
    public void A_full_file_system_gives_errors_to_who_writes_and_no_others()
    {
        Mounted mount = Host.Mount(_folder, "tmpfs", "size=64k");
        _made.Add(mount);
        string path = Path.Combine(mount.Path, "disk");
        using (FileStream file = File.Create(path))
        {
            file.SetLength(Size);
        }

        BlockDriver driver = Insert(path, write: true);

        byte[] statuses = [.. Enumerable.Range(0, 32).Select(i => driver.Do(BlockDriver.Write, (ulong)i * 8, Pattern(4096)))];
        Assert.Equal(BlockDriver.Ok, statuses[0]);
        Assert.Equal(BlockDriver.IoError, statuses[^1]);
        Assert.Equal(Pattern(4096), driver.ReadSectors(0, 4096).Data);
        Assert.Equal(0ul, driver.Driver.Status & VirtioDriver.NeedsReset);
    }

    [Fact]
    public void An_overlay_takes_no_more_memory_than_the_host_has()
    {
        bool hasRoom = true;
        BlockDriver driver = Insert(_folder.File("disk", Size * 16), write: false, overlay: true, () => hasRoom);
        Assert.Equal(BlockDriver.Ok, driver.Do(BlockDriver.Write, 0, Pattern(Sector)));

        hasRoom = false;
        byte[] statuses = [.. Enumerable.Range(0, 128).Select(i => driver.Do(BlockDriver.Write, (ulong)i * 128, Pattern(0x1_0000)))];

        Assert.Equal(BlockDriver.IoError, statuses[^1]);
        Assert.InRange(_disk!.OverlayBytes, 4096, 6 << 20);
        Assert.Equal(Pattern(Sector), driver.ReadSectors(0, Sector).Data);
    }

    [Fact]
    public void Requests_are_done_beside_each_other_and_each_gets_its_own()
    {
        string path = _folder.File("disk", Size);
        byte[] content = Pattern(Size);
        File.WriteAllBytes(path, content);
        BlockDriver driver = Insert(path, write: true);
        for (int round = 0; round < 50; round++)
        {
            var begun = Enumerable.Range(0, 8).Select(i => (Sector: (ulong)((round * 31) + (i * 97)) % 1900, Request: (ulong)0))
                .Select(wanted => (wanted.Sector, Request: driver.Begin(BlockDriver.Read, wanted.Sector, [], 2048))).ToArray();
            for (int i = 0; i < begun.Length; i++)
            {
                (uint head, uint written) = driver.Ring.WaitTaken();
                Assert.Equal(2049u, written);
                Assert.Contains(begun, one => one.Request.Head == head);
            }

            Assert.All(
                begun,
                one => Assert.Equal(content.AsSpan((int)one.Sector * Sector, 2048).ToArray(), _slot!.Ram.Read(one.Request.Data, 2048)));
        }
    }

    [Fact]
    public void A_request_without_header_or_status_stops_the_device()
    {
        BlockDriver driver = Insert(_folder.File("disk", Size), write: true);
        driver.Ring.Publish(driver.Ring.Chain((VirtioSlot.RamStart + 0x2000, 15, false), (VirtioSlot.RamStart + 0x3000, 1, true)));
        driver.Driver.Notify();
        Assert.Contains("a header of 16 bytes", _slot!.Device.Fault, StringComparison.Ordinal);

        driver = new BlockDriver(_slot);
        driver.Ring.Publish(driver.Ring.Chain((VirtioSlot.RamStart + 0x2000, 16, false)));
        driver.Driver.Notify();
        Assert.Contains("a byte for its status", _slot.Device.Fault, StringComparison.Ordinal);
        Assert.Equal(BlockDriver.Ok, new BlockDriver(_slot).ReadSectors(0, Sector).Status);
    }

    [Fact]
    public void Drained_it_has_nothing_under_way_and_its_state_has_what_was_written()
    {
        string path = _folder.File("disk", Size);
        BlockDriver driver = Insert(path, write: false, overlay: true);
        for (int i = 0; i < 8; i++)
        {
            driver.Begin(BlockDriver.Write, (ulong)i * 8, Pattern(4096, seed: i), 0);
        }

        _slot!.Device.Pause();
        _slot.Device.Drain(CancellationToken.None);
        int done = driver.Ring.Returned;
        byte[] state = _slot.Save();
        byte[] ram = _slot.Ram.Read(VirtioSlot.RamStart, (int)VirtioSlot.RamSize);
        Thread.Sleep(20);
        Assert.Equal(done, driver.Ring.Returned);

        // Where that guest goes on, the rest is done, too.
        using Disk disk = new("root", Size, isReadOnly: false, DiskFile.Open(path, write: false), MemoryOverlay.Maker());
        using VirtioSlot other = new(port => new VirtioBlk(port, disk));
        other.Ram.Write(VirtioSlot.RamStart, ram);
        other.Restore(state);
        other.Device.Resume();
        VirtioRing there = new(other.Ram, 64, VirtioSlot.RamStart);
        Assert.True(SpinWait.SpinUntil(() => there.Returned == 8, TimeSpan.FromSeconds(30)));
        byte[] read = new byte[8 * 4096];
        Assert.True(disk.TryRead(0, read));
        Assert.Equal([.. Enumerable.Range(0, 8).SelectMany(i => Pattern(4096, seed: i))], read);
    }

    [Fact]
    public void A_state_of_another_disk_is_refused()
    {
        Insert(_folder.File("disk", Size), write: false, overlay: true);
        byte[] state = _slot!.Save();
        using Disk larger = new("root", 2 * Size, isReadOnly: false, null, MemoryOverlay.Maker());
        using VirtioSlot other = new(port => new VirtioBlk(port, larger));
        Assert.Contains(
            "a disk of 1048576 bytes", Assert.Throws<InvalidDataException>(() => other.Restore(state)).Message, StringComparison.Ordinal);

        // A block beyond the disk, one twice.
        using Disk two = new("root", Size, isReadOnly: false, null, MemoryOverlay.Maker());
        Assert.True(two.TryZero(0, 8192, giveBack: false));
        StateStream blocks = new();
        two.Transfer(blocks);
        byte[] right = blocks.ToArray();
        foreach ((int at, byte value) in new[] { (10 + 4 + 1, (byte)1), (10 + 4 + 9, (byte)0) })
        {
            byte[] wrong = [.. right];
            wrong[at] = value;
            Assert.Contains(
                "block ",
                Assert.Throws<InvalidDataException>(() => two.Transfer(new StateStream(wrong))).Message,
                StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("none", GuestErrorIds.DiskNotFound)]
    [InlineData("none/none", GuestErrorIds.DiskNotFound)]
    [InlineData("folder", GuestErrorIds.DiskNotOpened)]
    [InlineData("fifo", GuestErrorIds.DiskNotOpened)]
    [InlineData("empty", GuestErrorIds.DiskSizeInvalid)]
    [InlineData("odd", GuestErrorIds.DiskSizeInvalid)]
    public void What_is_no_image_is_refused(string what, string id)
    {
        string path = Path.Combine(_folder.Path, what);
        switch (what)
        {
            case "folder":
                Directory.CreateDirectory(path);
                break;
            case "fifo":
                HostProgram.Run("mkfifo", path);
                break;
            case "empty" or "odd":
                _folder.File(what, what == "odd" ? 1000 : 0);
                break;
        }

        GuestException error = Assert.Throws<GuestException>(() => DiskFile.Open(path, write: false));
        Assert.Equal((id, path), (error.ErrorId, error.Target));
    }

    [Fact]
    public void An_image_has_one_writer_or_many_readers()
    {
        string path = _folder.File("disk", Size);
        using (DiskFile one = DiskFile.Open(path, write: false))
        using (DiskFile other = DiskFile.Open(path, write: false))
        {
            GuestException late = Assert.Throws<GuestException>(() => DiskFile.Open(path, write: true));
            Assert.Equal(GuestErrorIds.DiskInUse, late.ErrorId);
            Assert.Contains($"process {Environment.ProcessId}", late.Message, StringComparison.Ordinal);
        }

        using DiskFile writer = DiskFile.Open(path, write: true);
        Assert.Equal(GuestErrorIds.DiskInUse, Assert.Throws<GuestException>(() => DiskFile.Open(path, write: true)).ErrorId);
        Assert.Equal(GuestErrorIds.DiskInUse, Assert.Throws<GuestException>(() => DiskFile.Open(path, write: false)).ErrorId);
    }

    private VirtioSlot? _slot;
    private Disk? _disk;

    private BlockDriver Insert(string path, bool write, bool overlay = false, Func<bool>? hasRoom = null)
    {
        DiskFile image = DiskFile.Open(path, write);
        _disk = new Disk("root", image.Identity.Size, isReadOnly: !write && !overlay, image, overlay ? MemoryOverlay.Maker(hasRoom) : null);
        _made.Add(_disk);
        _slot = new VirtioSlot(port => new VirtioBlk(port, _disk));
        _made.Add(_slot);
        return new BlockDriver(_slot);
    }

    private static byte[] Pattern(int length, int seed = 1)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
