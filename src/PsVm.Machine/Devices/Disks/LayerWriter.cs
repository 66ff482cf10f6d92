using Microsoft.Win32.SafeHandles;
using PsVm.Memory.Copying;
using PsVm.Memory.Mapping;

namespace PsVm.Machine.Devices.Disks;

/// <summary>
/// Writes what was written over a disk into a file of a template, sparse, or shared with the file that has it. Not thread-safe.
/// </summary>
/// <param name="file">A new, empty file.</param>
/// <param name="header">What it is to begin with.</param>
internal sealed class LayerWriter(SafeFileHandle file, OverlayHeader header)
{
    private const int BlockSize = IDiskOverlay.BlockSize;

    private readonly OverlayBitmap _bitmap = new(header);
    private bool _cannotShare;

    /// <summary>Blocks that are there.</summary>
    public long Count { get; private set; }

    /// <summary>Whether a block is there.</summary>
    public bool Has(long block) => _bitmap.Has(block);

    /// <summary>Takes blocks whose bytes are given; of the disk's last block there may be a part only.</summary>
    /// <param name="block">Number of the first, none of which is there.</param>
    /// <param name="bytes">Their bytes.</param>
    /// <exception cref="IOException">They cannot be written.</exception>
    public void Put(long block, ReadOnlySpan<byte> bytes)
    {
        SparseFile.WriteNonZero(file, bytes, header.DataOffset + (block * BlockSize), punch: false);
        Add(block, (bytes.Length + BlockSize - 1) / BlockSize);
    }

    /// <summary>Takes blocks that another file has, by sharing them.</summary>
    /// <param name="block">Number of the first, none of which is there.</param>
    /// <param name="count">How many.</param>
    /// <param name="share">Shares a range of the disk with a place in the file.</param>
    /// <returns>False: that cannot be, and never could.</returns>
    public bool TryShare(long block, int count, Func<PageRange, SafeFileHandle, long, bool> share)
    {
        PageRange range = new(block * BlockSize, (long)count * BlockSize);
        if (_cannotShare || !share(range, file, header.DataOffset + range.Offset))
        {
            _cannotShare = true;
            return false;
        }

        Add(block, count);
        return true;
    }

    /// <summary>Writes what says which blocks are there, and gives the file its length.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void Finish()
    {
        RandomAccess.SetLength(file, DiskLayer.FileSizeOf(header));
        RandomAccess.Write(file, header.ToBytes(), 0);
        SparseFile.WriteNonZero(file, _bitmap.Bytes, OverlayHeader.Size, punch: false);
    }

    private void Add(long block, int count)
    {
        for (long end = block + count; block < end; block++)
        {
            _bitmap.Add(block);
            Count++;
        }
    }
}
