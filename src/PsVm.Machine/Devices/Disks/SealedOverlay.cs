using PsVm.Machine.State;

namespace PsVm.Machine.Devices.Disks;

/// <summary>
/// The blocks of an overlay as they were at one moment, written out while the guest writes on: what it is about to write over is kept first. Safe
/// from any thread.
/// </summary>
/// <param name="disk">The disk.</param>
/// <param name="overlay">The overlay; nobody writes to it while this is made.</param>
internal sealed class SealedOverlay(Disk disk, IDiskOverlay overlay) : ILaterState
{
    private const int BlockSize = IDiskOverlay.BlockSize;

    private readonly Lock _gate = new();
    private readonly long[] _blocks = overlay.Blocks();
    private readonly Dictionary<long, byte[]> _kept = [];
    private int _next; // blocks before this one are written

    /// <summary>Keeps what of a range is not written yet, before the guest writes there.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public void Keep(long offset, long length)
    {
        lock (_gate)
        {
            int place = Array.BinarySearch(_blocks, offset / BlockSize);
            long last = (offset + length - 1) / BlockSize;
            for (place = Math.Max(place < 0 ? ~place : place, _next); place < _blocks.Length && _blocks[place] <= last; place++)
            {
                if (!_kept.ContainsKey(_blocks[place]))
                {
                    _kept.Add(_blocks[place], Read(_blocks[place]));
                }
            }
        }
    }

    /// <inheritdoc/>
    public void Write(StateStream state, CancellationToken cancellation)
    {
        _ = state.TransferCount(_blocks.Length, sizeof(long) + 1);
        foreach (long block in _blocks)
        {
            cancellation.ThrowIfCancellationRequested();
            byte[]? content;
            lock (_gate)
            {
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

    // Of the disk's last block there may be a part only; the rest is zeros.
    private byte[] Read(long block)
    {
        byte[] content = new byte[BlockSize];
        overlay.Read(block * BlockSize, content.AsSpan(0, (int)Math.Min(BlockSize, disk.Size - (block * BlockSize))), now: false);
        return content;
    }
}
