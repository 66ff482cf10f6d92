namespace PsVm.Machine.Devices.Networks;

/// <summary>What a guest may say of a packet that it sends: others, guests too, go by it.</summary>
internal static class SentPacket
{
    private const int EthernetSize = 14;

    /// <summary>Leaves in a packet's header what makes sense and was agreed on.</summary>
    /// <param name="packet">Header and frame.</param>
    /// <param name="checksum">The driver may leave checksums to others.</param>
    /// <param name="tcp4">It may leave cutting TCP over IPv4 to others.</param>
    /// <param name="tcp6">And TCP over IPv6.</param>
    /// <returns>False: the packet makes no sense.</returns>
    public static bool TryClean(Span<byte> packet, bool checksum, bool tcp4, bool tcp6)
    {
        if (packet.Length is < INetworkBackend.HeaderSize + EthernetSize or > INetworkBackend.MostPacket)
        {
            return false;
        }

        PacketHeader header = PacketHeader.Read(packet);
        if (!header.HasUnfinishedChecksum && !header.HasSegments)
        {
            default(PacketHeader).Write(packet); // that a checksum is right is not for the sender to say
            return true;
        }

        int frame = packet.Length - INetworkBackend.HeaderSize;
        bool hasPlace = checksum && header.HasUnfinishedChecksum && header.ChecksumStart + header.ChecksumOffset + sizeof(ushort) <= frame;
        if (!hasPlace || (header.HasSegments && !TryClean(packet, ref header, tcp4, tcp6)))
        {
            return false;
        }

        (header with { Flags = PacketHeader.NeedsChecksum }).Write(packet);
        return true;
    }

    private static bool TryClean(ReadOnlySpan<byte> packet, ref PacketHeader header, bool tcp4, bool tcp6)
    {
        bool isAgreed = (header.Kind & ~PacketHeader.Ecn) switch
        {
            PacketHeader.Tcp4 => tcp4,
            PacketHeader.Tcp6 => tcp6,
            _ => false,
        };
        header = header with
        {
            HeadersLength = Math.Min(header.HeadersLength, (ushort)Math.Min(packet.Length - INetworkBackend.HeaderSize, ushort.MaxValue)),
        };
        return isAgreed && FrameSegments.TryBegin(packet, out _);
    }
}
