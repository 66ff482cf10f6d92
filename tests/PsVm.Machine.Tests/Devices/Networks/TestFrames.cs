using System.Buffers.Binary;
using PsVm.Machine.Devices.Networks;

namespace PsVm.Machine.Tests.Devices.Networks;

/// <summary>Packets as a guest's kernel makes them, and sums worked out the slow way.</summary>
internal static class TestFrames
{
    public const int Ethernet = 14;

    /// <summary>A TCP packet whose checksum, and segments, are left to others.</summary>
    public static byte[] Tcp(bool isIpv4, int payload, ushort segment, int options = 12, bool hasVlan = false, byte flags = 0x18)
    {
        int network = Ethernet + (hasVlan ? 4 : 0), transport = network + (isIpv4 ? 20 : 40), data = transport + 20 + options;
        byte[] packet = new byte[INetworkBackend.HeaderSize + data + payload];
        byte kind = segment == 0 ? PacketHeader.NoSegments : isIpv4 ? PacketHeader.Tcp4 : PacketHeader.Tcp6;
        new PacketHeader(PacketHeader.NeedsChecksum, kind, (ushort)data, segment, (ushort)transport, 16).Write(packet);
        Span<byte> frame = packet.AsSpan(INetworkBackend.HeaderSize);
        new Random(payload + segment).NextBytes(frame);
        BinaryPrimitives.WriteUInt16BigEndian(frame[12..], hasVlan ? (ushort)0x8100 : isIpv4 ? (ushort)0x0800 : (ushort)0x86dd);
        BinaryPrimitives.WriteUInt16BigEndian(frame[(network - 2)..], isIpv4 ? (ushort)0x0800 : (ushort)0x86dd);
        Span<byte> ip = frame[network..];
        if (isIpv4)
        {
            (ip[0], ip[9]) = (0x45, 6);
            BinaryPrimitives.WriteUInt16BigEndian(ip[2..], (ushort)ip.Length);
            BinaryPrimitives.WriteUInt16BigEndian(ip[4..], 0xfffe); // it goes round
            BinaryPrimitives.WriteUInt16BigEndian(ip[10..], 0);
            BinaryPrimitives.WriteUInt16BigEndian(ip[10..], (ushort)~Sum(ip[..20]));
        }
        else
        {
            (ip[0], ip[6]) = (0x60, 6);
            BinaryPrimitives.WriteUInt16BigEndian(ip[4..], (ushort)(ip.Length - 40));
        }

        Span<byte> tcp = frame[transport..];
        BinaryPrimitives.WriteUInt32BigEndian(tcp[4..], 0xffff_ff00);
        (tcp[12], tcp[13]) = ((byte)((20 + options) / 4 << 4), flags);
        BinaryPrimitives.WriteUInt16BigEndian(tcp[16..], PseudoSum(ip, isIpv4, tcp.Length));
        return packet;
    }

    /// <summary>Whether the checksums of a packet's headers are right.</summary>
    public static bool HasRightSums(ReadOnlySpan<byte> packet, bool isIpv4, int network = Ethernet)
    {
        ReadOnlySpan<byte> ip = packet[(INetworkBackend.HeaderSize + network)..];
        int size = isIpv4 ? 20 : 40;
        int length = isIpv4 ? BinaryPrimitives.ReadUInt16BigEndian(ip[2..]) : BinaryPrimitives.ReadUInt16BigEndian(ip[4..]) + 40;
        return length == ip.Length
            && (!isIpv4 || Sum(ip[..size]) == 0xffff)
            && (ushort)~Sum(ip[size..], PseudoSum(ip, isIpv4, ip.Length - size)) == 0;
    }

    /// <summary>A sum by words.</summary>
    public static ushort Sum(ReadOnlySpan<byte> bytes, uint sum = 0)
    {
        for (int i = 0; i < bytes.Length; i++)
        {
            sum += i % 2 == 0 ? (uint)bytes[i] << 8 : bytes[i];
            sum = (sum & 0xffff) + (sum >> 16);
        }

        return (ushort)sum;
    }

    private static ushort PseudoSum(ReadOnlySpan<byte> ip, bool isIpv4, int length)
    {
        ReadOnlySpan<byte> addresses = isIpv4 ? ip[12..20] : ip[8..40];
        return Sum(addresses, Sum([0, 6, (byte)(length >> 8), (byte)length]));
    }
}
