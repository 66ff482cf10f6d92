using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http;
using System.Net.Sockets;
using System.Security.Cryptography;
using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests.Templates;

/// <summary>Debian's driver on the host's networks: by passt, and by a TAP device where the tests may make one.</summary>
public sealed class LinuxHostNetworkTests : TemplateTest
{
    private const int MiB = 1 << 20;

    private readonly string _device = $"psvm{Environment.ProcessId % 100_000}g{Random.Shared.Next(1000)}";

    /// <summary>What is moved each way; more by hand: PSVM_TEST_NETWORK_MIB=100.</summary>
    private static int Size =>
        int.TryParse(Environment.GetEnvironmentVariable("PSVM_TEST_NETWORK_MIB"), CultureInfo.InvariantCulture, out int number)
            ? number
            : 4;

    [SkippableFact]
    public async Task By_passt_ports_of_the_host_lead_to_the_guest_and_what_is_moved_both_ways_is_whole()
    {
        ushort http = HostPort.Free(), raw = HostPort.Free();
        string guest = BootOrSkip(
            new GuestNetworkOptions { Backend = NetworkBackend.Passt, Forward = [$"{http}:80", $"{raw}:81/tcp"] }, "");
        WaitForAddress(guest);

        Assert.Equal("65520", Run(guest, "cat /sys/class/net/eth0/mtu"));
        await MoveAsync(guest, new IPEndPoint(IPAddress.Loopback, http), new IPEndPoint(IPAddress.Loopback, raw));
        GuestNetworkAdapter adapter = Host.Get(guest).Networks[0];
        Assert.True(adapter is { Connected: true, LastFailure: null }, adapter.LastFailure);
        Assert.True(adapter.ReceivedBytes > Size * MiB && adapter.SentBytes > Size * MiB, $"{adapter.ReceivedBytes}, {adapter.SentBytes}");
        Assert.Equal("", Complaints(guest));
    }

    [SkippableFact]
    public void By_passt_a_guest_gets_at_nothing_that_listens_on_the_hosts_loopback_addresses()
    {
        ushort forwarded = HostPort.Free();
        string guest = BootOrSkip(new GuestNetworkOptions { Backend = NetworkBackend.Passt, Forward = [$"{forwarded}:80"] }, "");
        WaitForAddress(guest);
        using TcpListener four = new(IPAddress.Loopback, 0), six = new(IPAddress.IPv6Loopback, 0);
        four.Start();
        six.Start();
        (int port4, int port6) = (((IPEndPoint)four.LocalEndpoint).Port, ((IPEndPoint)six.LocalEndpoint).Port);

        // The gateways' addresses would be the way, and the host's own, which is the guest's too.
        Run(guest, $"for host in $(ip route | sed -n 's/^default via \\([^ ]*\\).*/\\1/p') 127.0.0.1 127.0.0.2 "
            + $"$(ip -4 addr show dev eth0 | sed -n 's/.*inet \\([^/]*\\).*/\\1/p'); do "
            + $"nc -w 1 $host {port4} </dev/null; done 2>/dev/null");
        Run(
            guest,
            $"for host in $(ip -6 route | sed -n 's/^default via \\([^ ]*\\).*/\\1%eth0/p') ::1 ::ffff:127.0.0.1; do nc -w 1 $host {port6} "
                + "</dev/null; done 2>/dev/null");

        Assert.False(four.Pending() || six.Pending());
        Assert.Equal("another program has it", Machine.Devices.Networks.PortForward.TryParse($"{forwarded}:80")!.WhyNot());
    }

    /// <summary>On hosts that let no ordinary user ping, PasstNetworkTests do it where they make a network of their own.</summary>
    [SkippableFact]
    public void By_passt_a_guest_pings_where_the_host_lets_ordinary_users()
    {
        string range = File.ReadAllText("/proc/sys/net/ipv4/ping_group_range").Trim();
        Skip.IfNot(
            range.Split('\t') is ["0", var last] && long.Parse(last, CultureInfo.InvariantCulture) >= 65534,
            $"net.ipv4.ping_group_range is {range}");
        string host = $"198.18.{Random.Shared.Next(1, 250)}.1";
        (int code, string said) = IpCommand.Run("addr", "add", $"{host}/32", "dev", "lo");
        Skip.If(code != 0, $"no address can be given to the host: {said.Trim()}");
        try
        {
            string guest = BootOrSkip(new GuestNetworkOptions { Backend = NetworkBackend.Passt }, "");
            WaitForAddress(guest);
            Assert.Contains("3 packets received", Run(guest, $"ping -c 3 -W 60 -s 1000 {host}"), StringComparison.Ordinal);
        }
        finally
        {
            IpCommand.Run("addr", "del", $"{host}/32", "dev", "lo");
        }
    }

    [SkippableFact]
    public async Task A_passt_that_is_killed_is_started_anew_and_the_guest_goes_on()
    {
        ushort http = HostPort.Free();
        string guest = BootOrSkip(new GuestNetworkOptions { Backend = NetworkBackend.Passt, Forward = [$"{http}:80"] }, "");
        WaitForAddress(guest);
        Run(guest, "mkdir /tmp/www; echo here >/tmp/www/index.html; httpd -p 80 -h /tmp/www");
        Assert.Equal("here\n", await GetAsync(http));

        using (Process passt = Process.GetProcessById(PasstOf(http)))
        {
            passt.Kill();
            await passt.WaitForExitAsync();
        }

        Assert.True(
            SpinWait.SpinUntil(() => PasstOf(http) > 0 && Host.Get(guest).Networks[0].Connected, Patience),
            Host.Get(guest).Networks[0].LastFailure);
        Assert.True(SpinWait.SpinUntil(
            () => Host.ReadEvents(0).Events.Any(one => one.Message.Contains("passt has gone", StringComparison.Ordinal)), Patience));
        Assert.Equal("here\n", await GetOnceAnnouncedAsync(http));
        Assert.Equal("1", Run(guest, "cat /sys/class/net/eth0/carrier"));
    }

    [SkippableFact]
    public async Task By_a_tap_device_the_guest_is_on_the_hosts_side_of_it_until_that_goes()
    {
        int net = Random.Shared.Next(1, 250);
        IPAddress host = IPAddress.Parse($"198.18.{net}.1"), there = IPAddress.Parse($"198.18.{net}.2");
        (int code, string said) = IpCommand.Run("tuntap", "add", "dev", _device, "mode", "tap");
        Skip.If(code != 0, $"no TAP device can be made here: {said.Trim()}");
        Assert.Equal((0, ""), IpCommand.Run("addr", "add", $"{host}/24", "dev", _device));
        Assert.Equal((0, ""), IpCommand.Run("link", "set", _device, "up"));
        string guest = BootOrSkip(new GuestNetworkOptions { Backend = NetworkBackend.Tap, Device = _device }, $"ip={there}/24");

        Assert.Contains("1 packets received", Run(guest, $"ping -c 1 -W 60 {host}"), StringComparison.Ordinal);
        await MoveAsync(guest, new IPEndPoint(there, 80), new IPEndPoint(there, 81));

        IpCommand.Run("link", "delete", _device);
        Assert.True(
            SpinWait.SpinUntil(
                () => Host.Get(guest).Networks[0] is { Connected: false, LastFailure: { } why }
                    && why.Contains("has gone", StringComparison.Ordinal),
                Patience),
            Host.Get(guest).Networks[0].LastFailure);
        Assert.Equal(
            "0",
            Run(guest, "while [ \"$(cat /sys/class/net/eth0/carrier)\" != 0 ]; do usleep 10000; done; cat /sys/class/net/eth0/carrier"));
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        base.Dispose();
        IpCommand.Run("link", "delete", _device);
    }

    private static async Task<string> GetAsync(ushort port)
    {
        using HttpClient client = new() { Timeout = Patience };
        return await client.GetStringAsync(new Uri($"http://127.0.0.1:{port}/index.html"));
    }

    /// <summary>Gets it from a guest that passt may not have heard of yet: what comes until then is refused.</summary>
    private static async Task<string> GetOnceAnnouncedAsync(ushort port)
    {
        for (long began = Stopwatch.GetTimestamp(); ;)
        {
            try
            {
                return await GetAsync(port);
            }
            catch (HttpRequestException) when (Stopwatch.GetElapsedTime(began) < Patience)
            {
                await Task.Delay(20);
            }
        }
    }

    /// <summary>The process that forwards a port; 0: there is none.</summary>
    private static int PasstOf(ushort port)
    {
        foreach (Process process in Process.GetProcesses())
        {
            using (process)
            {
                try
                {
                    string line = File.ReadAllText($"/proc/{process.Id}/cmdline");
                    if (line.StartsWith('/') && line.Contains("passt", StringComparison.Ordinal)
                        && line.Contains($"127.0.0.1/{port}:80", StringComparison.Ordinal))
                    {
                        return process.Id;
                    }
                }
                catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
                {
                    // It has ended, or is somebody else's.
                }
            }
        }

        return 0;
    }

    /// <summary>Moves random bytes both ways, and compares their checksums.</summary>
    private async Task MoveAsync(string guest, IPEndPoint http, IPEndPoint raw)
    {
        Run(guest, $"mkdir /tmp/www; dd if=/dev/urandom of=/tmp/www/data bs=1M count={Size} 2>/dev/null; httpd -p 80 -h /tmp/www");
        string sum = Run(guest, "sha256sum </tmp/www/data | cut -c1-64");
        using (HttpClient client = new() { Timeout = Patience })
        {
            byte[] got = await client.GetByteArrayAsync(new Uri($"http://{http}/data"));
            Assert.Equal(sum, Convert.ToHexStringLower(SHA256.HashData(got)));
        }

        byte[] bytes = new byte[Size * MiB];
        new Random(1).NextBytes(bytes);

        // Its input has no end: passt stops giving to who has ended what it sends.
        Run(
            guest,
            "rm /tmp/www/data; mkfifo /tmp/open; (nc -l -p 81 0<>/tmp/open | sha256sum | cut -c1-64 >/tmp/sum; mv /tmp/sum /tmp/got) & :");
        Run(guest, "while ! netstat -lnt | grep -q ':81 '; do usleep 10000; done");
        using (TcpClient client = new())
        {
            await client.ConnectAsync(raw);
            NetworkStream stream = client.GetStream();
            await stream.WriteAsync(bytes);
            client.Client.Shutdown(SocketShutdown.Send);
            Assert.Equal(0, await stream.ReadAsync(new byte[1]).AsTask().WaitAsync(Patience));
        }

        Assert.Equal(
            Convert.ToHexStringLower(SHA256.HashData(bytes)), Run(guest, "while [ ! -e /tmp/got ]; do usleep 10000; done; cat /tmp/got"));
    }

    private void WaitForAddress(string guest) =>
        Run(
            guest,
            "while ! ip -4 addr show dev eth0 | grep -q inet; do usleep 20000; done; while ! ip route | grep -q default; do usleep 20000; "
                + "done");

    private string BootOrSkip(GuestNetworkOptions network, string commandLine)
    {
        LinuxGuest linux = LinuxGuest.GetOrSkip();
        try
        {
            return Boot(new GuestOptions
            {
                Memory = (Size > 32 ? 512 : 128) * MiB,
                Kernel = linux.Kernel,
                Initrd = linux.Initrd,
                CommandLine = $"console=ttyS0 quiet {commandLine}",
                Networks = [network],
            });
        }
        catch (GuestException missing) when (missing.ErrorId is GuestErrorIds.NetworkProgramMissing or GuestErrorIds.NetworkProgramFailed)
        {
            throw new SkipException(missing.Message);
        }
    }
}
