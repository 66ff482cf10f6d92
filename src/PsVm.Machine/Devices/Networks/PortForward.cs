using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace PsVm.Machine.Devices.Networks;

/// <summary>A port of the host that leads to one of a guest's.</summary>
/// <param name="IsUdp">It is one of UDP; else of TCP.</param>
/// <param name="Address">The host's address that has it.</param>
/// <param name="HostPort">The port there.</param>
/// <param name="GuestPort">The guest's.</param>
internal sealed record PortForward(bool IsUdp, IPAddress Address, ushort HostPort, ushort GuestPort)
{
    /// <summary>What a forward looks like, for messages.</summary>
    public const string Form = "[address:]port-of-the-host:port-of-the-guest[/udp], such as 8080:80 or 0.0.0.0:8080:80";

    /// <summary>
    /// Reads one: <c>8080:80</c>, <c>5353:53/udp</c>, <c>192.0.2.1:8080:80</c>, <c>[::1]:8080:80</c>. Without an address it is only this
    /// host that gets there, by 127.0.0.1.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <returns>The forward; null: it is none.</returns>
    public static PortForward? TryParse(string text)
    {
        string[] halves = text.Split('/');
        bool isUdp = halves is [_, var protocol] && protocol.Equals("udp", StringComparison.OrdinalIgnoreCase);
        if (halves.Length > 2 || (halves.Length == 2 && !isUdp && !halves[1].Equals("tcp", StringComparison.OrdinalIgnoreCase)))
        {
            return null;
        }

        int guestAt = halves[0].LastIndexOf(':');
        int hostAt = guestAt > 0 ? halves[0].LastIndexOf(':', guestAt - 1) : -1;
        if (guestAt < 0 || !TryPort(halves[0][(hostAt + 1)..guestAt], out ushort host)
            || !TryPort(halves[0][(guestAt + 1)..], out ushort guest))
        {
            return null;
        }

        return hostAt < 0 ? new PortForward(isUdp, IPAddress.Loopback, host, guest)
            : TryAddress(halves[0][..hostAt]) is { } address ? new PortForward(isUdp, address, host, guest)
            : null;
    }

    /// <summary>Why the host does not give the port now; null: it does.</summary>
    public string? WhyNot()
    {
        try
        {
            using Socket socket = new(
                Address.AddressFamily, IsUdp ? SocketType.Dgram : SocketType.Stream, IsUdp ? ProtocolType.Udp : ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(Address, HostPort));
            if (!IsUdp)
            {
                socket.Listen();
            }

            return null;
        }
        catch (SocketException failure)
        {
            return failure.SocketErrorCode switch
            {
                SocketError.AddressAlreadyInUse => "another program has it",
                SocketError.AddressNotAvailable => $"this host has no address {Address}",
                SocketError.AccessDenied => "this user may not have it",
                _ => failure.Message,
            };
        }
    }

    /// <summary>It, as passt's options <c>-t</c> and <c>-u</c> take it.</summary>
    public string ToPasst() => string.Create(CultureInfo.InvariantCulture, $"{Address}/{HostPort}:{GuestPort}");

    /// <summary>The host's end, for messages.</summary>
    public string ToHost() => string.Create(CultureInfo.InvariantCulture, $"{(IsUdp ? "UDP" : "TCP")} port {HostPort} of {Address}");

    private static bool TryPort(string text, out ushort port) =>
        ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port != 0;

    // IPAddress reads "8080" and "1.2" too.
    private static IPAddress? TryAddress(string text)
    {
        bool isBracketed = text is ['[', .., ']'];
        string bare = isBracketed ? text[1..^1] : text;
        return IPAddress.TryParse(bare, out IPAddress? address)
            && isBracketed == (address.AddressFamily == AddressFamily.InterNetworkV6)
            && (isBracketed ? !bare.Contains('%') : bare.Count(letter => letter == '.') == 3)
            ? address
            : null;
    }
}
