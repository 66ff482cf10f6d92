using System.Buffers.Binary;
using System.Net;
using PsVm.Machine.Devices.Networks;

namespace PsVm.Machine.Tests.Devices.Networks;

/// <summary>Answers of DHCP that are to name a DNS server, and what is none of them.</summary>
public sealed class DhcpAnswerTests
{
    private const int Header = INetworkBackend.HeaderSize, Ip = Header + 14, Options = Ip + 20 + 8 + 240;

    private static readonly IPAddress s_server = IPAddress.Parse("169.254.53.53");

    [Theory]
    [InlineData(0)] // the option is longer than what there was room for
    [InlineData(60)]
    public void One_that_names_no_server_names_one(int padding)
    {
        (byte[] packet, int length) = Answer([0, 53, 1, 5, 255, .. new byte[padding]]);

        int after = DhcpAnswer.AddServer(packet, length, s_server);

        Assert.Equal(Math.Max(length, Options + 11), after);
        Assert.Equal<byte>([0, 53, 1, 5, 6, 4, 169, 254, 53, 53, 255], packet[Options..(Options + 11)]);
        Assert.Equal((after - Ip, after - Ip - 20, 0), (NumberAt(packet, Ip + 2), NumberAt(packet, Ip + 24), NumberAt(packet, Ip + 26)));
        Assert.Equal(0xffff, TestFrames.Sum(packet.AsSpan(Ip, 20)));
        Assert.Equal(after, DhcpAnswer.AddServer(packet, after, s_server)); // it has one
    }

    [Theory]
    [InlineData("6 4 192 0 2 1 255")]
    [InlineData("53 1 5")] // no end
    [InlineData("53 200 255")]
    [InlineData("53")]
    [InlineData("")]
    public void One_that_names_a_server_or_has_no_end_stays_as_it_is(string options)
    {
        (byte[] packet, int length) = Answer([.. options.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(byte.Parse)]);
        byte[] before = [.. packet];

        Assert.Equal(length, DhcpAnswer.AddServer(packet, length, s_server));
        Assert.Equal(before, packet);
    }

    [Fact]
    public void Other_packets_and_nonsense_stay_as_they_are()
    {
        (byte[] answer, int length) = Answer([255]);
        foreach (int at in (int[])[Header + 12, Ip, Ip + 9, Ip + 21, Ip + 23, Options - 1])
        {
            byte[] packet = [.. answer];
            packet[at] ^= 0x43;
            byte[] before = [.. packet];
            Assert.Equal(length, DhcpAnswer.AddServer(packet, length, s_server));
            Assert.Equal(before, packet);
        }

        // Cut short anywhere, and in no larger room than itself.
        for (int size = 0; size <= length; size++)
        {
            byte[] packet = answer[..size];
            Assert.Equal(size, DhcpAnswer.AddServer(packet, size, s_server));
            Assert.Equal(answer[..size], packet);
        }

        (byte[] long1, int most) = Answer([.. new byte[1500 - (Options - Ip) - 1], 255]);
        Assert.Equal(most, DhcpAnswer.AddServer(long1, most, s_server));
    }

    private static int NumberAt(byte[] packet, int at) => BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(at));

    private static (byte[] Packet, int Length) Answer(byte[] options)
    {
        int length = Options + options.Length;
        byte[] packet = new byte[length + 100];
        (packet[Header + 12], packet[Ip], packet[Ip + 9], packet[Ip + 21], packet[Ip + 23]) = (8, 0x45, 17, 67, 68);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(Ip + 2), (ushort)(length - Ip));
        ((ReadOnlySpan<byte>)[99, 130, 83, 99]).CopyTo(packet.AsSpan(Options - 4));
        options.CopyTo(packet, Options);
        return (packet, length);
    }
}
