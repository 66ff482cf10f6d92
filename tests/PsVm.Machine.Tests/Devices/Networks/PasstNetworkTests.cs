using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using PsVm.Machine.Devices.Networks;
using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests.Devices.Networks;

/// <summary>Debian's passt, asked by frames as a guest's kernel would.</summary>
public sealed class PasstNetworkTests
{
    private const int Header = INetworkBackend.HeaderSize;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private static readonly byte[] s_mac = [0x52, 0x54, 0, 0x12, 0x34, 0x56];

    [SkippableFact]
    public void A_guest_is_told_an_address_a_route_and_the_mtu()
    {
        using PasstNetwork network = StartOrSkip();
        byte[] answer = Ask(network);
        Assert.Equal(5, Option(answer, 53)[0]); // it is an acknowledgement
        Assert.Equal(PasstNetwork.UsualMtu, BinaryPrimitives.ReadUInt16BigEndian(Option(answer, 26)));
        Assert.Equal(4, Option(answer, 3).Length);
        Assert.NotEqual(0u, BinaryPrimitives.ReadUInt32BigEndian(answer.AsSpan(Header + 14 + 20 + 8 + 16)));
    }

    [SkippableFact]
    public void A_guest_gets_at_nothing_that_listens_on_the_hosts_loopback_addresses_and_forwards_are_the_hosts_alone()
    {
        PortForward forward = new(IsUdp: false, IPAddress.Loopback, HostPort.Free(), 80);
        using PasstNetwork network = StartOrSkip(forward);
        string[] arguments = File.ReadAllText($"/proc/{network.ProcessId}/cmdline").Split('\0');
        Assert.Contains("--no-map-gw", arguments);
        Assert.Equal(["--tcp-ports", forward.ToPasst(), "--udp-ports", "none"], arguments.SkipLast(1).TakeLast(4));
        Assert.Equal("another program has it", forward.WhyNot());
    }

    [SkippableFact]
    public void One_that_ends_is_started_anew_with_its_forwards()
    {
        PortForward forward = new(IsUdp: false, IPAddress.Loopback, HostPort.Free(), 80);
        using PasstNetwork network = StartOrSkip(forward);
        string? fault = null;
        network.Ready = () => Interlocked.CompareExchange(ref fault, network.Fault, null);
        for (int round = 0; round < 2; round++)
        {
            _ = Ask(network);
            int process = network.ProcessId!.Value;
            using (Process passt = Process.GetProcessById(process))
            {
                passt.Kill();
            }

            Assert.True(
                SpinWait.SpinUntil(() => network is { Fault: null, ProcessId: { } other } && other != process, s_patience), network.Fault);
            Assert.Equal("another program has it", forward.WhyNot());
        }

        Assert.Contains("passt has gone (it ended with exit code 137); it is started anew", fault, StringComparison.Ordinal);
        _ = Ask(network);
    }

    [SkippableFact]
    public void One_that_is_disposed_of_has_ended()
    {
        PasstNetwork network = StartOrSkip();
        int process = network.ProcessId!.Value;
        network.Dispose();
        Assert.False(Directory.Exists($"/proc/{process}"));
        Assert.Null(network.ProcessId);
        Assert.True(network.TrySend(TestFrames.Tcp(isIpv4: true, 10, 0)));
        Assert.Equal(0, network.TryReceive(new byte[INetworkBackend.MostPacket]));
        network.Dispose();
    }

    [SkippableFact]
    public void A_port_that_is_taken_is_an_error()
    {
        using (StartOrSkip())
        {
            using TcpListener listener = new(IPAddress.Loopback, 0);
            listener.Start();
            PortForward taken = new(IsUdp: false, IPAddress.Loopback, (ushort)((IPEndPoint)listener.LocalEndpoint).Port, 80);
            foreach (Action start
                in (Action[])[() => new PasstNetwork("net0", 1500, [taken]).Dispose(), () => PasstNetwork.Check("net0", [taken])])
            {
                GuestException error = Assert.Throws<GuestException>(start);
                Assert.Equal(GuestErrorIds.NetworkPortUnavailable, error.ErrorId);
                Assert.Equal(
                    $"Network adapter 'net0': expected to have TCP port {taken.HostPort} of 127.0.0.1 for the guest's port 80, but another "
                        + "program has it.",
                    error.Message);
                Assert.Contains("Forward another port", error.RecommendedAction, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void A_program_that_is_not_there_is_an_error()
    {
        GuestException error = Assert.Throws<GuestException>(() => new PasstNetwork("net0", 1500, [], "/none/passt"));
        Assert.Equal(GuestErrorIds.NetworkProgramMissing, error.ErrorId);
        Assert.Contains("apt install passt", error.RecommendedAction, StringComparison.Ordinal);
    }

    [Fact]
    public void A_program_that_ends_at_once_is_an_error_with_what_it_says()
    {
        GuestException error = Assert.Throws<GuestException>(() => new PasstNetwork("net0", 1500, [], "/bin/ls"));
        Assert.Equal(GuestErrorIds.NetworkProgramFailed, error.ErrorId);
        Assert.Contains("it ended with exit code 2: ", error.Message, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void A_guest_is_told_of_the_hosts_resolver_on_a_loopback_address_and_gets_its_answers()
    {
        const string stub = "nameserver 127.0.0.53\n";
        using HostNamespace host = HostNamespace.MakeOrSkip(stub);
        using Socket resolver = host.MakeSocket(SocketType.Dgram);
        resolver.Bind(new IPEndPoint(IPAddress.Parse("127.0.0.53"), 53));
        resolver.ReceiveTimeout = (int)s_patience.TotalMilliseconds;
        using PasstNetwork network = StartOrSkip(host, file => file == "/etc/resolv.conf" ? stub : null);

        byte[] answer = Ask(network);
        IPAddress told = new(Option(answer, 6));
        Assert.Equal((HostResolvers.Forwarded, true), (told.ToString(), HasRightSum(answer)));
        Assert.Equal(5, Option(answer, 53)[0]);

        Assert.True(network.TrySend(ToHost(answer, told, protocol: 17, [.. Ports(5353, 53), 0, 13, 0, 0, .. "hello"u8])));
        EndPoint from = new IPEndPoint(IPAddress.Any, 0);
        byte[] got = new byte[100];
        Assert.Equal("hello"u8.ToArray(), got[..resolver.ReceiveFrom(got, ref from)]);
        resolver.SendTo("there"u8, from);
        byte[] back = Receive(network, protocol: 17, [0, 53]); // an answer of DHCP's may come late, to who has asked twice
        Assert.Equal(told, new IPAddress(back.AsSpan(Header + 14 + 12, 4)));
        Assert.Equal("there"u8.ToArray(), back[^5..]);
    }

    [SkippableFact]
    public void A_guest_pings_the_host_where_ordinary_users_may()
    {
        using HostNamespace host = HostNamespace.MakeOrSkip("nameserver 192.0.2.53\n");
        using PasstNetwork network = StartOrSkip(host, _ => null);
        byte[] request = [8, 0, 0, 0, 0x12, 0x34, 0, 1, .. "what comes back"u8];
        BinaryPrimitives.WriteUInt16BigEndian(request.AsSpan(2), (ushort)~TestFrames.Sum(request));

        Assert.True(network.TrySend(ToHost(Ask(network), IPAddress.Parse(HostNamespace.OtherAddress), protocol: 1, request)));

        byte[] reply = Receive(network, protocol: 1)[(Header + 14 + 20)..];
        Assert.Equal(((byte)0, "what comes back"), (reply[0], System.Text.Encoding.ASCII.GetString(reply[8..])));
        Assert.Equal(request[4..8], reply[4..8]);
        Assert.Equal(0xffff, TestFrames.Sum(reply));
    }

    private static PasstNetwork StartOrSkip(params PortForward[] forwards)
    {
        try
        {
            return new PasstNetwork("net0", PasstNetwork.UsualMtu, forwards);
        }
        catch (GuestException missing) when (missing.ErrorId is GuestErrorIds.NetworkProgramMissing or GuestErrorIds.NetworkProgramFailed)
        {
            throw new SkipException(missing.Message);
        }
    }

    private static PasstNetwork StartOrSkip(HostNamespace host, Func<string, string?> files)
    {
        Skip.IfNot(File.Exists("/usr/bin/passt"), "passt is not installed");
        return new PasstNetwork("net0", PasstNetwork.UsualMtu, [], host.Wrap("/usr/bin/passt"), files);
    }

    private static byte[] Ports(ushort from, ushort to) => [(byte)(from >> 8), (byte)from, (byte)(to >> 8), (byte)to];

    /// <summary>A packet to an address of the host's, from who got an answer of DHCP.</summary>
    private static byte[] ToHost(byte[] answer, IPAddress to, byte protocol, byte[] payload)
    {
        byte[] packet = new byte[Header + 14 + 20 + payload.Length];
        Span<byte> frame = packet.AsSpan(Header), ip = frame[14..];
        answer.AsSpan(Header + 6, 6).CopyTo(frame); // who answered is the gateway
        s_mac.CopyTo(frame[6..]);
        BinaryPrimitives.WriteUInt16BigEndian(frame[12..], 0x0800);
        (ip[0], ip[8], ip[9]) = (0x45, 64, protocol);
        BinaryPrimitives.WriteUInt16BigEndian(ip[2..], (ushort)ip.Length);
        answer.AsSpan(Header + 14 + 20 + 8 + 16, 4).CopyTo(ip[12..]);
        to.TryWriteBytes(ip[16..], out _);
        BinaryPrimitives.WriteUInt16BigEndian(ip[10..], (ushort)~TestFrames.Sum(ip[..20]));
        payload.CopyTo(ip[20..]);
        return packet;
    }

    /// <summary>The next packet of a protocol, and with a payload that begins so.</summary>
    private static byte[] Receive(PasstNetwork network, byte protocol, params byte[] begin)
    {
        byte[] packet = new byte[INetworkBackend.MostPacket];
        int length = 0;
        Assert.True(
            SpinWait.SpinUntil(
                () => (length = network.TryReceive(packet)) > Header + 14 + 20
                    && packet[Header + 12] == 8
                    && packet[Header + 14 + 9] == protocol
                    && packet.AsSpan(Header + 14 + 20).StartsWith(begin),
                s_patience),
            network.Fault);
        return packet[..length];
    }

    private static bool HasRightSum(byte[] packet) => TestFrames.Sum(packet.AsSpan(Header + 14, 20)) == 0xffff
        && BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(Header + 14 + 2)) == packet.Length - Header - 14
        && BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(Header + 14 + 24)) == packet.Length - Header - 14 - 20;

    /// <summary>Asks for an address by DHCP, and gives the answer.</summary>
    private static byte[] Ask(PasstNetwork network)
    {
        const int dhcp = Header + 14 + 20 + 8;
        byte[] packet = new byte[dhcp + 300];
        Span<byte> frame = packet.AsSpan(Header);
        frame[..6].Fill(0xff);
        s_mac.CopyTo(frame[6..]);
        BinaryPrimitives.WriteUInt16BigEndian(frame[12..], 0x0800);
        Span<byte> ip = frame[14..];
        (ip[0], ip[8], ip[9]) = (0x45, 64, 17);
        BinaryPrimitives.WriteUInt16BigEndian(ip[2..], (ushort)ip.Length);
        ip[16..20].Fill(0xff);
        BinaryPrimitives.WriteUInt16BigEndian(ip[10..], (ushort)~TestFrames.Sum(ip[..20]));
        BinaryPrimitives.WriteUInt16BigEndian(ip[20..], 68);
        BinaryPrimitives.WriteUInt16BigEndian(ip[22..], 67);
        BinaryPrimitives.WriteUInt16BigEndian(ip[24..], (ushort)(ip.Length - 20));
        Span<byte> request = packet.AsSpan(dhcp);
        (request[0], request[1], request[2]) = (1, 1, 6);
        s_mac.CopyTo(request[28..]);
        ((ReadOnlySpan<byte>)[99, 130, 83, 99, 53, 1, 3, 255]).CopyTo(request[236..]);

        byte[] answer = new byte[INetworkBackend.MostPacket];
        int length = 0;
        bool isAnswered = SpinWait.SpinUntil(
            () =>
            {
                Assert.True(network.TrySend(packet));
                return SpinWait.SpinUntil(() => (length = network.TryReceive(answer)) > dhcp + 240 && answer[Header + 14 + 9] == 17, 200);
            },
            s_patience);
        Assert.True(isAnswered, network.Fault);
        return answer[..length];
    }

    private static byte[] Option(byte[] answer, byte wanted)
    {
        for (int at = Header + 14 + 20 + 8 + 240; answer[at] != 255; at += 2 + answer[at + 1])
        {
            if (answer[at] == wanted)
            {
                return answer[(at + 2)..(at + 2 + answer[at + 1])];
            }
        }

        throw new InvalidOperationException($"no option {wanted}");
    }
}
