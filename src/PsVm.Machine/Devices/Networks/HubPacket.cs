using System.Buffers;
using System.Diagnostics;

namespace PsVm.Machine.Devices.Networks;

/// <summary>A packet that waits for adapters, one copy for all of them. Whoever made it holds it once.</summary>
internal sealed class HubPacket
{
    private readonly byte[] _buffer;
    private readonly int _length;
    private int _holders = 1;

    /// <param name="packet">The packet, which is copied.</param>
    public HubPacket(ReadOnlySpan<byte> packet)
    {
        _buffer = ArrayPool<byte>.Shared.Rent(packet.Length);
        _length = packet.Length;
        packet.CopyTo(_buffer);
    }

    /// <summary>Header and frame; for those who hold it.</summary>
    public ReadOnlySpan<byte> Bytes => _buffer.AsSpan(0, _length);

    /// <summary>Another holds it, too.</summary>
    public void Hold() => Interlocked.Increment(ref _holders);

    /// <summary>One of them lets go.</summary>
    public void Release()
    {
        int left = Interlocked.Decrement(ref _holders);
        Debug.Assert(left >= 0, "who does not hold it does not let go");
        if (left == 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
        }
    }
}
