using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace PsVm.Machine.Devices.Networks;

/// <summary>
/// The segments of TCP that a packet is to be cut into, as packets of their own with finished checksums. Of a packet that is not to be cut
/// there is one, with its checksum finished.
/// </summary>
/// <remarks>A guest that lies about its packet gets wrong segments, never more of them than <see cref="Most"/>.</remarks>
internal ref struct FrameSegments
{
    /// <summary>The most segments of a packet.</summary>
    public const int Most = INetworkBackend.MostPacket / LeastSize;

    /// <summary>EtherType of a frame with a packet of IPv4.</summary>
    public const ushort Ipv4 = 0x0800;

    private const int LeastSize = 32; // Linux's TCP has no smaller ones, whatever the other end says
    private const int EthernetSize = 14, VlanTagSize = 4, Ipv4Size = 20, Ipv6Size = 40, TcpSize = 20, TcpChecksum = 16;
    private const ushort VlanTag = 0x8100, Ipv6 = 0x86dd;
    private const byte Tcp = 6, Fin = 1, Push = 8, Reduced = 0x80; // Reduced: TCP's CWR

    private readonly ReadOnlySpan<byte> _frame;
    private readonly PacketHeader _header;
    private readonly int _network; // where IP's header is
    private readonly int _payload; // where TCP's payload is
    private readonly bool _isIpv4;
    private int _done; // of the payload
    private bool _isEnded;

    private FrameSegments(PacketHeader header, ReadOnlySpan<byte> frame, int network, int payload, bool isIpv4)
    {
        (_header, _network, _payload, _isIpv4) = (header, network, payload, isIpv4);
        _frame = frame;
    }

    /// <summary>Begins to cut a packet.</summary>
    /// <param name="packet">Header and frame.</param>
    /// <param name="segments">Gets its segments.</param>
    /// <returns>False: the packet makes no sense, or is cut in a way that nobody was offered.</returns>
    public static bool TryBegin(ReadOnlySpan<byte> packet, out FrameSegments segments)
    {
        segments = default;
        if (packet.Length is <= INetworkBackend.HeaderSize or > INetworkBackend.MostPacket)
        {
            return false;
        }

        PacketHeader header = PacketHeader.Read(packet);
        ReadOnlySpan<byte> frame = packet[INetworkBackend.HeaderSize..];
        if (!header.HasSegments)
        {
            segments = new FrameSegments(header, frame, 0, frame.Length, isIpv4: false);
            return true;
        }

        int kind = header.Kind & ~PacketHeader.Ecn;
        if (kind is not (PacketHeader.Tcp4 or PacketHeader.Tcp6) || !header.HasUnfinishedChecksum || header.ChecksumOffset != TcpChecksum
            || header.SegmentSize < LeastSize || header.ChecksumStart + TcpSize > frame.Length)
        {
            return false;
        }

        bool isIpv4 = kind == PacketHeader.Tcp4;
        int payload = header.ChecksumStart + ((frame[header.ChecksumStart + 12] >> 4) * sizeof(uint));
        if (!TryFindIp(frame, isIpv4, header.ChecksumStart, out int network) || payload < header.ChecksumStart + TcpSize
            || payload > frame.Length)
        {
            return false;
        }

        segments = new FrameSegments(header, frame, network, payload, isIpv4);
        return true;
    }

    /// <summary>Makes the next segment.</summary>
    /// <param name="packet">Takes header and frame; room for <see cref="INetworkBackend.MostPacket"/>.</param>
    /// <param name="length">Gets the bytes of it.</param>
    /// <returns>False: there is no more.</returns>
    public bool TryNext(Span<byte> packet, out int length)
    {
        length = 0;
        if (_isEnded)
        {
            return false;
        }

        if (!_header.HasSegments)
        {
            _isEnded = true;
            _header.Write(packet);
            _frame.CopyTo(packet[INetworkBackend.HeaderSize..]);
            length = INetworkBackend.HeaderSize + _frame.Length;
            length = FrameOffloads.TryFinishChecksum(packet[..length]) ? length : 0;
            return length > 0;
        }

        int count = Math.Min(_header.SegmentSize, _frame.Length - _payload - _done);
        length = INetworkBackend.HeaderSize + _payload + count;
        default(PacketHeader).Write(packet);
        Span<byte> frame = packet[INetworkBackend.HeaderSize..length];
        _frame[.._payload].CopyTo(frame);
        _frame.Slice(_payload + _done, count).CopyTo(frame[_payload..]);
        bool isFirst = _done == 0;
        int place = _done / _header.SegmentSize;
        Debug.Assert(place < Most, "sizes of segments have a least one");
        (int offset, _done) = (_done, _done + count);
        _isEnded = _payload + _done >= _frame.Length;
        WriteIp(frame[_network..], place);
        WriteTcp(frame[_header.ChecksumStart..], offset, isFirst, _isEnded);
        return true;
    }

    private static bool TryFindIp(ReadOnlySpan<byte> frame, bool isIpv4, int transport, out int network)
    {
        network = EthernetSize;
        if (transport < EthernetSize + Ipv4Size)
        {
            return false;
        }

        ushort type = BinaryPrimitives.ReadUInt16BigEndian(frame[(EthernetSize - 2)..]);
        if (type == VlanTag)
        {
            type = BinaryPrimitives.ReadUInt16BigEndian(frame[(EthernetSize + VlanTagSize - 2)..]);
            network += VlanTagSize;
        }

        int size = transport - network;
        return isIpv4
            ? type == Ipv4 && size >= Ipv4Size && frame[network] >> 4 == 4 && (frame[network] & 15) * sizeof(uint) == size
                && frame[network + 9] == Tcp
            : type == Ipv6 && size >= Ipv6Size && frame[network] >> 4 == 6; // with whatever headers there are before TCP's
    }

    private readonly void WriteIp(Span<byte> ip, int place)
    {
        if (!_isIpv4)
        {
            BinaryPrimitives.WriteUInt16BigEndian(ip[4..], (ushort)(ip.Length - Ipv6Size));
            return;
        }

        BinaryPrimitives.WriteUInt16BigEndian(ip[2..], (ushort)ip.Length);
        ushort id = BinaryPrimitives.ReadUInt16BigEndian(ip[4..]);
        BinaryPrimitives.WriteUInt16BigEndian(ip[4..], (ushort)(id + place));
        ip[10..12].Clear();
        MemoryMarshal.Write(ip[10..], InternetChecksum.Finish(InternetChecksum.Add(ip[..(_header.ChecksumStart - _network)])));
    }

    private readonly void WriteTcp(Span<byte> tcp, int offset, bool isFirst, bool isLast)
    {
        uint sequence = BinaryPrimitives.ReadUInt32BigEndian(tcp[4..]);
        BinaryPrimitives.WriteUInt32BigEndian(tcp[4..], sequence + (uint)offset);
        tcp[13] &= (byte)~((isFirst ? 0 : Reduced) | (isLast ? 0 : Fin | Push));

        // The checksum is that of the pseudo-header, in which the length is that of all segments.
        int whole = _frame.Length - _header.ChecksumStart;
        ulong sum = InternetChecksum.AddNumber(InternetChecksum.Add(tcp), (ushort)tcp.Length);
        MemoryMarshal.Write(tcp[TcpChecksum..], InternetChecksum.Finish(InternetChecksum.AddNumber(sum, (ushort)~whole)));
    }
}
