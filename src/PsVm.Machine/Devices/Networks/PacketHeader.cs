using System.Buffers.Binary;

namespace PsVm.Machine.Devices.Networks;

/// <summary>The header before a frame, as whoever sends the frame wrote it: nothing of it is believed.</summary>
/// <remarks>Source: VIRTIO 1.2, section 5.1.6.</remarks>
/// <param name="Flags">What is to be done with the checksum, and what is known of it.</param>
/// <param name="Kind">What is to be cut into segments; <see cref="NoSegments"/>: it is not.</param>
/// <param name="HeadersLength">Bytes of the headers of each segment, as a hint.</param>
/// <param name="SegmentSize">The most bytes of payload of a segment.</param>
/// <param name="ChecksumStart">Where in the frame begins what the checksum is of; it goes to the frame's end.</param>
/// <param name="ChecksumOffset">Where the checksum is, from there.</param>
internal readonly record struct PacketHeader(
    byte Flags, byte Kind, ushort HeadersLength, ushort SegmentSize, ushort ChecksumStart, ushort ChecksumOffset)
{
    /// <summary>A flag: the checksum is that of the pseudo-header alone, and is to be finished.</summary>
    public const byte NeedsChecksum = 1;

    /// <summary>A flag: the checksum is known to be right.</summary>
    public const byte DataValid = 2;

    /// <summary>A kind: none.</summary>
    public const byte NoSegments = 0;

    /// <summary>A kind: TCP over IPv4.</summary>
    public const byte Tcp4 = 1;

    /// <summary>A kind: TCP over IPv6.</summary>
    public const byte Tcp6 = 4;

    /// <summary>A bit of kinds: TCP tells of congestion.</summary>
    public const byte Ecn = 0x80;

    /// <summary>Whether the checksum is to be finished.</summary>
    public bool HasUnfinishedChecksum => (Flags & NeedsChecksum) != 0;

    /// <summary>Whether the frame is to be cut into segments.</summary>
    public bool HasSegments => (Kind & ~Ecn) != NoSegments;

    /// <summary>Reads it.</summary>
    /// <param name="packet">Header and frame.</param>
    public static PacketHeader Read(ReadOnlySpan<byte> packet) => new(
        packet[0],
        packet[1],
        BinaryPrimitives.ReadUInt16LittleEndian(packet[2..]),
        BinaryPrimitives.ReadUInt16LittleEndian(packet[4..]),
        BinaryPrimitives.ReadUInt16LittleEndian(packet[6..]),
        BinaryPrimitives.ReadUInt16LittleEndian(packet[8..]));

    /// <summary>Writes it; the number of buffers, which is the receiving adapter's, becomes 0.</summary>
    /// <param name="packet">Takes the header, all of <see cref="INetworkBackend.HeaderSize"/>.</param>
    public void Write(Span<byte> packet)
    {
        (packet[0], packet[1]) = (Flags, Kind);
        BinaryPrimitives.WriteUInt16LittleEndian(packet[2..], HeadersLength);
        BinaryPrimitives.WriteUInt16LittleEndian(packet[4..], SegmentSize);
        BinaryPrimitives.WriteUInt16LittleEndian(packet[6..], ChecksumStart);
        BinaryPrimitives.WriteUInt16LittleEndian(packet[8..], ChecksumOffset);
        BinaryPrimitives.WriteUInt16LittleEndian(packet[10..], 0);
    }
}
