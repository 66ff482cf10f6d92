using System.Diagnostics;

namespace PsVm.Machine.Devices.Disks;

/// <summary>An overlay in memory, which goes with the guest.</summary>
/// <param name="size">Bytes of the disk.</param>
/// <param name="image">Reads the image.</param>
/// <param name="hasRoom">Whether the host has memory for more; asked now and then while the overlay grows.</param>
internal sealed class MemoryOverlay(long size, DiskImageReader image, Func<bool> hasRoom) : IDiskOverlay
{
    private const int BlockSize = IDiskOverlay.BlockSize;

    private const long AskEvery = 4 << 20;

    // What takes a place alone: an entry of the dictionary.
    private const long EntrySize = 64;

    // Stands for a block of zeros; never written to.
    private static readonly byte[] s_zeros = new byte[BlockSize];

    private readonly Lock _gate = new();
    private Dictionary<long, byte[]> _blocks = [];
    private long _bytes;
    private long _askAt;

    /// <summary>Makes them.</summary>
    /// <param name="hasRoom">Whether the host has memory for more; null: it has.</param>
    public static DiskOverlayMaker Maker(Func<bool>? hasRoom = null) =>
        (size, image) => new MemoryOverlay(size, image, hasRoom ?? (static () => true));

    /// <inheritdoc/>
    public long Bytes => Volatile.Read(ref _bytes);

    /// <inheritdoc/>
    public long OwnBytes => Bytes;

    /// <inheritdoc/>
    public bool Read(long offset, Span<byte> to, bool now)
    {
        while (!to.IsEmpty)
        {
            // All that the image has in one piece is read in one.
            int count = Math.Min(to.Length, InBlock(offset));
            if (!TryCopy(offset, to[..count]))
            {
                while (count < to.Length && !Has(offset + count))
                {
                    count = Math.Min(to.Length, count + BlockSize);
                }

                if (!image(offset, to[..count], now))
                {
                    return false;
                }
            }

            to = to[count..];
            offset += count;
        }

        return true;
    }

    /// <inheritdoc/>
    public bool TryWriteNow(long offset, ReadOnlySpan<byte> from)
    {
        lock (_gate)
        {
            long end = offset + from.Length;
            bool isWhole = IsEdge(offset) && IsEdge(end);
            if (isWhole)
            {
                Write(offset, from);
            }

            return isWhole;
        }

        // Where a block begins, the disk ends, or the block is the overlay's already.
        bool IsEdge(long edge) => edge % BlockSize == 0 || edge == size || _blocks.ContainsKey(edge / BlockSize);
    }

    /// <inheritdoc/>
    public void Write(long offset, ReadOnlySpan<byte> from)
    {
        while (!from.IsEmpty)
        {
            int count = Math.Min(from.Length, InBlock(offset));

            // The image is read before the gate is taken: harts come to that, too, and they do not wait for disks.
            bool isWhole = offset % BlockSize == 0 && (count == BlockSize || offset + count == size);
            byte[]? content = isWhole || Has(offset) ? null : ReadBlock(offset / BlockSize);
            lock (_gate)
            {
                // Whoever writes another sector of the block waits: neither is to lose what the other wrote.
                byte[] block = Own(offset / BlockSize, content);
                from[..count].CopyTo(block.AsSpan((int)(offset % BlockSize)));
            }

            from = from[count..];
            offset += count;
        }
    }

    /// <inheritdoc/>
    public void Zero(long offset, long length)
    {
        while (length > 0)
        {
            int count = (int)Math.Min(length, InBlock(offset));
            if (count == BlockSize)
            {
                lock (_gate)
                {
                    Put(offset / BlockSize, s_zeros);
                }
            }
            else
            {
                Write(offset, s_zeros.AsSpan(0, count));
            }

            (offset, length) = (offset + count, length - count);
        }
    }

    /// <inheritdoc/>
    public void Discard(long offset, long length)
    {
        lock (_gate)
        {
            for (long block = (offset + BlockSize - 1) / BlockSize; block < (offset + length) / BlockSize; block++)
            {
                if (_blocks.ContainsKey(block))
                {
                    Put(block, s_zeros);
                }
            }
        }
    }

    /// <inheritdoc/>
    public void Flush()
    {
        // It is where it stays.
    }

    /// <inheritdoc/>
    public long[] Blocks()
    {
        lock (_gate)
        {
            return [.. _blocks.Keys.Order()];
        }
    }

    /// <inheritdoc/>
    public void Clear()
    {
        lock (_gate)
        {
            _blocks = [];
            _askAt = AskEvery;
            Volatile.Write(ref _bytes, 0);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Clear();

    private static int InBlock(long offset) => BlockSize - (int)(offset % BlockSize);

    private bool Has(long offset)
    {
        lock (_gate)
        {
            return _blocks.ContainsKey(offset / BlockSize);
        }
    }

    private bool TryCopy(long offset, Span<byte> to)
    {
        lock (_gate)
        {
            if (!_blocks.TryGetValue(offset / BlockSize, out byte[]? block))
            {
                return false;
            }

            block.AsSpan((int)(offset % BlockSize), to.Length).CopyTo(to);
            return true;
        }
    }

    private byte[] ReadBlock(long number)
    {
        byte[] block = new byte[BlockSize];
        long start = number * BlockSize;
        _ = image(start, block.AsSpan(0, (int)Math.Min(BlockSize, size - start)), now: false);
        return block;
    }

    /// <summary>A block that can be written. Under the gate.</summary>
    /// <param name="number">Its number.</param>
    /// <param name="content">What is in it where the guest has not written it; null: all of it is about to be written.</param>
    private byte[] Own(long number, byte[]? content)
    {
        if (_blocks.TryGetValue(number, out byte[]? block) && block != s_zeros)
        {
            return block;
        }

        byte[] own = block is null && content is not null ? content : new byte[BlockSize];
        Put(number, own);
        return own;
    }

    /// <summary>Puts a block into its place. Under the gate.</summary>
    private void Put(long number, byte[] block)
    {
        long more = Cost(block);
        if (_blocks.TryGetValue(number, out byte[]? old))
        {
            more -= Cost(old);
        }

        if (more > 0 && _bytes + more > _askAt)
        {
            if (!hasRoom())
            {
                throw new IOException($"the host has no memory for more than {ByteSize.ToText(_bytes)} of the overlay");
            }

            _askAt = _bytes + AskEvery;
        }

        _blocks[number] = block;
        Volatile.Write(ref _bytes, _bytes + more);
        Debug.Assert(_bytes >= 0, "no block is given back twice");
    }

    private static long Cost(byte[] block) => block == s_zeros ? EntrySize : BlockSize + EntrySize;
}
