using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Memory.Copying;
using PsVm.Memory.Files;
using PsVm.Memory.Mapping;

namespace PsVm.Machine.Devices.Disks;

/// <summary>
/// What a template's guest had written over a disk: between the image and the overlay of each clone, one open file and one map of blocks
/// for all of them, in which nothing changes. Safe from any thread. Source: docs/overlay-format.md.
/// </summary>
internal sealed class DiskLayer : HeldFile, IDisposable
{
    private const int BlockSize = IDiskOverlay.BlockSize;

    private readonly DiskFile _file;
    private readonly OverlayHeader _header;
    private readonly OverlayBitmap _bitmap;

    private DiskLayer(DiskFile file, OverlayHeader header, OverlayBitmap bitmap, long bytes) =>
        (_file, _header, _bitmap, Bytes) = (file, header, bitmap, bytes);

    /// <summary>The path that it was opened by.</summary>
    public string Path => _file.Path;

    /// <summary>Bytes of the blocks that are here.</summary>
    public long Bytes { get; }

    /// <inheritdoc/>
    public override FileIdentity? Identity => _file.Now;

    /// <summary>Who may read it.</summary>
    public FilePermissions Mode => _file.Mode;

    /// <summary>Bytes of a file with what was written over a disk: whole pages, as all large files of templates have.</summary>
    public static long FileSizeOf(OverlayHeader header) => (header.FileSize + BlockSize - 1) / BlockSize * BlockSize;

    /// <summary>Bytes of the blocks that are in a file which has been written.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static long CountBytes(SafeFileHandle file)
    {
        byte[] bytes = new byte[OverlayHeader.Size];
        SparseFile.ReadExactly(file, bytes, 0);
        OverlayBitmap bitmap = new(OverlayHeader.Read(bytes));
        SparseFile.ReadExactly(file, bitmap.Bytes, OverlayHeader.Size);
        return bitmap.Count * BlockSize;
    }

    /// <summary>Reads which blocks are there.</summary>
    /// <param name="file">The file, this object's from now on, unless this fails.</param>
    /// <param name="diskSize">Bytes of the disk.</param>
    /// <param name="bytes">Bytes of the blocks that are said to be there.</param>
    /// <exception cref="InvalidDataException">It is none of such a disk.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static DiskLayer Open(DiskFile file, long diskSize, long bytes)
    {
        byte[] first = new byte[OverlayHeader.Size];
        file.Read(0, first);
        OverlayHeader header = OverlayHeader.Read(first);
        if (header.DiskSize != diskSize || header.IsCommitting || file.Identity.Size != FileSizeOf(header))
        {
            throw new InvalidDataException(
                $"that of a disk of {header.DiskSize} bytes in {file.Identity.Size} bytes, expected of {diskSize}");
        }

        OverlayBitmap bitmap = new(header);
        file.Read(OverlayHeader.Size, bitmap.Bytes);
        (long count, long last) = (bitmap.Count, bitmap.Last);
        return count * BlockSize == bytes && last < header.BlockCount
            ? new DiskLayer(file, header, bitmap, bytes)
            : throw new InvalidDataException($"{count} blocks up to number {last}, expected {bytes / BlockSize} of {header.BlockCount}");
    }

    /// <summary>As <see cref="HeldFile.Release"/>.</summary>
    public void Dispose() => Release();

    /// <summary>Whether a block is here; else it is the image's.</summary>
    public bool Has(long block) => _bitmap.Has(block);

    /// <summary>Numbers of the blocks that are here, in order.</summary>
    public IEnumerable<long> Blocks() => _bitmap.Numbers();

    /// <summary>Reads what is here, and else what the image has.</summary>
    /// <inheritdoc cref="OverlayBitmap.Read"/>
    public bool Read(long offset, Span<byte> to, bool now, DiskImageReader image) => _bitmap.Read(_file, offset, to, now, image);

    /// <summary>Lets a file have the same blocks at a range.</summary>
    /// <param name="range">The range of the disk, all of which is here.</param>
    /// <param name="target">The file.</param>
    /// <param name="offset">Where in it.</param>
    /// <returns>False: the file system cannot, and nothing has changed.</returns>
    public bool TryShare(PageRange range, SafeFileHandle target, long offset) =>
        _file.TryShare(range with { Offset = _header.DataOffset + range.Offset }, target, offset);

    /// <inheritdoc/>
    protected override void Close() => _file.Dispose();
}
