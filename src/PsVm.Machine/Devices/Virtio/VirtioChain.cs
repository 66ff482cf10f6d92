using System.Diagnostics;
using PsVm.Riscv.Memory;

namespace PsVm.Machine.Devices.Virtio;

/// <summary>
/// A buffer that a driver gave: pieces of RAM that the device reads, then pieces that it writes. All of them are RAM of that kind.
/// </summary>
/// <param name="ram">The guest's RAM.</param>
/// <param name="queue">The queue that it is of.</param>
/// <param name="head">What the driver knows it by.</param>
internal sealed class VirtioChain(PhysicalMemory ram, VirtioQueue queue, ushort head)
{
    private readonly List<Piece> _readable = [];
    private readonly List<Piece> _writable = [];

    /// <summary>The queue that it is of.</summary>
    public VirtioQueue Queue => queue;

    /// <summary>What the driver knows it by.</summary>
    public ushort Head => head;

    /// <summary>Which life of the queue it is of.</summary>
    public int Life { get; } = queue.Life;

    /// <summary>Descriptors that it took to say where it is.</summary>
    public int Descriptors { get; set; }

    /// <summary>Bytes that the device reads.</summary>
    public ulong ReadableLength { get; private set; }

    /// <summary>Bytes that the device writes.</summary>
    public ulong WritableLength { get; private set; }

    /// <summary>Bytes that were read and written so far: what it has cost.</summary>
    public long Moved { get; private set; }

    /// <summary>Whether there is a piece that the device writes, be it empty.</summary>
    public bool HasWritable => _writable.Count > 0;

    /// <summary>Where the pieces are that the device writes: writable RAM.</summary>
    public IEnumerable<AddressRange> Writable => _writable.Select(piece => new AddressRange(piece.Address.Value, piece.Length));

    /// <summary>Counts work that was done for the buffer beside the moving of its bytes.</summary>
    /// <param name="bytes">The bytes that could have been moved meanwhile.</param>
    public void Charge(long bytes) => Moved += bytes;

    /// <summary>Adds the next piece, which was checked.</summary>
    public void Add(GuestAddress address, uint length, bool writable)
    {
        ulong offset = writable ? WritableLength : ReadableLength;
        (writable ? _writable : _readable).Add(new Piece(offset, address, length));
        if (writable)
        {
            WritableLength += length;
        }
        else
        {
            ReadableLength += length;
        }
    }

    /// <summary>Whether all of its RAM is there. Does not wait: what is not is asked for.</summary>
    public bool TryHave() => TryHave(_readable) & TryHave(_writable);

    /// <summary>
    /// Returns when all of its RAM is there, or cannot be had. Not to be called under the transport's gate, for which harts wait: the pages
    /// of a guest that was started lazily may take long.
    /// </summary>
    public void Bring()
    {
        if (!TryHave())
        {
            Bring(_readable);
            Bring(_writable);
        }
    }

    /// <summary>Copies out of the part that the device reads.</summary>
    /// <param name="offset">Bytes from the start of that part.</param>
    /// <param name="to">Takes the bytes.</param>
    /// <returns>How many there were.</returns>
    public int Read(ulong offset, Span<byte> to)
    {
        int done = 0;
        while (done < to.Length && TryPiece(_readable, offset + (uint)done, to.Length - done, out GuestAddress address, out int count))
        {
            bool isRead = ram.Read(address, to.Slice(done, count)).IsDone;
            Debug.Assert(isRead, "a piece is RAM, and blocks of RAM do not change");
            done += count;
        }

        Moved += done;
        return done;
    }

    /// <summary>Copies into the part that the device writes.</summary>
    /// <param name="offset">Bytes from the start of that part.</param>
    /// <param name="from">The bytes.</param>
    /// <returns>How many there was room for.</returns>
    public int Write(ulong offset, ReadOnlySpan<byte> from)
    {
        int done = 0;
        while (done < from.Length && TryPiece(_writable, offset + (uint)done, from.Length - done, out GuestAddress address, out int count))
        {
            bool isWritten = ram.Write(address, from.Slice(done, count)).IsDone;
            Debug.Assert(isWritten, "a piece is writable RAM, and blocks of RAM do not change");
            done += count;
        }

        Moved += done;
        return done;
    }

    private bool TryHave(List<Piece> part)
    {
        bool has = true;
        foreach (Piece piece in part)
        {
            has &= ram.TryHave(piece.Address, piece.Length);
        }

        return has;
    }

    private void Bring(List<Piece> part)
    {
        const uint page = 4096;
        Span<byte> one = stackalloc byte[1];
        foreach (Piece piece in part)
        {
            // A byte of each page is looked at, which waits for the page.
            for (ulong at = 0; at < piece.Length; at += at + page < piece.Length || at == piece.Length - 1 ? page : piece.Length - 1 - at)
            {
                if (piece.Address.TryAdd(at, out GuestAddress address))
                {
                    _ = ram.Read(address, one);
                }
            }
        }
    }

    /// <summary>What lies in one piece of a part, from an offset on.</summary>
    private static bool TryPiece(List<Piece> part, ulong offset, int most, out GuestAddress address, out int count)
    {
        // The last piece that begins at the offset or before it; empty ones begin where the next does.
        int low = 0, high = part.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = part[middle].Offset <= offset ? (middle + 1, high) : (low, middle);
        }

        Piece piece = low == 0 ? default : part[low - 1];
        ulong into = offset - piece.Offset;
        if (into >= piece.Length || !piece.Address.TryAdd(into, out address))
        {
            (address, count) = (default, 0);
            return false;
        }

        count = (int)Math.Min((uint)most, piece.Length - into);
        return true;
    }

    private readonly record struct Piece(ulong Offset, GuestAddress Address, uint Length);
}
