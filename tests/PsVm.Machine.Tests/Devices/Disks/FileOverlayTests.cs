using System.Diagnostics;
using PsVm.Machine.Devices.Disks;
using PsVm.Machine.State;
using PsVm.Machine.Tests.Templates;
using PsVm.Memory.Files;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests.Devices.Disks;

/// <summary>
/// What guests write over images, in files and in memory: what is kept, what is refused, and what a killed process leaves.
/// </summary>
public sealed class FileOverlayTests : IDisposable
{
    /// <summary>What the helper process is told to write an overlay until it is killed.</summary>
    public const string Argument = "write-overlay";

    private const int Size = (1 << 20) + 512, Block = 4096; // the last block is a part of one

    private readonly TestFolder _folder = new();

    private string Image => Path.Combine(_folder.Path, "image");

    private string Overlay => Path.Combine(_folder.Path, "overlay");

    public FileOverlayTests() => File.WriteAllBytes(Image, Pattern(Size));

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(DiskOverlay.Memory)]
    [InlineData(DiskOverlay.File)]
    public void It_reads_as_an_array_would_whatever_is_written_zeroed_and_discarded(DiskOverlay kind)
    {
        byte[] expected = Pattern(Size);
        Random random = new(7);
        using (Disk disk = Open(kind))
        {
            for (int i = 0; i < 400; i++)
            {
                int at = random.Next(Size / 512) * 512, length = Math.Min(random.Next(1, 64) * 512, Size - at);
                switch (random.Next(5))
                {
                    case 0:
                        Assert.True(disk.TryZero(at, length, giveBack: true));
                        expected.AsSpan(at, length).Clear();
                        break;
                    case 1:
                        Assert.True(disk.TryFlush());
                        break;
                    default:
                        byte[] bytes = Pattern(length, i);
                        Assert.True(disk.TryWrite(at, bytes));
                        bytes.CopyTo(expected, at);
                        break;
                }

                Assert.Equal(expected.AsSpan(at, length).ToArray(), Read(disk, at, length));
            }

            Assert.Equal(expected, Read(disk, 0, Size));
            Assert.True(disk.TryDiscard(0, Size));
            Assert.True(disk.OverlayBytes > 0);
            disk.Overlay!.Clear();
            Assert.Equal(0, disk.OverlayBytes);
            Assert.Equal(Pattern(Size), Read(disk, 0, Size));
        }

        Assert.Equal(Pattern(Size), File.ReadAllBytes(Image));
    }

    [Fact]
    public void What_was_written_is_there_when_it_is_opened_again_and_takes_no_more_room_than_that()
    {
        using (Disk disk = Open(DiskOverlay.File))
        {
            Assert.True(disk.TryWrite(5 * 512, Pattern(512, 2)));
            Assert.True(disk.TryWrite(Size - 512, Pattern(512, 3)));
            Assert.True(disk.TryZero(64 * Block, 8 * Block, giveBack: false));
            Assert.Equal(10 * Block, disk.OverlayBytes);
        }

        byte[] expected = Pattern(Size);
        Pattern(512, 2).CopyTo(expected, 5 * 512);
        Pattern(512, 3).CopyTo(expected, Size - 512);
        expected.AsSpan(64 * Block, 8 * Block).Clear();
        using Disk again = Open(DiskOverlay.File);
        Assert.Equal(expected, Read(again, 0, Size));
        Assert.Equal([0L, .. Enumerable.Range(64, 8), 256], again.Overlay!.Blocks());
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Overlay));
    }

    [Fact]
    public void What_was_flushed_is_there_when_the_process_is_killed()
    {
        using Process writer = Process.Start(new ProcessStartInfo(
            "dotnet", ["exec", typeof(FileOverlayTests).Assembly.Location, Argument, Image, Overlay]) { RedirectStandardOutput = true })!;
        int flushed = 0;
        while (flushed < 20)
        {
            flushed = int.Parse(writer.StandardOutput.ReadLine()!, null);
        }

        writer.Kill();
        string rest = writer.StandardOutput.ReadToEnd();
        writer.WaitForExit();
        flushed = rest.Split('\n', StringSplitOptions.RemoveEmptyEntries) is [.., var last] && rest.EndsWith('\n')
            ? int.Parse(last, null)
            : flushed;

        using Disk disk = Open(DiskOverlay.File);
        for (int i = 0; i <= flushed; i++)
        {
            Assert.Equal(Pattern(Odd, i), Read(disk, PlaceOf(i), Odd));
        }

        // Behind that, each sector is the image's or what was written: never of blocks that nobody wrote.
        byte[] image = Pattern(Size);
        for (int at = PlaceOf(flushed + 1); at < Size / 2 / Odd * Odd; at += 512)
        {
            byte[] found = Read(disk, at, 512);
            Assert.True(
                found.AsSpan().SequenceEqual(image.AsSpan(at, 512))
                    || found.AsSpan().SequenceEqual(Pattern(Odd, at / Odd).AsSpan(at % Odd, 512)),
                $"at {at}");
        }
    }

    [Fact]
    public void An_overlay_of_another_image_is_refused_and_so_is_what_is_none()
    {
        using (Disk disk = Open(DiskOverlay.File))
        {
            Assert.True(disk.TryWrite(0, Pattern(Block, 2)));
        }

        byte[] right = File.ReadAllBytes(Overlay);
        File.WriteAllBytes(Overlay, right[..^512]);
        Assert.Contains("cut off", Refused(GuestErrorIds.DiskOverlayInvalid), StringComparison.Ordinal);
        File.WriteAllBytes(Overlay, right);
        File.SetLastWriteTimeUtc(Image, DateTime.UtcNow.AddMinutes(-5));
        Assert.Contains("written since", Refused(GuestErrorIds.DiskOverlayMismatch), StringComparison.Ordinal);
        File.WriteAllBytes(Image + "2", new byte[Size - 512]);
        File.Move(Image + "2", Image, overwrite: true);
        Assert.Contains("found one of 1 MiB", Refused(GuestErrorIds.DiskOverlayMismatch), StringComparison.Ordinal);

        foreach ((byte[] content, string complaint) in new[]
        {
            (Pattern(100), "another kind"), (Changed(8, 2), "format version 2"), (Changed(16, 1), "checksum"),
        })
        {
            File.WriteAllBytes(Overlay, content);
            Assert.Contains(complaint, Refused(GuestErrorIds.DiskOverlayInvalid), StringComparison.Ordinal);
        }

        byte[] Changed(int at, byte value)
        {
            byte[] changed = [.. right];
            changed[at] = value;
            return changed;
        }
    }

    [Fact]
    public void A_bit_of_a_block_that_the_disk_has_not_is_refused()
    {
        Open(DiskOverlay.File).Dispose();
        using (FileStream file = File.OpenWrite(Overlay))
        {
            file.Position = OverlayHeader.Size + (257 / 8);
            file.WriteByte(1 << (257 % 8));
        }

        Assert.Contains("block 257 of a disk of 257", Refused(GuestErrorIds.DiskOverlayInvalid), StringComparison.Ordinal);
    }

    [Fact]
    public void One_that_was_being_made_is_made_to_the_end()
    {
        Open(DiskOverlay.File).Dispose();
        using (FileStream file = new(Overlay, FileMode.Open))
        {
            file.SetLength(OverlayHeader.Size);
        }

        using Disk disk = Open(DiskOverlay.File);
        Assert.True(disk.TryWrite(Size - 512, Pattern(512, 2)));
        Assert.Equal(Pattern(512, 2), Read(disk, Size - 512, 512));
    }

    [Fact]
    public void An_overlay_has_one_guest_and_what_cannot_be_made_is_told()
    {
        using (Disk disk = Open(DiskOverlay.File))
        {
            Assert.Contains($"process {Environment.ProcessId}", Refused(GuestErrorIds.DiskInUse), StringComparison.Ordinal);
        }

        using DiskFile image = DiskFile.Open(Image, write: false);
        string[] wrong = [Path.Combine(_folder.Path, "none", "overlay"), _folder.Path];
        Assert.All(wrong, path =>
        {
            Assert.Equal(
                GuestErrorIds.DiskOverlayNotOpened,
                Assert.Throws<GuestException>(() => OverlayFile.Open(path, image.Identity, false, ReadNothing)).ErrorId);
            Assert.Equal(
                GuestErrorIds.DiskOverlayNotOpened,
                Assert.Throws<GuestException>(() => OverlayFile.Check(path, image.Identity, false)).ErrorId);
        });
        OverlayFile.Check(Overlay + "2", image.Identity, isClone: true);
        Assert.False(File.Exists(Overlay + "2"));
    }

    [Fact]
    public void A_clone_needs_a_new_one()
    {
        using (Disk disk = Open(DiskOverlay.File))
        {
            Assert.True(disk.TryZero(0, Block, giveBack: false));
        }

        using DiskFile image = DiskFile.Open(Image, write: false);
        Assert.Equal(
            GuestErrorIds.DiskOverlayMismatch,
            Assert.Throws<GuestException>(() => OverlayFile.Check(Overlay, image.Identity, true)).ErrorId);
        Assert.Equal(
            GuestErrorIds.DiskOverlayMismatch,
            Assert.Throws<GuestException>(() => OverlayFile.Open(Overlay, image.Identity, true, ReadNothing)).ErrorId);
        OverlayFile.Check(Overlay, image.Identity, isClone: false);
    }

    [SkippableFact]
    public void A_full_file_system_gives_errors_and_what_was_written_before_stays()
    {
        using Mounted mount = Host.Mount(_folder, "tmpfs", "size=256k");
        using Disk disk = Open(DiskOverlay.File, Path.Combine(mount.Path, "overlay"));

        bool[] written = [.. Enumerable.Range(0, 100).Select(i => disk.TryWrite(i * Block, Pattern(Block, i)))];

        Assert.Equal((true, false), (written[0], written[^1]));
        Assert.True(disk.TryFlush());
        Assert.Equal(100 - written.Count(done => done), disk.Counts.Failures);
        byte[] image = Pattern(Size);
        for (int i = 0; i < written.Length; i++)
        {
            Assert.Equal(written[i] ? Pattern(Block, i) : image.AsSpan(i * Block, Block).ToArray(), Read(disk, i * Block, Block));
        }
    }

    [Theory]
    [InlineData(DiskOverlay.Memory)]
    [InlineData(DiskOverlay.File)]
    public void What_is_written_while_a_template_is_made_is_not_in_it(DiskOverlay kind)
    {
        using Disk disk = Open(kind);
        Assert.True(disk.TryWrite(0, Pattern(16 * Block, 2)));
        Assert.True(disk.TryZero(Size - 512, 512, giveBack: false));
        byte[] then = Read(disk, 0, Size);
        StateStream stream = new();
        disk.Transfer(stream);

        Assert.True(disk.TryWrite(512, Pattern(3 * Block, 3)));
        Assert.True(disk.TryWriteNow(8 * Block, Pattern(Block, 4)) || disk.TryWrite(8 * Block, Pattern(Block, 4)));
        Assert.True(disk.TryZero(10 * Block, Block, giveBack: true));
        Assert.True(disk.TryDiscard(12 * Block, Block));
        Assert.True(disk.TryWrite(Size - 512, Pattern(512, 5)));
        Assert.True(disk.TryWrite(40 * Block, Pattern(Block, 6)));
        byte[] now = Read(disk, 0, Size);
        byte[] state = stream.ToArray();

        Assert.Equal(now, Read(disk, 0, Size));
        foreach (DiskOverlay into in new[] { DiskOverlay.Memory, DiskOverlay.File })
        {
            using Disk other = Open(into, Overlay + into);
            Assert.True(other.TryWrite(100 * Block, Pattern(Block, 7))); // goes: the template has nothing there
            other.Transfer(new StateStream(state));
            Assert.Equal(then, Read(other, 0, Size));
            Assert.Equal(17, other.Overlay!.Blocks().Length);
        }

        // What comes after is kept no more.
        Assert.True(disk.TryWrite(0, Pattern(Block, 8)));
        StateStream given = new();
        disk.Transfer(given);
        given.Abandon();
        Assert.True(kind == DiskOverlay.File || disk.TryWriteNow(0, Pattern(Block, 9)));
    }

    /// <summary>Writes an overlay from its start on, says what is flushed, and goes on.</summary>
    internal static void WriteForEver(string image, string overlay)
    {
        using DiskFile file = DiskFile.Open(image, write: false);
        using Disk disk = new("disk", file.Identity.Size, false, file, (_, read) => OverlayFile.Open(overlay, file.Identity, false, read));
        for (int i = 0; PlaceOf(i + 1) <= Size / 2; i++)
        {
            bool isDone = disk.TryWrite(PlaceOf(i), Pattern(Odd, i)) && disk.TryFlush();
            Console.WriteLine(isDone ? $"{i}" : $"failed: {disk.Counts.LastFailure}");
        }

        Thread.Sleep(Timeout.Infinite);
    }

    // Three sectors: most blocks are written in parts.
    private const int Odd = 3 * 512;

    private static int PlaceOf(int number) => number * Odd;

    private static byte[] Read(Disk disk, long offset, int length)
    {
        byte[] bytes = new byte[length];
        Assert.True(disk.TryRead(offset, bytes), disk.Counts.LastFailure);
        return bytes;
    }

    private Disk Open(DiskOverlay kind, string? path = null)
    {
        DiskFile image = DiskFile.Open(Image, write: false);
        try
        {
            return new Disk(
                "disk",
                image.Identity.Size,
                isReadOnly: false,
                image,
                kind == DiskOverlay.Memory ? MemoryOverlay.Maker() : (_, read) =>
                    OverlayFile.Open(path ?? Overlay, image.Identity, isClone: false, read));
        }
        catch
        {
            image.Dispose();
            throw;
        }
    }

    private string Refused(string id)
    {
        GuestException error = Assert.Throws<GuestException>(() => Open(DiskOverlay.File).Dispose());
        Assert.Equal((id, Overlay), (error.ErrorId, error.Target));
        return error.Message;
    }

    private static bool ReadNothing(long offset, Span<byte> to, bool now) => true;

    private static byte[] Pattern(int length, int seed = 1)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
