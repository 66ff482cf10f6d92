using PsVm.Machine.State;

namespace PsVm.Machine.Devices.Disks;

/// <summary>
/// The blocks of an overlay as they were at one moment, written out while the guest writes on: what it is about to write over is kept
/// first, or written where it belongs, when there is a file for them. Safe from any thread.
/// </summary>
/// <param name="disk">The disk.</param>
/// <param name="overlay">The overlay; nobody writes to it while this is made.</param>
/// <param name="layer">What lies between it and the image; null: nothing.</param>
/// <param name="file">The file that takes the blocks of both; null: the state does.</param>
internal sealed class SealedOverlay(Disk disk, IDiskOverlay overlay, DiskLayer? layer, LayerWriter? file) : ILaterState
{
    private const int BlockSize = IDiskOverlay.BlockSize;
    private const int MostInRun = 64; // blocks: who writes waits for no more

    private readonly Lock _gate = new();
    private readonly long[] _blocks = overlay.Blocks();
    private readonly Dictionary<long, byte[]> _kept = [];
    private int _next; // blocks before this one are written
    private IOException? _failure;

    /// <summary>Whether the guest has written so much that a file is to take it, or has from a template what only a file has.</summary>
    public static bool NeedsFile(IDiskOverlay overlay, DiskLayer? layer, long most) => layer is not null || overlay.Bytes > most;

    /// <summary>Keeps what of a range is not written yet, before the guest writes there.</summary>
    /// <remarks>What fails is the template's, which is given up, not the guest's.</remarks>
    public void Keep(long offset, long length)
    {
        lock (_gate)
        {
            int place = Array.BinarySearch(_blocks, offset / BlockSize);
            long last = (offset + length - 1) / BlockSize;
            for (place = Math.Max(place < 0 ? ~place : place, _next);
                place < _blocks.Length && _blocks[place] <= last && _failure is null;
                place++)
            {
                Keep(_blocks[place]);
            }
        }
    }

    /// <inheritdoc/>
    public void Write(StateStream state, CancellationToken cancellation)
    {
        if (file is not null)
        {
            _ = state.TransferCount(0, sizeof(long) + 1);
            WriteFile(file, cancellation);
            return;
        }

        _ = state.TransferCount(_blocks.Length, sizeof(long) + 1);
        foreach (long block in _blocks)
        {
            cancellation.ThrowIfCancellationRequested();
            byte[]? content;
            lock (_gate)
            {
                ThrowIfFailed();
                content = _kept.Remove(block, out byte[]? kept) ? kept : Read(block);
                _next++;
            }

            (long number, bool isZero) = (block, !content.AsSpan().ContainsAnyExcept((byte)0));
            state.Transfer(ref number);
            state.Transfer(ref isZero);
            if (!isZero)
            {
                state.Transfer(content.AsSpan());
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => disk.Unseal(this);

    private void Keep(long block)
    {
        try
        {
            if (file is null)
            {
                _ = _kept.ContainsKey(block) || _kept.TryAdd(block, Read(block));
            }
            else if (!file.Has(block))
            {
                file.Put(block, Read(block));
            }
        }
        catch (IOException failure)
        {
            _failure = failure;
        }
    }

    private void WriteFile(LayerWriter target, CancellationToken cancellation)
    {
        byte[] buffer = new byte[MostInRun * BlockSize];

        // What lies below, where nothing of the overlay hides it, changes no more.
        HashSet<long> hidden = layer is null ? [] : [.. _blocks];
        foreach ((long block, int count) in RunsOf((layer?.Blocks() ?? []).Where(block => !hidden.Contains(block))))
        {
            cancellation.ThrowIfCancellationRequested();
            lock (_gate)
            {
                ThrowIfFailed();
                if (!target.TryShare(block, count, layer!.TryShare))
                {
                    Span<byte> bytes = BytesOf(buffer, block, count);
                    layer.Read(block * BlockSize, bytes, now: false, disk.ReadImage);
                    target.Put(block, bytes);
                }
            }
        }

        foreach ((long block, int count) in RunsOf(_blocks))
        {
            cancellation.ThrowIfCancellationRequested();
            lock (_gate)
            {
                ThrowIfFailed();
                Write(target, block, count, buffer);
                _next += count;
            }
        }

        target.Finish();
    }

    // Some of a run may have been kept.
    private void Write(LayerWriter target, long block, int count, byte[] buffer)
    {
        for (long end = block + count; block < end;)
        {
            int free = 0;
            while (block + free < end && !target.Has(block + free))
            {
                free++;
            }

            if (free > 0 && !target.TryShare(block, free, overlay.TryShare))
            {
                Span<byte> bytes = BytesOf(buffer, block, free);
                overlay.Read(block * BlockSize, bytes, now: false);
                target.Put(block, bytes);
            }

            block += Math.Max(free, 1);
        }
    }

    private void ThrowIfFailed()
    {
        if (_failure is not null)
        {
            throw new IOException(_failure.Message, _failure.HResult);
        }
    }

    private static IEnumerable<(long Block, int Count)> RunsOf(IEnumerable<long> blocks)
    {
        (long first, int count) = (0, 0);
        foreach (long block in blocks)
        {
            if (count > 0 && (block != first + count || count == MostInRun))
            {
                yield return (first, count);
                count = 0;
            }

            (first, count) = (count == 0 ? block : first, count + 1);
        }

        if (count > 0)
        {
            yield return (first, count);
        }
    }

    // Of the disk's last block there may be a part only.
    private Span<byte> BytesOf(byte[] buffer, long block, int count) =>
        buffer.AsSpan(0, (int)Math.Min((long)count * BlockSize, disk.Size - (block * BlockSize)));

    // The rest of the disk's last block is zeros.
    private byte[] Read(long block)
    {
        byte[] content = new byte[BlockSize];
        overlay.Read(block * BlockSize, content.AsSpan(0, (int)Math.Min(BlockSize, disk.Size - (block * BlockSize))), now: false);
        return content;
    }
}
