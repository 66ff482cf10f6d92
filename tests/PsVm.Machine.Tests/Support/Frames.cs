using System.Buffers.Binary;
using System.Text;
using PsVm.Machine.Devices.Networks;

namespace PsVm.Machine.Tests.Support;

/// <summary>Packets with a text in their frames.</summary>
internal static class Frames
{
    private const int Headers = INetworkBackend.HeaderSize + 14;

    public static byte[] Packet(MacAddress to, MacAddress from, string text)
    {
        byte[] packet = new byte[Headers + text.Length];
        to.Write(packet.AsSpan(INetworkBackend.HeaderSize));
        from.Write(packet.AsSpan(INetworkBackend.HeaderSize + MacAddress.Size));
        packet[Headers - 2] = 0x88; // an EtherType for experiments
        packet[Headers - 1] = 0xb5;
        Encoding.ASCII.GetBytes(text, packet.AsSpan(Headers));
        return packet;
    }

    /// <summary>TCP over IPv4, its checksum left to others.</summary>
    /// <param name="to">The receiver.</param>
    /// <param name="from">The sender.</param>
    /// <param name="payload">Bytes of its payload.</param>
    /// <param name="segment">Bytes of the payload of a segment; 0: it is not to be cut.</param>
    public static byte[] Tcp4(MacAddress to, MacAddress from, int payload, int segment)
    {
        byte[] packet = new byte[Headers + 40 + payload];
        new PacketHeader(
            PacketHeader.NeedsChecksum, segment == 0 ? PacketHeader.NoSegments : PacketHeader.Tcp4,
            54, (ushort)segment, 34, 16).Write(packet);
        Span<byte> frame = packet.AsSpan(INetworkBackend.HeaderSize);
        to.Write(frame);
        from.Write(frame[6..]);
        frame[12] = 8;
        Span<byte> ip = frame[14..];
        ip[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(ip[2..], (ushort)ip.Length);
        ip[9] = 6;
        (ip[12], ip[15], ip[16], ip[19]) = (10, 1, 10, 2);
        ip[32] = 0x50; // TCP's header has five words
        for (int i = 0; i < payload; i++)
        {
            ip[40 + i] = (byte)(i * 3);
        }

        // That of the pseudo-header.
        uint sum = 10 << 8;
        sum = sum + 1 + (10 << 8) + 2 + 6 + (uint)(ip.Length - 20);
        BinaryPrimitives.WriteUInt16BigEndian(ip[36..], (ushort)((sum & 0xffff) + (sum >> 16)));
        return packet;
    }

    /// <summary>Whether the checksum of such a packet is one.</summary>
    public static bool HasRightTcp4Checksum(ReadOnlySpan<byte> packet)
    {
        ReadOnlySpan<byte> ip = packet[Headers..];
        uint sum = (uint)(6 + ip.Length - 20);
        for (int i = 12; i < ip.Length; i++)
        {
            sum += (uint)(ip[i] << (i % 2 == 0 ? 8 : 0));
        }

        while (sum >> 16 != 0)
        {
            sum = (sum & 0xffff) + (sum >> 16);
        }

        return sum == 0xffff;
    }

    public static string TextOf(ReadOnlySpan<byte> packet) => Encoding.ASCII.GetString(packet[Headers..]);

    /// <summary>The text of the next packet; null: there is none.</summary>
    public static string? TextOf(INetworkBackend backend)
    {
        byte[] packet = new byte[INetworkBackend.MostPacket];
        int length = backend.TryReceive(packet);
        return length == 0 ? null : TextOf(packet.AsSpan(0, length));
    }
}
