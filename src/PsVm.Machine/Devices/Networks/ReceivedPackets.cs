using System.Buffers;

namespace PsVm.Machine.Devices.Networks;

/// <summary>
/// The packet that a back end gave, as the driver can take it: whole, with its checksum finished, or as the segments that it is to be cut
/// into. Not safe from several threads.
/// </summary>
internal sealed class ReceivedPackets : IDisposable
{
    private readonly Queue<(int Start, int Length)> _packets = [];
    private byte[]? _buffer;

    /// <summary>The packet that comes next; empty: there is none.</summary>
    public Span<byte> Current => _packets.TryPeek(out (int Start, int Length) packet) ? _buffer.AsSpan(packet.Start, packet.Length) : [];

    /// <summary>Sees to it that there is one, if the back end has one. One that makes no sense is passed over.</summary>
    /// <param name="backend">The back end.</param>
    /// <param name="offloads">What the driver takes.</param>
    /// <param name="dropped">Called for each that makes no sense.</param>
    /// <returns>There is one.</returns>
    public bool TryHave(INetworkBackend backend, ReceiveOffloads offloads, Action dropped)
    {
        const int most = 64; // of those without sense at a time
        for (int i = 0; i < most && _packets.Count == 0; i++)
        {
            byte[] taken = ArrayPool<byte>.Shared.Rent(INetworkBackend.MostPacket);
            int length = backend.TryReceive(taken.AsSpan(0, INetworkBackend.MostPacket));
            if (length == 0)
            {
                ArrayPool<byte>.Shared.Return(taken);
                return false;
            }

            if (!TryPrepare(taken, length, offloads))
            {
                dropped();
            }
        }

        return _packets.Count > 0;
    }

    /// <summary>The next packet is done with.</summary>
    public void Next()
    {
        if (_packets.TryDequeue(out _) && _packets.Count == 0)
        {
            Dispose();
        }
    }

    /// <summary>There is none any more.</summary>
    public void Dispose()
    {
        _packets.Clear();
        if (_buffer is { } buffer)
        {
            _buffer = null;
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private bool TryPrepare(byte[] taken, int length, ReceiveOffloads offloads)
    {
        Span<byte> packet = taken.AsSpan(0, length);
        if (length <= INetworkBackend.HeaderSize)
        {
            ArrayPool<byte>.Shared.Return(taken);
            return false;
        }

        PacketHeader header = PacketHeader.Read(packet);
        if (header.HasSegments && !offloads.Takes(header))
        {
            bool isCut = TryCut(packet);
            ArrayPool<byte>.Shared.Return(taken);
            return isCut;
        }

        if (!offloads.Checksum)
        {
            if (!FrameOffloads.TryFinishChecksum(packet))
            {
                ArrayPool<byte>.Shared.Return(taken);
                return false;
            }

            (PacketHeader.Read(packet) with { Flags = 0 }).Write(packet);
        }

        _buffer = taken;
        _packets.Enqueue((0, length));
        return true;
    }

    /// <summary>Cuts a packet into segments, all at once: what they come to is bounded by the headers of so many.</summary>
    private bool TryCut(ReadOnlySpan<byte> packet)
    {
        if (!FrameSegments.TryBegin(packet, out FrameSegments segments))
        {
            return false;
        }

        byte[] one = ArrayPool<byte>.Shared.Rent(INetworkBackend.MostPacket);
        byte[] all = ArrayPool<byte>.Shared.Rent(2 * INetworkBackend.MostPacket);
        int used = 0;
        while (segments.TryNext(one, out int length))
        {
            if (all.Length - used < length)
            {
                byte[] larger = ArrayPool<byte>.Shared.Rent(2 * all.Length);
                all.AsSpan(0, used).CopyTo(larger);
                ArrayPool<byte>.Shared.Return(all);
                all = larger;
            }

            one.AsSpan(0, length).CopyTo(all.AsSpan(used));
            _packets.Enqueue((used, length));
            used += length;
        }

        ArrayPool<byte>.Shared.Return(one);
        _buffer = all;
        if (_packets.Count == 0)
        {
            Dispose();
        }

        return _packets.Count > 0;
    }
}

/// <summary>What a driver takes of what senders leave to others.</summary>
/// <param name="Checksum">Unfinished checksums.</param>
/// <param name="Tcp4">Segments of TCP over IPv4.</param>
/// <param name="Tcp6">Segments of TCP over IPv6.</param>
/// <param name="Ecn">Such ones that tell of congestion.</param>
internal readonly record struct ReceiveOffloads(bool Checksum, bool Tcp4, bool Tcp6, bool Ecn)
{
    /// <summary>Whether it takes a packet that is to be cut as it is.</summary>
    public bool Takes(in PacketHeader header) =>
        Checksum && ((header.Kind & PacketHeader.Ecn) == 0 || Ecn) && (header.Kind & ~PacketHeader.Ecn) switch
    {
        PacketHeader.Tcp4 => Tcp4,
        PacketHeader.Tcp6 => Tcp6,
        _ => false,
    };
}
