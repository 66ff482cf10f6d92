using PsVm.Machine.Devices.Networks;
using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests.Devices.Networks;

/// <summary>Segments of a host: who gets what, and what nobody gets.</summary>
public sealed class HubTests : IDisposable
{
    private static readonly MacAddress s_all = new(0xffff_ffff_ffff), s_nobodys = new(0x0200_0000_0001);

    private readonly NetworkHubs _hubs = new();
    private readonly List<HubPort> _ports = [];

    public void Dispose() => _ports.ForEach(port => port.Dispose());

    [Theory]
    [InlineData("52:54:00:12:34:56", true)]
    [InlineData("52-54-00-aB-Cd-eF", true)]
    [InlineData("02:00:00:00:00:00", true)]
    [InlineData("00:00:00:00:00:00", false)]
    [InlineData("53:54:00:12:34:56", false)] // of a group
    [InlineData("ff:ff:ff:ff:ff:ff", false)]
    [InlineData("52:54:00:12:34", false)]
    [InlineData("52:54:00:12:34:56:78", false)]
    [InlineData("52:54:00:12:34:5", false)]
    [InlineData("52:54:00:12:34: 5", false)]
    [InlineData("52:54:00:12-34-56", false)]
    [InlineData("", false)]
    [InlineData(null, false)]
    public void An_address_is_one_adapters(string? text, bool isOne)
    {
        Assert.Equal(isOne, MacAddress.TryParse(text, out MacAddress address));
        Assert.True(!isOne || address.ToString() == text!.ToLowerInvariant().Replace('-', ':'));
    }

    [Fact]
    public void Addresses_by_chance_are_nobodys()
    {
        for (int i = 0; i < 1000; i++)
        {
            MacAddress address = _hubs.TakeAny();
            Assert.True(MacAddress.TryParse(address.ToString(), out MacAddress same) && same == address);
            Assert.Equal(2ul, address.Value >> 40 & 3);
            Assert.False(_hubs.TryTake(address));
        }
    }

    [Fact]
    public void A_packet_for_one_goes_to_it_alone_and_one_for_all_to_all_of_the_segment()
    {
        (HubPort a, HubPort b, HubPort c, HubPort elsewhere) = (Join("lan"), Join("LAN"), Join("lan"), Join("other"));

        a.TrySend(Frames.Packet(b.Address, a.Address, "one"));
        Assert.Equal("one", Frames.TextOf(b));
        Assert.Equal([null, null, null], new[] { a, c, elsewhere }.Select(Frames.TextOf));

        a.TrySend(Frames.Packet(s_all, a.Address, "all"));
        Assert.Equal([null, "all", "all", null], new[] { a, b, c, elsewhere }.Select(Frames.TextOf));

        a.TrySend(Frames.Packet(elsewhere.Address, a.Address, "over there"));
        a.TrySend(Frames.Packet(a.Address, a.Address, "myself"));
        Assert.Equal([null, null, null, null], new[] { a, b, c, elsewhere }.Select(Frames.TextOf));
        Assert.Equal((2, 0), (a.SentDropped, b.SentDropped));
    }

    [Fact]
    public void Nobody_sends_with_an_address_that_is_not_the_adapters_on_whatever_segment()
    {
        (HubPort a, HubPort b, HubPort c, HubPort elsewhere) = (Join("lan"), Join("lan"), Join("lan"), Join("other"));

        foreach (MacAddress from in new[] { b.Address, elsewhere.Address, s_all, new MacAddress(b.Address.Value | (1ul << 40)), s_nobodys })
        {
            Assert.True(a.TrySend(Frames.Packet(c.Address, from, "me?")));
            Assert.True(a.TrySend(Frames.Packet(s_all, from, "me?")));
        }

        Assert.Equal([null, null], new[] { b, c }.Select(Frames.TextOf));
        Assert.Equal((10, 10), (a.SentDropped, a.SentSpoofed));
        a.TrySend(Frames.Packet(elsewhere.Address, a.Address, "over there"));
        Assert.Equal((11, 10, 0), (a.SentDropped, a.SentSpoofed, c.SentSpoofed));
    }

    [Fact]
    public void A_clone_that_goes_on_with_the_address_of_its_template_has_that_too_until_it_sets_its_own_or_another_has_it()
    {
        (HubPort clone, HubPort peer) = (Join("lan"), Join("lan"));
        NetworkAdapter adapter = new(clone.Address, 1500, clone) { DriverAddress = s_nobodys };

        clone.TrySend(Frames.Packet(peer.Address, s_nobodys, "as the template"));
        clone.TrySend(Frames.Packet(peer.Address, clone.Address, "as itself"));
        Assert.Equal(["as the template", "as itself"], new[] { peer, peer }.Select(Frames.TextOf));

        Assert.True(_hubs.TryTake(s_nobodys));
        clone.TrySend(Frames.Packet(peer.Address, s_nobodys, "as another"));
        _hubs.GiveBack(s_nobodys);
        Assert.Equal((null, 1), (Frames.TextOf(peer), adapter.Counts.SentSpoofed));

        adapter.DriverAddress = clone.Address;
        clone.TrySend(Frames.Packet(peer.Address, s_nobodys, "as the template"));
        Assert.Equal((null, 2, 2), (Frames.TextOf(peer), adapter.Counts.SentSpoofed, adapter.Counts.SentDropped));
    }

    [Fact]
    public void What_makes_no_sense_is_dropped()
    {
        (HubPort a, HubPort b) = (Join("lan"), Join("lan"));
        byte[] packet = Frames.Packet(b.Address, a.Address, "text");

        for (int length = 0; length < INetworkBackend.HeaderSize + 14; length++)
        {
            Assert.True(a.TrySend(packet.AsSpan(0, length)));
        }

        Assert.True(a.TrySend(new byte[INetworkBackend.MostPacket + 1]));
        Assert.Null(Frames.TextOf(b));
        Assert.Equal(INetworkBackend.HeaderSize + 14 + 1, a.SentDropped);
    }

    [Fact]
    public void A_flood_is_bounded_leaves_room_for_others_and_has_no_more_turns_than_they()
    {
        (HubPort flood, HubPort other, HubPort third, HubPort victim) = (Join("lan"), Join("lan"), Join("lan"), Join("lan"));
        byte[] much = Frames.Packet(victim.Address, flood.Address, new string('x', 60_000));
        for (int i = 0; i < 10_000; i++)
        {
            Assert.True(flood.TrySend(much)); // it never waits
        }

        Assert.InRange(victim.Waiting, HubPort.MostBytes / 3, HubPort.MostBytes / 2);
        for (int i = 0; i < 100; i++)
        {
            Assert.True(flood.TrySend(Frames.Packet(s_all, flood.Address, "s")));
        }

        other.TrySend(Frames.Packet(victim.Address, other.Address, "1"));
        other.TrySend(Frames.Packet(victim.Address, other.Address, "2"));
        third.TrySend(Frames.Packet(victim.Address, third.Address, "3"));
        IEnumerable<string> first = Enumerable.Range(0, 5).Select(_ => Frames.TextOf(victim)!).Where(text => text.Length < 3);
        Assert.Equal("1 3 2", string.Join(' ', first));
        Assert.Equal(0, other.SentDropped + third.SentDropped);
        Assert.True(victim.ReceivedDropped > 9_900, $"{victim.ReceivedDropped}");

        while (Frames.TextOf(victim) is not null)
        {
        }

        Assert.Equal(0, victim.Waiting);
        flood.TrySend(Frames.Packet(victim.Address, flood.Address, "again"));
        Assert.Equal("again", Frames.TextOf(victim));
    }

    [Fact]
    public void Small_packets_are_bounded_by_their_number()
    {
        (HubPort a, HubPort b) = (Join("lan"), Join("lan"));
        byte[] small = Frames.Packet(b.Address, a.Address, "");

        for (int i = 0; i < 100_000; i++)
        {
            a.TrySend(small);
        }

        int count = 0;
        while (Frames.TextOf(b) is not null)
        {
            count++;
        }

        Assert.InRange(count, 100, 4096);
        Assert.Equal(100_000 - count, b.ReceivedDropped);
    }

    [Fact]
    public void An_adapter_is_told_once_after_it_found_nothing_and_on_another_thread()
    {
        (HubPort a, HubPort b) = (Join("lan"), Join("lan"));
        using SemaphoreSlim told = new(0);
        int sender = Environment.CurrentManagedThreadId, count = 0;
        int? wrong = null;
        Lock gate = new(); // as that of the sender's device
        b.Ready = () =>
        {
            wrong = Environment.CurrentManagedThreadId == sender ? sender : wrong;
            Interlocked.Increment(ref count);
            told.Release();
        };

        lock (gate)
        {
            a.TrySend(Frames.Packet(b.Address, a.Address, "1"));
            a.TrySend(Frames.Packet(b.Address, a.Address, "2"));
            Assert.True(told.Wait(TimeSpan.FromSeconds(30)));
        }

        Assert.Equal(["1", "2", null], Enumerable.Range(0, 3).Select(_ => Frames.TextOf(b)));
        a.TrySend(Frames.Packet(b.Address, a.Address, "3"));
        Assert.True(told.Wait(TimeSpan.FromSeconds(30)));
        Assert.Equal(2, count);
        Assert.Null(wrong);
    }

    [Fact]
    public void Who_is_gone_or_has_no_driver_gets_nothing_and_keeps_nothing()
    {
        (HubPort a, HubPort b, HubPort c) = (Join("lan"), Join("lan"), Join("lan"));
        a.TrySend(Frames.Packet(s_all, a.Address, "all"));
        b.Ready = null;
        a.TrySend(Frames.Packet(b.Address, a.Address, "one"));

        Assert.Equal((0, 1), (b.Waiting, b.ReceivedDropped));
        Assert.Null(Frames.TextOf(b));
        Assert.Equal("all", Frames.TextOf(c));

        c.Dispose();
        c.Dispose();
        a.TrySend(Frames.Packet(c.Address, a.Address, "one"));
        Assert.Equal(1, a.SentDropped);
        Assert.Null(Frames.TextOf(c));
    }

    [Fact]
    public async Task Many_send_while_others_come_and_go()
    {
        HubPort[] stay = [.. Enumerable.Range(0, 4).Select(_ => Join("lan"))];
        using CancellationTokenSource over = new();
        Task changes = Task.Run(() =>
        {
            for (int i = 0; i < 2000; i++)
            {
                MacAddress address = _hubs.TakeAny();
                using HubPort port = _hubs.Join("lan", address);
                port.Ready = () => { };
                port.TrySend(Frames.Packet(s_all, address, "hello"));
                Frames.TextOf(port);
                _hubs.GiveBack(address);
            }

            over.Cancel();
        });
        Task<int>[] works =
        [
            .. stay.Select((port, number) => Task.Run(() =>
            {
                int got = 0;
                for (int turn = 0; turn < 500 || !over.IsCancellationRequested; turn++)
                {
                    port.TrySend(Frames.Packet(stay[(number + 1) % 4].Address, port.Address, $"{number}"));
                    port.TrySend(Frames.Packet(s_all, port.Address, $"{number}"));
                    while (Frames.TextOf(port) is { } text)
                    {
                        got += text is "hello" or "0" or "1" or "2" or "3" ? 1 : throw new InvalidOperationException(text);
                    }
                }

                return got;
            })),
        ];

        await changes;
        Assert.All(await Task.WhenAll(works), got => Assert.True(got > 0));
        Assert.All(stay, port => Assert.InRange(port.Waiting, 0, HubPort.MostBytes));
    }

    private HubPort Join(string segment)
    {
        HubPort port = _hubs.Join(segment, _hubs.TakeAny());
        port.Ready = () => { };
        _ports.Add(port);
        return port;
    }
}
