using System.Buffers.Binary;
using PsVm.Machine.Devices.Networks;

namespace PsVm.Machine.Tests.Devices.Networks;

public sealed class FrameOffloadsTests
{
    private const int Header = INetworkBackend.HeaderSize;

    [Fact]
    public void Sums_are_those_of_words_at_any_length_and_place()
    {
        byte[] bytes = new byte[70_000];
        new Random(1).NextBytes(bytes);
        Array.Fill(bytes, (byte)0xff, 1000, 500);
        foreach (int length in Enumerable.Range(0, 200).Concat([1514, 65_535, 69_991]))
        {
            foreach (int start in new[] { 0, 1, 7, 990 })
            {
                ReadOnlySpan<byte> some = bytes.AsSpan(start, Math.Min(length, bytes.Length - start));
                ushort expected = (ushort)~TestFrames.Sum(some);
                ushort found = BinaryPrimitives.ReverseEndianness(InternetChecksum.Finish(InternetChecksum.Add(some)));
                Assert.True(
                    expected == found || (expected | found) == 0xffff,
                    $"{length} bytes at {start}: expected {expected:x4}, found {found:x4}");
            }
        }
    }

    [Theory]
    [InlineData(true, 0)]
    [InlineData(true, 1)]
    [InlineData(true, 65_000)]
    [InlineData(false, 0)]
    [InlineData(false, 1461)]
    public void An_unfinished_checksum_is_finished(bool isIpv4, int payload)
    {
        byte[] packet = TestFrames.Tcp(isIpv4, payload, segment: 0);
        Assert.False(TestFrames.HasRightSums(packet, isIpv4));

        Assert.True(FrameOffloads.TryFinishChecksum(packet));

        Assert.True(TestFrames.HasRightSums(packet, isIpv4));
        Assert.Equal(new byte[Header], packet[..Header].Select((value, place) => place is 2 or 3 ? (byte)0 : value)); // without the hint
        byte[] before = [.. packet];
        Assert.True(FrameOffloads.TryFinishChecksum(packet));
        Assert.Equal(before, packet);
    }

    [Fact]
    public void A_checksum_of_zero_is_written_as_its_other_form()
    {
        byte[] packet = new byte[Header + 64];
        new PacketHeader(PacketHeader.NeedsChecksum, 0, 0, 0, 32, 6).Write(packet);
        packet.AsSpan(Header + 32, 2).Fill(0xff);

        Assert.True(FrameOffloads.TryFinishChecksum(packet));

        Assert.Equal([0xff, 0xff], packet[(Header + 38)..(Header + 40)]);
    }

    [Theory]
    [InlineData(0, 63)]
    [InlineData(63, 0)]
    [InlineData(64, 0)]
    [InlineData(65_535, 65_535)]
    [InlineData(40, 65_530)]
    public void A_checksum_outside_of_the_frame_makes_no_sense(ushort start, ushort offset)
    {
        byte[] packet = new byte[Header + 64];
        new PacketHeader(PacketHeader.NeedsChecksum, 0, 0, 0, start, offset).Write(packet);
        byte[] before = [.. packet];

        Assert.False(FrameOffloads.TryFinishChecksum(packet));
        Assert.Equal(before, packet);
        Assert.True(FrameSegments.TryBegin(packet, out FrameSegments segments));
        Assert.False(segments.TryNext(new byte[INetworkBackend.MostPacket], out int length));
        Assert.Equal(0, length);
    }

    [Theory]
    [InlineData(true, 64_000, 1448, 12, false)]
    [InlineData(true, 2896, 1448, 12, true)]
    [InlineData(true, 2897, 1448, 0, false)]
    [InlineData(true, 100, 1448, 40, false)]
    [InlineData(false, 64_000, 1428, 12, false)]
    [InlineData(false, 3000, 32, 12, true)]
    [InlineData(false, 0, 1428, 12, false)]
    public void A_packet_is_cut_into_segments_that_are_whole_and_right(bool isIpv4, int payload, ushort size, int options, bool hasVlan)
    {
        byte[] packet = TestFrames.Tcp(isIpv4, payload, size, options, hasVlan, flags: 0x80 | 0x10 | 8 | 1); // CWR, ACK, PSH, FIN
        int network = TestFrames.Ethernet + (hasVlan ? 4 : 0), transport = network + (isIpv4 ? 20 : 40), data = transport + 20 + options;

        byte[][] segments = Cut(packet);

        Assert.Equal(Math.Max(1, (payload + size - 1) / size), segments.Length);
        Assert.All(segments, segment => Assert.True(TestFrames.HasRightSums(segment, isIpv4, network)));
        Assert.All(segments, segment => Assert.Equal(new byte[Header], segment[..Header]));
        Assert.Equal(packet[(Header + data)..], segments.SelectMany(segment => segment[(Header + data)..]));
        for (int i = 0; i < segments.Length; i++)
        {
            ReadOnlySpan<byte> tcp = segments[i].AsSpan(Header + transport);
            Assert.Equal(0xffff_ff00 + (uint)(i * size), BinaryPrimitives.ReadUInt32BigEndian(tcp[4..]));
            Assert.Equal(0x10 | (i == 0 ? 0x80 : 0) | (i == segments.Length - 1 ? 9 : 0), tcp[13]);
            Assert.Equal(packet[..(network - 0)][Header..], segments[i][..(network - 0)][Header..]);
            if (isIpv4)
            {
                Assert.Equal((ushort)(0xfffe + i), BinaryPrimitives.ReadUInt16BigEndian(segments[i].AsSpan(Header + network + 4)));
            }
        }
    }

    [Fact]
    public void A_packet_without_segments_is_one()
    {
        byte[] packet = TestFrames.Tcp(isIpv4: true, 1000, segment: 0);
        byte[] segment = Assert.Single(Cut(packet));
        Assert.True(TestFrames.HasRightSums(segment, isIpv4: true));

        byte[] plain = new byte[Header + 60];
        new Random(1).NextBytes(plain.AsSpan(Header));
        Assert.Equal(plain, Assert.Single(Cut(plain)));
    }

    [Theory]
    [InlineData("no checksum")]
    [InlineData("UDP's kind")]
    [InlineData("kind of the other IP")]
    [InlineData("segments of nothing")]
    [InlineData("segments of a few bytes")]
    [InlineData("start in Ethernet's header")]
    [InlineData("start at the end")]
    [InlineData("checksum elsewhere")]
    [InlineData("TCP header too small")]
    [InlineData("TCP header past the end")]
    [InlineData("IP header of another size")]
    [InlineData("another protocol")]
    [InlineData("too short")]
    [InlineData("empty")]
    public void What_makes_no_sense_is_not_cut(string what)
    {
        byte[] packet = TestFrames.Tcp(isIpv4: true, 100, segment: 50, options: 0);
        PacketHeader header = PacketHeader.Read(packet);
        Span<byte> ip = packet.AsSpan(Header + TestFrames.Ethernet);
        header = what switch
        {
            "no checksum" => header with { Flags = 0 },
            "UDP's kind" => header with { Kind = 3 },
            "kind of the other IP" => header with { Kind = PacketHeader.Tcp6 },
            "segments of nothing" => header with { SegmentSize = 0 },
            "segments of a few bytes" => header with { SegmentSize = 31 },
            "start in Ethernet's header" => header with { ChecksumStart = 3 },
            "start at the end" => header with { ChecksumStart = (ushort)(packet.Length - Header - 19) },
            "checksum elsewhere" => header with { ChecksumOffset = 6 },
            _ => header,
        };
        header.Write(packet);
        ip[32] = what switch { "TCP header too small" => 0x40, "TCP header past the end" => 0xf0, _ => ip[32] };
        ip[0] = what == "IP header of another size" ? (byte)0x46 : ip[0];
        ip[9] = what == "another protocol" ? (byte)17 : ip[9];
        int length = what switch { "too short" => Header + 20, "empty" => 0, "TCP header past the end" => Header + 80, _ => packet.Length };

        Assert.False(FrameSegments.TryBegin(packet.AsSpan(0, length), out _));
    }

    [Fact]
    public void Hostile_packets_are_cut_or_not_and_nothing_else()
    {
        Random random = new(7);
        byte[] to = new byte[INetworkBackend.MostPacket];
        int cut = 0;
        for (int round = 0; round < 20_000; round++)
        {
            byte[] packet = TestFrames.Tcp(
                random.Next(2) == 0, random.Next(300), (ushort)random.Next(20, 100), random.Next(11) * 4, random.Next(2) == 0);
            for (int changes = random.Next(4); changes > 0; changes--)
            {
                packet[random.Next(Math.Min(packet.Length, 90))] = (byte)random.Next(256);
            }

            packet = packet[..random.Next(packet.Length / 2, packet.Length + 1)];
            int count = 0;
            if (FrameSegments.TryBegin(packet, out FrameSegments segments))
            {
                while (segments.TryNext(to, out int length))
                {
                    Assert.InRange(length, Header, packet.Length);
                    Assert.InRange(++count, 1, FrameSegments.Most);
                }
            }

            cut += count > 1 ? 1 : 0;
            _ = FrameOffloads.TryFinishChecksum(packet);
        }

        Assert.InRange(cut, 1000, 20_000);
    }

    private static byte[][] Cut(byte[] packet)
    {
        Assert.True(FrameSegments.TryBegin(packet, out FrameSegments segments));
        byte[] to = new byte[INetworkBackend.MostPacket];
        List<byte[]> all = [];
        while (segments.TryNext(to, out int length))
        {
            all.Add(to[..length]);
        }

        return [.. all];
    }
}
