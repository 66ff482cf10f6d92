using System.Buffers.Binary;
using System.Net;
using System.Runtime.InteropServices;

namespace PsVm.Machine.Devices.Networks;

/// <summary>Answers of DHCP, which tell a guest its address: one that names no DNS server is given one.</summary>
/// <remarks>Source: RFC 2131, RFC 2132.</remarks>
internal static class DhcpAnswer
{
    private const int Ip = INetworkBackend.HeaderSize + 14, UdpSize = 8, FixedSize = 236, Cookie = 4;
    private const int MostSize = 1500; // of a packet of IP
    private const byte Pad = 0, Servers = 6, End = 255;
    private const byte ServerSize = 4;

    private static ReadOnlySpan<byte> Magic => [99, 130, 83, 99];

    /// <summary>Has an answer name a DNS server, where it names none. What is no such answer stays as it is.</summary>
    /// <param name="packet">Header and frame, and room behind them.</param>
    /// <param name="length">Bytes of header and frame.</param>
    /// <param name="server">The server, by its address of IPv4.</param>
    /// <returns>Bytes of header and frame then.</returns>
    public static int AddServer(Span<byte> packet, int length, IPAddress server)
    {
        if (length < Ip + 20 || BinaryPrimitives.ReadUInt16BigEndian(packet[(Ip - 2)..]) != FrameSegments.Ipv4 || packet[Ip] >> 4 != 4
            || packet[Ip + 9] != 17)
        {
            return length;
        }

        int udp = Ip + ((packet[Ip] & 15) * 4), options = udp + UdpSize + FixedSize + Cookie;
        if (options > length || BinaryPrimitives.ReadUInt32BigEndian(packet[udp..]) != ((67 << 16) | 68)
            || !packet[(options - Cookie)..].StartsWith(Magic))
        {
            return length;
        }

        int end = EndOf(packet[..length], options), after = end + 2 + ServerSize + 1;
        int size = Math.Max(length, after);
        if (end < 0 || size - Ip > MostSize || size > packet.Length)
        {
            return length;
        }

        (packet[end], packet[end + 1], packet[after - 1]) = (Servers, ServerSize, End);
        server.TryWriteBytes(packet[(end + 2)..], out _);
        BinaryPrimitives.WriteUInt16BigEndian(packet[(Ip + 2)..], (ushort)(size - Ip));
        BinaryPrimitives.WriteUInt32BigEndian(packet[(udp + 4)..], (uint)(size - udp) << 16); // and no checksum
        packet.Slice(Ip + 10, 2).Clear();
        ushort sum = InternetChecksum.Finish(InternetChecksum.Add(packet[Ip..udp]));
        MemoryMarshal.Write(packet[(Ip + 10)..], in sum);
        return size;
    }

    /// <summary>Where the end of the options is; -1: they name a server, or have no end.</summary>
    private static int EndOf(ReadOnlySpan<byte> packet, int at)
    {
        while (at < packet.Length && packet[at] is not (End or Servers))
        {
            at += packet[at] == Pad ? 1 : at + 1 < packet.Length ? 2 + packet[at + 1] : packet.Length;
        }

        return at < packet.Length && packet[at] == End ? at : -1;
    }
}
