using System.Diagnostics;
using PsVm.Machine.Devices.Networks;
using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests.Devices.Networks;

/// <summary>TAP devices of the host, where the tests may make some.</summary>
public sealed class TapNetworkTests : IDisposable
{
    private const int Header = INetworkBackend.HeaderSize;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly string _device = $"psvm{Environment.ProcessId % 100_000}t{Random.Shared.Next(1000)}";

    public void Dispose() => IpCommand.Run("link", "delete", _device);

    [SkippableFact]
    public void Packets_go_both_ways_with_what_is_left_to_others()
    {
        Make();
        using TapNetwork network = new("net0", _device);
        Assert.Null(network.Fault);

        // The host's kernel asks for neighbours and routers of its new device; by IPv6's link-local address it answers to what is sent.
        byte[] packet = new byte[INetworkBackend.MostPacket];
        int length = 0;
        Assert.True(SpinWait.SpinUntil(() => (length = network.TryReceive(packet)) > 0, s_patience));
        Assert.InRange(length, Header + 14, 1600);
        Assert.True(network.TrySend(TestFrames.Tcp(isIpv4: true, 20_000, segment: 1448)));
        Assert.True(SpinWait.SpinUntil(() => Counter("rx_packets") > 0, s_patience));
        Assert.InRange(Counter("rx_bytes"), 20_000, 25_000); // as one, whose segments nobody has cut
    }

    [SkippableFact]
    public void What_makes_no_sense_goes_nowhere_and_does_no_harm()
    {
        Make();
        using TapNetwork network = new("net0", _device);
        byte[] wrong = TestFrames.Tcp(isIpv4: true, 2000, segment: 1448);
        (PacketHeader.Read(wrong) with { ChecksumStart = 60_000 }).Write(wrong);
        Assert.All([wrong, [], new byte[3], new byte[Header]], packet => Assert.True(network.TrySend(packet)));
        Assert.Null(network.Fault);
    }

    [SkippableFact]
    public void One_that_is_down_and_then_up_is_told_of()
    {
        Make();
        using TapNetwork network = new("net0", _device);
        int told = 0;
        network.Ready = () => Interlocked.Increment(ref told);
        IpCommand.Run("link", "set", _device, "down");

        // What came before may be told late, as if the device were up; then the next packet tells.
        string down = $"TAP device '{_device}' is down: ip link set {_device} up";
        Assert.True(
            SpinWait.SpinUntil(() => network.TrySend(TestFrames.Tcp(isIpv4: true, 100, 0)) && network.Fault == down, s_patience),
            network.Fault);
        IpCommand.Run("link", "set", _device, "up");
        Assert.True(SpinWait.SpinUntil(() => network.Fault is null, s_patience));
        Assert.True(SpinWait.SpinUntil(() => told > 0, s_patience));
        Assert.True(network.TrySend(TestFrames.Tcp(isIpv4: true, 100, 0)));
        Assert.Null(network.Fault);
    }

    [SkippableFact]
    public void One_that_goes_is_told_of()
    {
        Make();
        using TapNetwork network = new("net0", _device);
        int told = 0;
        network.Ready = () => Interlocked.Increment(ref told);
        byte[] packet = new byte[INetworkBackend.MostPacket];
        while (network.TryReceive(packet) > 0)
        {
        }

        IpCommand.Run("link", "delete", _device);

        Assert.True(SpinWait.SpinUntil(() => told > 0, s_patience), "nobody was told");
        Assert.True(SpinWait.SpinUntil(() => network.TryReceive(packet) == 0 && network.Fault is not null, s_patience));
        Assert.Equal($"TAP device '{_device}' has gone", network.Fault);
        Assert.True(network.TrySend(TestFrames.Tcp(isIpv4: true, 100, 0)));
    }

    [SkippableFact]
    public void One_that_goes_and_is_made_again_is_taken_again()
    {
        Make();
        using TapNetwork network = new("net0", _device);
        byte[] packet = new byte[INetworkBackend.MostPacket];
        IpCommand.Run("link", "delete", _device);
        Assert.True(SpinWait.SpinUntil(() => network.TryReceive(packet) == 0 && network.Fault is not null, s_patience));

        // Something else of the name is told, and not taken.
        Assert.Equal(0, IpCommand.Run("tuntap", "add", "dev", _device, "mode", "tun").ExitCode);
        Assert.True(
            SpinWait.SpinUntil(() => network.Fault?.Contains("which is a TUN device", StringComparison.Ordinal) == true, s_patience),
            network.Fault);
        Assert.Equal(0, network.Restarts);
        IpCommand.Run("link", "delete", _device);

        int told = 0;
        network.Ready = () => Interlocked.Increment(ref told);
        Make();
        Assert.True(SpinWait.SpinUntil(() => network.Restarts == 1 && network.Fault is null && told > 0, s_patience), network.Fault);
        Assert.True(
            SpinWait.SpinUntil(() => network.TrySend(
                TestFrames.Tcp(isIpv4: true, 100, 0)) && network.Fault is null && Counter("rx_packets") > 0, s_patience));
        Assert.True(SpinWait.SpinUntil(() => network.TryReceive(packet) > 0, s_patience));
    }

    [SkippableFact]
    public void One_that_somebody_has_is_an_error()
    {
        Make();
        using (new TapNetwork("net0", _device))
        {
            GuestException error = Assert.Throws<GuestException>(() => new TapNetwork("net1", _device));
            Assert.Equal(GuestErrorIds.TapInUse, error.ErrorId);
            Assert.Contains($"TAP device '{_device}', but another process, or guest, has it", error.Message, StringComparison.Ordinal);
        }

        new TapNetwork("net1", _device).Dispose();
    }

    [Fact]
    public void One_that_is_not_there_is_an_error_and_is_not_made()
    {
        GuestException error = Assert.Throws<GuestException>(() => new TapNetwork("net0", _device));
        Assert.Equal(GuestErrorIds.TapNotFound, error.ErrorId);
        Assert.Contains($"ip tuntap add dev {_device} mode tap", error.RecommendedAction, StringComparison.Ordinal);
        Assert.False(Directory.Exists($"/sys/class/net/{_device}"));
        Assert.Throws<GuestException>(() => TapNetwork.Check("net0", _device));
    }

    [Theory]
    [InlineData("lo", "another kind of device")]
    [InlineData("", "1 to 15 characters")]
    [InlineData("../lo", "1 to 15 characters")]
    [InlineData("..", "1 to 15 characters")]
    [InlineData("sixteen-or-longer", "1 to 15 characters")]
    public void What_is_no_tap_device_is_an_error(string device, string found)
    {
        GuestException error = Assert.Throws<GuestException>(() => new TapNetwork("net0", device));
        Assert.Equal(GuestErrorIds.TapInvalid, error.ErrorId);
        Assert.Contains(found, error.Message, StringComparison.Ordinal);
    }

    private void Make()
    {
        (int code, string said) = IpCommand.Run("tuntap", "add", "dev", _device, "mode", "tap");
        Skip.If(code != 0, $"no TAP device can be made here: {said.Trim()}");
        Assert.Equal((0, ""), IpCommand.Run("link", "set", _device, "up"));
    }

    private long Counter(string name) => long.Parse(
        File.ReadAllText($"/sys/class/net/{_device}/statistics/{name}"), System.Globalization.CultureInfo.InvariantCulture);
}
