using System.Numerics;
using System.Runtime.InteropServices;
using PsVm.Memory.Files;

namespace PsVm.Machine.Devices.Disks;

/// <summary>
/// Which blocks of a disk the file of an overlay has, as its bitmap says it: all others are the image's. One thread at a time adds blocks,
/// any asks for them. Source: docs/overlay-format.md.
/// </summary>
/// <param name="header">What the file begins with.</param>
internal sealed class OverlayBitmap(OverlayHeader header)
{
    private const int BlockSize = IDiskOverlay.BlockSize, WordBits = 64, PageWords = OverlayHeader.Size / sizeof(ulong);

    private readonly ulong[] _bits = new ulong[header.BitmapPages * PageWords];

    /// <summary>Bits that there are: as many as blocks, and the rest of the last page.</summary>
    public long Length => (long)_bits.Length * WordBits;

    /// <summary>The bitmap, as the file has it behind its header.</summary>
    public Span<byte> Bytes => MemoryMarshal.AsBytes(_bits.AsSpan());

    /// <summary>Number of the blocks.</summary>
    public long Count => _bits.Sum(word => (long)BitOperations.PopCount(word));

    /// <summary>Number of the last block; -1: there are none.</summary>
    public long Last
    {
        get
        {
            int word = Array.FindLastIndex(_bits, bits => bits != 0);
            return word < 0 ? -1 : (word * (long)WordBits) + WordBits - 1 - BitOperations.LeadingZeroCount(_bits[word]);
        }
    }

    /// <summary>One page of the bitmap.</summary>
    public Span<byte> PageOf(int page) => MemoryMarshal.AsBytes(_bits.AsSpan(page * PageWords, PageWords));

    /// <summary>Whether a block is there.</summary>
    public bool Has(long block) => (Volatile.Read(ref _bits[block / WordBits]) >> (int)(block % WordBits) & 1) != 0;

    /// <summary>Adds a block.</summary>
    public void Add(long block) => Interlocked.Or(ref _bits[block / WordBits], 1ul << (int)(block % WordBits));

    /// <summary>Takes all away.</summary>
    public void Clear() => _bits.AsSpan().Clear();

    /// <summary>Numbers of the blocks, in order.</summary>
    public IEnumerable<long> Numbers()
    {
        for (int word = 0; word < _bits.Length; word++)
        {
            for (ulong bits = Volatile.Read(ref _bits[word]); bits != 0; bits &= bits - 1)
            {
                yield return (word * (long)WordBits) + BitOperations.TrailingZeroCount(bits);
            }
        }
    }

    /// <summary>What lies together from a place on: in the file, or in the image.</summary>
    /// <param name="offset">The place, in the disk.</param>
    /// <param name="most">The most bytes of it.</param>
    public (bool IsHere, int Count) Piece(long offset, int most)
    {
        bool isHere = Has(offset / BlockSize);
        int count = Math.Min(most, BlockSize - (int)(offset % BlockSize));
        while (count < most && Has((offset + count) / BlockSize) == isHere)
        {
            count = Math.Min(most, count + BlockSize);
        }

        return (isHere, count);
    }

    /// <summary>Reads what the file has, and else what the image has; all of it is inside the disk.</summary>
    /// <param name="file">The file.</param>
    /// <param name="offset">Where, in the disk.</param>
    /// <param name="to">Takes the bytes.</param>
    /// <param name="now">Only what takes no wait.</param>
    /// <param name="image">Reads the image.</param>
    /// <returns>False: it would take one.</returns>
    /// <exception cref="IOException">It cannot be read.</exception>
    public bool Read(DiskFile file, long offset, Span<byte> to, bool now, DiskImageReader image)
    {
        while (!to.IsEmpty)
        {
            (bool isHere, int count) = Piece(offset, to.Length);
            Span<byte> piece = to[..count];
            if (!isHere ? !image(offset, piece, now) : now && !file.TryReadNow(header.DataOffset + offset, piece))
            {
                return false;
            }

            if (isHere && !now)
            {
                file.Read(header.DataOffset + offset, piece);
            }

            to = to[count..];
            offset += count;
        }

        return true;
    }
}
