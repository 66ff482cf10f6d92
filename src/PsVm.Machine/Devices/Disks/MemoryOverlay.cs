using System.Diagnostics;
using PsVm.Machine.State;

namespace PsVm.Machine.Devices.Disks;

/// <summary>What a guest has written to a disk whose image stays as it is: blocks in memory. Safe from any thread.</summary>
/// <param name="size">Bytes of the disk.</param>
/// <param name="readImage">Reads the image, and waits for that.</param>
/// <param name="hasRoom">Whether the host has memory for more; asked now and then while the overlay grows.</param>
internal sealed class MemoryOverlay(long size, MemoryOverlay.ImageReader readImage, Func<bool> hasRoom)
{
    /// <summary>Bytes of a block: what drivers write at least, mostly.</summary>
    public const int BlockSize = 4096;

    /// <summary>The most bytes of blocks that a template holds.</summary>
    public const long MostSaved = 64 << 20;

    private const long AskEvery = 4 << 20;

    // What takes a place alone: an entry of the dictionary.
    private const long EntrySize = 64;

    // Stands for a block of zeros; never written to.
    private static readonly byte[] s_zeros = new byte[BlockSize];

    private readonly Lock _gate = new();
    private Dictionary<long, byte[]> _blocks = [];
    private long _bytes;
    private long _askAt;

    /// <summary>Reads the image.</summary>
    /// <param name="offset">Where.</param>
    /// <param name="to">Takes the bytes, all of which are inside the disk.</param>
    /// <returns>False: the reader is one that does not wait, and would have to.</returns>
    /// <exception cref="IOException">It cannot be read.</exception>
    public delegate bool ImageReader(long offset, Span<byte> to);

    /// <summary>Bytes of memory that it takes.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>Reads what the guest wrote, and else what the image has.</summary>
    /// <param name="offset">Where.</param>
    /// <param name="to">Takes the bytes.</param>
    /// <param name="reader">Reads the image.</param>
    /// <returns>False: the image cannot be read without waiting.</returns>
    /// <exception cref="IOException">The image cannot be read.</exception>
    public bool Read(long offset, Span<byte> to, ImageReader reader)
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

                if (!reader(offset, to[..count]))
                {
                    return false;
                }
            }

            to = to[count..];
            offset += count;
        }

        return true;
    }

    /// <summary>Keeps what the guest writes, where that needs nothing of the image.</summary>
    /// <returns>False: it does, and nothing was written.</returns>
    /// <exception cref="IOException">The host has no memory for it.</exception>
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

    /// <summary>Keeps what the guest writes.</summary>
    /// <exception cref="IOException">The image cannot be read, or the host has no memory for it.</exception>
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

    /// <summary>Has a range read zeros.</summary>
    /// <exception cref="IOException">The image cannot be read, or the host has no memory for it.</exception>
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

    /// <summary>Gives back the memory of blocks in a range, which read zeros then. What the image has is left alone: a discard is advice.</summary>
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

    /// <summary>Takes the blocks to a template, or from it.</summary>
    /// <exception cref="InvalidDataException">They are not such a disk's.</exception>
    public void Transfer(StateStream state)
    {
        lock (_gate)
        {
            KeyValuePair<long, byte[]>[] blocks = state.IsReading ? [] : [.. _blocks.OrderBy(block => block.Key)];
            int count = state.TransferCount(blocks.Length, sizeof(long) + 1);
            Dictionary<long, byte[]> read = [];
            long before = -1;
            for (int i = 0; i < count; i++)
            {
                (long number, byte[] content) = state.IsReading ? (0, s_zeros) : (blocks[i].Key, blocks[i].Value);
                bool isZero = content == s_zeros;
                state.Transfer(ref number);
                state.Transfer(ref isZero);
                if (number <= before || number > (size - 1) / BlockSize)
                {
                    throw new InvalidDataException($"block {number} of a disk of {size} bytes behind block {before}");
                }

                content = state.IsReading && !isZero ? new byte[BlockSize] : content;
                if (!isZero)
                {
                    state.Transfer(content.AsSpan());
                }

                before = number;
                read.Add(number, content);
            }

            if (state.IsReading)
            {
                _blocks = [];
                (_bytes, _askAt) = (0, AskEvery);
                foreach ((long number, byte[] content) in read)
                {
                    Put(number, content);
                }
            }
        }
    }

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
        _ = readImage(start, block.AsSpan(0, (int)Math.Min(BlockSize, size - start)));
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
