using System.Net;
using System.Net.Sockets;
using PsVm.Machine.Devices.Networks;

namespace PsVm.Machine.Tests.Devices.Networks;

public sealed class PortForwardTests
{
    [Theory]
    [InlineData("8080:80", false, "127.0.0.1", 8080, 80, "127.0.0.1/8080:80")]
    [InlineData("8080:80/tcp", false, "127.0.0.1", 8080, 80, "127.0.0.1/8080:80")]
    [InlineData("5353:53/UDP", true, "127.0.0.1", 5353, 53, "127.0.0.1/5353:53")]
    [InlineData("0.0.0.0:8080:80", false, "0.0.0.0", 8080, 80, "0.0.0.0/8080:80")]
    [InlineData("[::1]:65535:1/udp", true, "::1", 65535, 1, "::1/65535:1")]
    public void Those_that_are_forwards_are_read(string text, bool isUdp, string address, ushort host, ushort guest, string passt)
    {
        PortForward? forward = PortForward.TryParse(text);
        Assert.Equal(new PortForward(isUdp, IPAddress.Parse(address), host, guest), forward);
        Assert.Equal(passt, forward!.ToPasst());
    }

    [Theory]
    [InlineData("")]
    [InlineData("8080")]
    [InlineData(":80")]
    [InlineData("8080:")]
    [InlineData("0:80")]
    [InlineData("80:0")]
    [InlineData("65536:80")]
    [InlineData("-1:80")]
    [InlineData("+1:80")]
    [InlineData(" 1:80")]
    [InlineData("8080:80/sctp")]
    [InlineData("8080:80/tcp/udp")]
    [InlineData("::1:8080:80")]
    [InlineData("[127.0.0.1]:8080:80")]
    [InlineData("[fe80::1%eth0]:8080:80")]
    [InlineData("1.2:8080:80")]
    [InlineData("host:8080:80")]
    [InlineData("1,~2:80")]
    [InlineData("127.0.0.1:8080:80,90")]
    public void Others_are_none(string text) => Assert.Null(PortForward.TryParse(text));

    [Theory]
    [InlineData(SocketType.Stream)]
    [InlineData(SocketType.Dgram)]
    public void Why_a_port_cannot_be_had_is_said(SocketType type)
    {
        using Socket socket = new(AddressFamily.InterNetwork, type, ProtocolType.Unspecified);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        if (type == SocketType.Stream)
        {
            socket.Listen();
        }

        PortForward taken = new(type == SocketType.Dgram, IPAddress.Loopback, (ushort)((IPEndPoint)socket.LocalEndPoint!).Port, 80);

        Assert.Equal("another program has it", taken.WhyNot());
        Assert.Contains(
            "no address 192.0.2.254", (taken with { Address = IPAddress.Parse("192.0.2.254") }).WhyNot(), StringComparison.Ordinal);
    }
}
