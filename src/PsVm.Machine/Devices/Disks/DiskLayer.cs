using System.Numerics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Memory.Copying;
using PsVm.Memory.Files;
using PsVm.Memory.Mapping;

namespace PsVm.Machine.Devices.Disks;

/// <summary>
/// What a template's guest had written over a disk: between the image and the overlay of each clone, one open file and one map of blocks for all of
/// them, in which nothing changes. Safe from any thread. Source: docs/overlay-format.md.
/// </summary>
/// <remarks>Whoever opens or holds it disposes of it; the last one closes it.</remarks>
internal sealed class DiskLayer : IDisposable
{
    private const int BlockSize = IDiskOverlay.BlockSize, PageWords = OverlayHeader.Size / sizeof(ulong);

    private readonly Lock _gate = new();
    private readonly DiskFile _file;
    private readonly OverlayHeader _header;
    private readonly ulong[] _bits;
    private int _holders = 1;

    private DiskLayer(DiskFile file, OverlayHeader header, ulong[] bits) => (_file, _header, _bits) = (file, header, bits);

    /// <summary>The path that it was opened by.</summary>
    public string Path => _file.Path;

    /// <summary>Which file it is now; null: it cannot be looked at.</summary>
    public FileIdentity? Identity => _file.Now;

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
        long count = 0;
        for (int page = OverlayHeader.Read(bytes).BitmapPages; page > 0; page--)
        {
            SparseFile.ReadExactly(file, bytes, (long)page * OverlayHeader.Size);
            count += MemoryMarshal.Cast<byte, ulong>(bytes).ToArray().Sum(word => (long)BitOperations.PopCount(word));
        }

        return count * BlockSize;
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
            throw new InvalidDataException($"that of a disk of {header.DiskSize} bytes in {file.Identity.Size} bytes, expected of {diskSize}");
        }

        ulong[] bits = new ulong[header.BitmapPages * PageWords];
        file.Read(OverlayHeader.Size, MemoryMarshal.AsBytes(bits.AsSpan()));
        long count = bits.Sum(word => (long)BitOperations.PopCount(word)), last = -1;
        for (int word = bits.Length - 1; word >= 0 && last < 0; word--)
        {
            last = bits[word] == 0 ? -1 : (word * 64L) + 63 - BitOperations.LeadingZeroCount(bits[word]);
        }

        return count * BlockSize == bytes && last < header.BlockCount
            ? new DiskLayer(file, header, bits)
            : throw new InvalidDataException($"{count} blocks up to number {last}, expected {bytes / BlockSize} of {header.BlockCount}");
    }

    /// <summary>Holds it too, unless it is closed.</summary>
    public bool TryHold()
    {
        lock (_gate)
        {
            _holders += _holders > 0 ? 1 : 0;
            return _holders > 0;
        }
    }

    /// <summary>Holds it no more.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (--_holders == 0)
            {
                _file.Dispose();
            }
        }
    }

    /// <summary>Whether a block is here; else it is the image's.</summary>
    public bool Has(long block) => (_bits[block / 64] >> (int)(block % 64) & 1) != 0;

    /// <summary>Numbers of the blocks that are here, in order.</summary>
    public IEnumerable<long> Blocks()
    {
        for (int word = 0; word < _bits.Length; word++)
        {
            for (ulong bits = _bits[word]; bits != 0; bits &= bits - 1)
            {
                yield return (word * 64L) + BitOperations.TrailingZeroCount(bits);
            }
        }
    }

    /// <summary>Reads what is here, and else what the image has; all of it is inside the disk.</summary>
    /// <param name="offset">Where.</param>
    /// <param name="to">Takes the bytes.</param>
    /// <param name="now">Only what takes no wait.</param>
    /// <param name="image">Reads the image.</param>
    /// <returns>False: it would take one.</returns>
    /// <exception cref="IOException">It cannot be read.</exception>
    public bool Read(long offset, Span<byte> to, bool now, DiskImageReader image)
    {
        while (!to.IsEmpty)
        {
            bool isHere = Has(offset / BlockSize);
            int count = Math.Min(to.Length, BlockSize - (int)(offset % BlockSize));
            while (count < to.Length && Has((offset + count) / BlockSize) == isHere)
            {
                count = Math.Min(to.Length, count + BlockSize);
            }

            Span<byte> piece = to[..count];
            if (!isHere ? !image(offset, piece, now) : now && !_file.TryReadNow(_header.DataOffset + offset, piece))
            {
                return false;
            }

            if (isHere && !now)
            {
                _file.Read(_header.DataOffset + offset, piece);
            }

            to = to[count..];
            offset += count;
        }

        return true;
    }

    /// <summary>Lets a file have the same blocks at a range.</summary>
    /// <param name="range">The range of the disk, all of which is here.</param>
    /// <param name="target">The file.</param>
    /// <param name="offset">Where in it.</param>
    /// <returns>False: the file system cannot, and nothing has changed.</returns>
    public bool TryShare(PageRange range, SafeFileHandle target, long offset) =>
        _file.TryShare(range with { Offset = _header.DataOffset + range.Offset }, target, offset);
}
