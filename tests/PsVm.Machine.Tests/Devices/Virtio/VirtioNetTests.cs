using System.Buffers.Binary;
using PsVm.Machine.Devices.Networks;
using PsVm.Machine.Devices.Virtio;
using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests.Devices.Virtio;

/// <summary>The network adapter by its registers: a driver that behaves, and one that does not.</summary>
public sealed class VirtioNetTests : IDisposable
{
    private const ulong Checksum = 1 << 0, GuestChecksum = 1 << 1, GuestTcp4 = 1 << 7,
        HostTcp4 = 1 << 11, Merge = 1 << 15, Status = 1 << 16, Commands = 1 << 17, Announce = 1 << 21;

    private const ulong All =
        VirtioDriver.Version1 | Checksum | GuestChecksum | GuestTcp4 | HostTcp4 | Merge | Status | Commands | Announce;
    private const uint In = 0, Out = 1, Control = 2;
    private const ulong Rings = VirtioSlot.RamStart, Buffers = VirtioSlot.RamStart + 0x2_0000, Config = 0x100;
    private const int Header = INetworkBackend.HeaderSize;

    private static readonly MacAddress s_own = new(0x5254_0012_3456), s_other = new(0x5254_0012_3457);

    private readonly FakeNetwork _network = new();
    private readonly NetworkAdapter _adapter;
    private readonly VirtioSlot _slot;
    private readonly VirtioDriver _driver;
    private readonly VirtioRing[] _rings = new VirtioRing[3];

    public VirtioNetTests()
    {
        _adapter = new NetworkAdapter(s_own, 1400, _network);
        _slot = new VirtioSlot(port => new VirtioNet(port, _adapter));
        _driver = new VirtioDriver(_slot.Device, _slot.Ram);
    }

    public void Dispose() => _slot.Dispose();

    [Fact]
    public void A_driver_reads_address_link_and_mtu_and_learns_of_a_link_that_changes()
    {
        Begin();
        Assert.Equal(
            "52 54 00 12 34 56", string.Join(' ', Enumerable.Range(0, 6).Select(i => $"{_slot.Device.Read(Config + (uint)i, 1):x2}")));
        Assert.Equal((1ul, 1ul, 1400ul), (LinkStatus, _slot.Device.Read(Config + 8, 2), _slot.Device.Read(Config + 10, 2)));

        _network.Fault = "unplugged";
        _network.Bring();
        Assert.Equal((0ul, 2ul), (LinkStatus, _driver.Interrupts & 2));
        Send(Frames.Packet(s_other, s_own, "lost"));
        Assert.Empty(_network.Sent);
        Assert.Equal(1, _adapter.Counts.SentDropped);

        _driver.AcknowledgeInterrupts();
        _network.Fault = null;
        _network.Bring();
        Assert.Equal((3ul, 2ul), (LinkStatus, _driver.Interrupts & 2)); // and is to announce itself there
    }

    [Fact]
    public void A_network_that_has_forgotten_the_guest_is_told_of_it_also_where_nobody_saw_the_link_go()
    {
        Begin();
        Assert.Equal(1ul, LinkStatus);

        _network.Restarts++;
        _network.Bring();
        Assert.Equal((3ul, 2ul), (LinkStatus, _driver.Interrupts & 2));

        _driver.AcknowledgeInterrupts();
        _network.Bring();
        Assert.Equal(0ul, _driver.Interrupts & 2);
    }

    [Fact]
    public void A_driver_announces_itself_some_times_over_to_a_network_that_is_there_again()
    {
        Begin();
        _network.Fault = "unplugged";
        _network.Bring();
        _network.Fault = null;
        _network.Bring();

        for (int round = 0; round < 5; round++)
        {
            Assert.True(SpinWait.SpinUntil(() => LinkStatus == 3, TimeSpan.FromSeconds(30)), $"round {round}");
            _driver.AcknowledgeInterrupts();
            Assert.Equal(0, Command(3, 0));
            Assert.Equal(1ul, LinkStatus);
        }

        // A driver that begins anew owes nothing.
        Begin();
        Assert.Equal(1ul, LinkStatus);
    }

    [Fact]
    public void An_adapter_that_leads_nowhere_has_its_link_down_and_takes_what_is_sent()
    {
        NetworkAdapter nowhere = new(s_own, 1500, backend: null);
        using VirtioSlot slot = new(port => new VirtioNet(port, nowhere));
        VirtioDriver driver = new(slot.Device, slot.Ram);
        Assert.True(driver.Agree(All));
        VirtioRing ring = driver.AddQueue(Out, 8, Rings);
        driver.Go();

        slot.Ram.Write(Buffers, Frames.Packet(s_other, s_own, "text"));
        ring.Publish(ring.Chain((Buffers, 30, false)));
        driver.Notify(Out);

        Assert.Equal((0u, 0u), ring.Take());
        Assert.Equal(0ul, slot.Device.Read(Config + 6, 2));
        Assert.Equal(1, nowhere.Counts.SentDropped);
    }

    [Fact]
    public void What_is_sent_arrives_and_is_counted()
    {
        Begin();
        byte[] packet = Frames.Packet(s_other, s_own, "hello");

        Send(packet, split: 20);
        Send(packet);

        Assert.Equal(["hello", "hello"], _network.Sent.Select(sent => Frames.TextOf(sent)));
        Assert.All(_network.Sent, sent => Assert.Equal(packet, sent));
        Assert.Equal(new AdapterCounts(0, 0, 2, 2 * (packet.Length - Header), 0, 0, 0), _adapter.Counts);
    }

    [Fact]
    public void What_comes_goes_into_a_buffer_or_into_as_many_as_it_takes()
    {
        Begin();
        byte[] small = Frames.Packet(s_own, s_other, "hello"), large = Frames.Packet(s_own, s_other, new string('y', 2500));
        Give(1000, 4);

        _network.Bring(small, large);

        Assert.Equal(small.Length, (int)_rings[In].WaitTaken().Written);
        Assert.Equal(1, BinaryPrimitives.ReadUInt16LittleEndian(_slot.Ram.Read(Buffers + 10, 2)));
        Assert.Equal("hello", Frames.TextOf(_slot.Ram.Read(Buffers, small.Length)));
        (uint Head, uint Written)[] three = [_rings[In].WaitTaken(), _rings[In].Take()!.Value, _rings[In].Take()!.Value];
        Assert.Equal([(1u, 1000u), (2u, 1000u), (3u, (uint)large.Length - 2000)], three);
        byte[] all = [.. _slot.Ram.Read(Buffers + 1000, large.Length)];
        Assert.Equal(3, BinaryPrimitives.ReadUInt16LittleEndian(all.AsSpan(10)));
        Assert.Equal(large.AsSpan(Header).ToArray(), all.AsSpan(Header).ToArray());
        Assert.Equal(
            (2, small.Length + large.Length - (2 * Header)), (_adapter.Counts.ReceivedPackets, (int)_adapter.Counts.ReceivedBytes));
    }

    [Fact]
    public void What_came_is_the_drivers_when_the_thread_that_told_of_it_goes_on_and_no_other_was_woken()
    {
        Begin();
        Give(1000, 4);

        _network.Bring(Frames.Packet(s_own, s_other, "now"));

        Assert.Equal(1, _rings[In].Returned);
        Assert.Equal(1u, _driver.Interrupts & 1);
    }

    [Fact]
    public void All_buffers_of_a_packet_show_at_once()
    {
        Begin(size: 256);
        byte[] packet = Frames.Packet(s_own, s_other, new string('z', 280));
        Give(100, 255);
        using CancellationTokenSource over = new();
        int wrong = 0;
        Thread watcher = new(() =>
        {
            while (!over.IsCancellationRequested)
            {
                wrong = Math.Max(wrong, _rings[In].Returned % 4);
            }
        });
        watcher.Start();

        for (int round = 0; round < 100; round++)
        {
            _network.Bring([.. Enumerable.Repeat(packet, 60)]);
            Assert.True(
                SpinWait.SpinUntil(() => _rings[In].Returned == (ushort)((round + 1) * 240), TimeSpan.FromSeconds(30)), $"round {round}");
            for (int i = 0; i < 240; i++)
            {
                Assert.NotNull(_rings[In].Take());
                _rings[In].Publish((ushort)(((round * 240) + i) % 255));
            }

            _driver.Notify(In);
        }

        over.Cancel();
        watcher.Join();
        Assert.Equal(280 + 14 + Header, packet.Length);
        Assert.Equal(0, wrong);
        Assert.Equal(6000, _adapter.Counts.ReceivedPackets);
    }

    [Fact]
    public void Buffers_that_wait_for_more_are_in_the_ring_while_the_guest_is_held_and_in_a_template()
    {
        Begin();
        Give(1000, 2);
        _network.Bring(Frames.Packet(s_own, s_other, new string('x', 2500)));
        Assert.True(SpinWait.SpinUntil(() => _network.Waiting == 0, TimeSpan.FromSeconds(30)));

        Hold();
        byte[] state = _slot.Save();
        Assert.Equal(0, _rings[In].Returned);

        // A clone has not the packet that was on its way; the next one goes into the first buffer.
        FakeNetwork others = new();
        NetworkAdapter adapter = new(s_other, 1400, others);
        using VirtioSlot clone = new(port => new VirtioNet(port, adapter));
        clone.Ram.Write(Rings, _slot.Ram.Read(Rings, 0x2_0000));
        clone.Device.Pause();
        clone.Restore(state);
        clone.Device.Resume();
        others.Bring(Frames.Packet(s_other, s_own, "clone"));
        VirtioRing ring = new(clone.Ram, 64, Rings);
        Assert.Equal((0u, (uint)Header + 14 + 5), ring.WaitTaken());
        Assert.Equal("clone", Frames.TextOf(clone.Ram.Read(Buffers, Header + 14 + 5)));

        // The guest itself goes on with it.
        _slot.Device.Resume();
        Give(1000, 1, from: 2);
        Assert.Equal([0u, 1u, 2u], new[] { _rings[In].WaitTaken().Head, _rings[In].Take()!.Value.Head, _rings[In].Take()!.Value.Head });
        Assert.Equal(0ul, _driver.Status & VirtioDriver.NeedsReset);
    }

    [Fact]
    public void A_packet_that_all_buffers_together_cannot_hold_is_dropped_and_the_next_one_comes()
    {
        Begin(size: 8);
        Give(100, 8);

        _network.Bring(Frames.Packet(s_own, s_other, new string('x', 2500)), Frames.Packet(s_own, s_other, "next"));

        Assert.Equal((0u, (uint)Header + 14 + 4), _rings[In].WaitTaken());
        Assert.Equal("next", Frames.TextOf(_slot.Ram.Read(Buffers, Header + 14 + 4)));
        Assert.Equal(1, _adapter.Counts.ReceivedDropped);
    }

    [Fact]
    public void Who_takes_no_packet_in_pieces_gets_those_that_fit()
    {
        Begin(All & ~Merge);
        Give(1000, 2);

        _network.Bring(
            Frames.Packet(s_own, s_other, new string('x', 2500)),
            Frames.Packet(s_own, s_other, "fits"),
            Frames.Packet(s_own, s_other, "too"));

        Assert.Equal((0u, (uint)Header + 18), _rings[In].WaitTaken());
        Assert.Equal((1u, (uint)Header + 17), _rings[In].WaitTaken());
        Assert.Equal(1, _adapter.Counts.ReceivedDropped);
    }

    [Fact]
    public void What_the_network_has_no_room_for_waits_in_the_ring()
    {
        Begin();
        _network.Room = 1;
        Send(Frames.Packet(s_other, s_own, "1"));
        Publish(Out, Frames.Packet(s_other, s_own, "2"), Buffers + 0x1000);
        Publish(Out, Frames.Packet(s_other, s_own, "3"), Buffers + 0x2000);
        _driver.Notify(Out);
        Assert.Equal((1, 1), (_rings[Out].Returned, _network.Sent.Count));

        Hold();
        byte[] state = _slot.Save();
        _slot.Device.Resume();
        _network.Room = 2;
        _network.Bring();
        Assert.True(SpinWait.SpinUntil(() => _network.Sent.Count == 3, TimeSpan.FromSeconds(30)));
        Assert.Equal(["1", "2", "3"], _network.Sent.Select(sent => Frames.TextOf(sent)));

        // In a clone they go on by themselves.
        FakeNetwork others = new();
        using VirtioSlot clone = new(port => new VirtioNet(port, new NetworkAdapter(s_other, 1400, others)));
        clone.Ram.Write(Rings, _slot.Ram.Read(Rings, 0x3_0000));
        clone.Device.Pause();
        clone.Restore(state);
        clone.Device.Resume();
        Assert.True(SpinWait.SpinUntil(() => others.Sent.Count == 2, TimeSpan.FromSeconds(30)));
        Assert.Equal(["2", "3"], others.Sent.Select(sent => Frames.TextOf(sent)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(11)]
    [InlineData(Header + 13)]
    [InlineData(INetworkBackend.MostPacket + 1)]
    public void A_packet_of_no_possible_length_is_dropped(int length)
    {
        Begin();

        Publish(Out, new byte[length], Buffers);
        _driver.Notify(Out);

        Assert.Equal((0u, 0u), _rings[Out].Take());
        Assert.Empty(_network.Sent);
        Assert.Equal(1, _adapter.Counts.SentDropped);
    }

    [Theory]
    [InlineData(1, 0, 0, 14, 4, false, 1)] // a checksum that is left to others
    [InlineData(2, 0, 0, 0, 0, false, 0)] // one that the sender says is right
    [InlineData(1, 0, 0, 14, 100, true, 0)] // where there is none
    [InlineData(1, 0, 0, 65535, 65535, true, 0)]
    [InlineData(1, 1, 0, 34, 16, true, 0)] // segments of no size
    [InlineData(1, 1, 100, 34, 16, true, 0)] // of what is no TCP
    [InlineData(0, 1, 100, 34, 16, true, 0)] // without a checksum that is left to others
    [InlineData(1, 3, 100, 34, 6, true, 0)] // of UDP
    [InlineData(1, 5, 100, 34, 6, true, 0)]
    [InlineData(1, 4, 100, 54, 16, true, 0)] // of IPv6, which was not agreed on
    [InlineData(1, 0x7f, 100, 34, 16, true, 0)]
    public void A_sender_says_nothing_that_makes_no_sense(
        int flags, int kind, int size, int start, int offset, bool isDropped, int flagsAfter)
    {
        Begin();
        byte[] packet = Frames.Packet(s_other, s_own, new string('t', 90));
        new PacketHeader((byte)flags, (byte)kind, 0, (ushort)size, (ushort)start, (ushort)offset).Write(packet);
        packet[10] = 77; // a number of buffers, which is the receiver's

        Send(packet);

        Assert.Equal(isDropped ? 0 : 1, _network.Sent.Count);
        Assert.Equal(isDropped ? 1 : 0, _adapter.Counts.SentDropped);
        Assert.All(_network.Sent, sent => Assert.Equal((flagsAfter, 0), (sent[0], sent[10])));
    }

    [Fact]
    public void A_driver_that_has_not_agreed_to_it_leaves_no_checksum_to_others()
    {
        Begin(All & ~Checksum);
        byte[] packet = Frames.Packet(s_other, s_own, new string('t', 90));
        new PacketHeader(PacketHeader.NeedsChecksum, 0, 0, 0, 14, 4).Write(packet);

        Send(packet);

        Assert.Empty(_network.Sent);
    }

    [Fact]
    public void A_driver_gets_what_it_takes_whole_and_all_else_finished_and_in_segments()
    {
        byte[] packet = Frames.Tcp4(s_own, s_other, payload: 3000, segment: 1000);

        Begin();
        Give(4000, 4);
        _network.Bring(packet);
        (_, uint written) = _rings[In].WaitTaken();
        Assert.Equal((uint)packet.Length, written);
        byte[] whole = _slot.Ram.Read(Buffers, packet.Length);
        Assert.Equal((PacketHeader.NeedsChecksum, PacketHeader.Tcp4), (whole[0], whole[1]));

        foreach (ulong features in new[] { All & ~GuestTcp4, All & ~GuestTcp4 & ~GuestChecksum })
        {
            Begin(features);
            Give(4000, 4);
            _network.Bring(packet);
            for (uint i = 0; i < 3; i++)
            {
                (uint head, written) = _rings[In].WaitTaken();
                Assert.Equal((i, (uint)Header + 54 + 1000), (head, written));
                byte[] segment = _slot.Ram.Read(Buffers + (i * 4000), (int)written);
                Assert.Equal((0, 0, 1), (segment[0], segment[1], segment[10]));
                Assert.True(Frames.HasRightTcp4Checksum(segment), $"segment {i}");
            }
        }

        Begin(All & ~GuestTcp4 & ~GuestChecksum);
        Give(4000, 1);
        byte[] one = Frames.Tcp4(s_own, s_other, payload: 100, segment: 0);
        _network.Bring(one);
        (_, written) = _rings[In].WaitTaken();
        Assert.Equal((uint)one.Length, written);
        byte[] finished = _slot.Ram.Read(Buffers, one.Length);
        Assert.Equal(0, finished[0]);
        Assert.True(Frames.HasRightTcp4Checksum(finished));
    }

    [Theory]
    [InlineData(In, 100, 0, "to receive into")]
    [InlineData(In, 0, 0, "to receive into")]
    [InlineData(In, 0, 11, "to receive into")]
    [InlineData(Control, 1, 1, "a command")]
    [InlineData(Control, 8, 0, "a command")]
    public void A_wrong_buffer_stops_the_device_until_it_is_reset(uint queue, int readable, int writable, string complaint)
    {
        Begin();
        _rings[queue].Publish(_rings[queue].Chain((Buffers, readable, false), (Buffers + 0x1000, writable, true)));
        _driver.Notify(queue);
        _network.Bring(Frames.Packet(s_own, s_other, "text"));

        Assert.True(SpinWait.SpinUntil(() => (_driver.Status & VirtioDriver.NeedsReset) != 0, TimeSpan.FromSeconds(30)));
        Assert.Contains(complaint, _slot.Device.Fault, StringComparison.Ordinal);

        Begin();
        Give(1000, 1);
        _network.Bring(Frames.Packet(s_own, s_other, "again"));
        Assert.Equal((uint)Header + 14 + 5, _rings[In].WaitTaken().Written);
    }

    [Fact]
    public void Commands_are_obeyed_or_answered_with_an_error()
    {
        Begin();

        Assert.Equal([0, 0, 0, 0, 0, 0, 1], Enumerable.Range(0, 7).Select(mode => Command(0, (byte)mode, 1)));
        Assert.Equal(0, Command(1, 0, new byte[100]));
        Assert.Equal(0, Command(1, 1, Bytes(s_own)));
        Assert.Equal(1, Command(1, 1, Bytes(s_other))); // an address is the host's to say
        Assert.Equal(1, Command(1, 1, 1, 2, 3));
        Assert.Equal(0, Command(3, 0));
        Assert.Equal([1, 1, 1, 1], new[] { Command(1, 2), Command(2, 0), Command(3, 1), Command(255, 255) });
        Assert.Equal(s_own, _adapter.DriverAddress);
    }

    [Fact]
    public void A_clones_driver_has_the_templates_address_until_it_is_set_and_then_announces_it()
    {
        Begin();
        Hold();
        byte[] state = _slot.Save();

        NetworkAdapter adapter = new(s_other, 1400, new FakeNetwork());
        using VirtioSlot clone = new(port => new VirtioNet(port, adapter));
        clone.Ram.Write(Rings, _slot.Ram.Read(Rings, 0x2_0000));
        clone.Restore(state);
        Assert.Equal(s_own, adapter.DriverAddress);
        Assert.Equal(1ul, clone.Device.Read(Config + 6, 2));

        VirtioDriver driver = new(clone.Device, clone.Ram);
        VirtioRing ring = new(clone.Ram, 64, Rings + 0x8000);
        Assert.Equal(0, Command(clone, driver, ring, 1, 1, Bytes(s_other)));
        Assert.Equal((s_other, 3ul, 2ul), (adapter.DriverAddress, clone.Device.Read(Config + 6, 2), driver.Interrupts & 2));
        Assert.Equal(0, Command(clone, driver, ring, 3, 0));
        Assert.Equal(1ul, clone.Device.Read(Config + 6, 2));

        // The guest itself, restored: others may have forgotten where it is.
        _slot.Restore(state);
        Assert.Equal((s_own, 3ul), (_adapter.DriverAddress, LinkStatus));

        using VirtioSlot odd = new(port => new VirtioNet(port, new NetworkAdapter(s_other, 9000, new FakeNetwork())));
        Assert.Throws<InvalidDataException>(() => odd.Restore(state));
    }

    [Fact]
    public void What_came_before_the_driver_is_dropped_and_a_reset_forgets_what_waits()
    {
        _network.Bring(Frames.Packet(s_own, s_other, "before"));
        Begin();
        Give(20, 1);
        _network.Bring(Frames.Packet(s_own, s_other, "waits for a second buffer"));
        Assert.True(SpinWait.SpinUntil(() => _network.Waiting == 0, TimeSpan.FromSeconds(30)));

        Begin();
        Give(100, 1);
        _network.Bring(Frames.Packet(s_own, s_other, "now"));

        Assert.Equal((0u, (uint)Header + 14 + 3), _rings[In].WaitTaken());
        Assert.Equal("now", Frames.TextOf(_slot.Ram.Read(Buffers, Header + 14 + 3)));
    }

    [Fact]
    public void Work_for_what_comes_is_charged_to_the_guest()
    {
        Begin(size: 256);
        for (int round = 0; round < 20; round++)
        {
            Give(2000, 200);
            _network.Bring([.. Enumerable.Repeat(Frames.Packet(s_own, s_other, new string('x', 1500)), 200)]);
            Assert.True(SpinWait.SpinUntil(() => _rings[In].Returned == (ushort)((round + 1) * 200), TimeSpan.FromSeconds(30)));
        }

        Assert.True(_slot.Charged > TimeSpan.Zero);
    }

    private ulong LinkStatus => _slot.Device.Read(Config + 6, 2);

    private void Begin(ulong features = All, uint size = 64)
    {
        Assert.True(_driver.Agree(features));
        for (uint queue = 0; queue < 3; queue++)
        {
            new VirtioRing(_slot.Ram, size, Rings + (queue * 0x4000)).Clear();
            _rings[queue] = _driver.AddQueue(queue, Math.Min(size, 64u << (queue < 2 ? 2 : 0)), Rings + (queue * 0x4000));
        }

        _driver.Go();
    }

    private void Hold()
    {
        _slot.Device.Pause();
        _slot.Device.Drain(CancellationToken.None);
    }

    /// <summary>Gives buffers to receive into, one after the other.</summary>
    private void Give(int length, int count, int from = 0)
    {
        for (int i = from; i < from + count; i++)
        {
            _rings[In].Publish(_rings[In].Chain((Buffers + (ulong)(i * length), length, true)));
        }

        _driver.Notify(In);
    }

    private void Publish(uint queue, byte[] bytes, ulong at, int split = 0)
    {
        _slot.Ram.Write(at, bytes);
        _rings[queue].Publish(split == 0
            ? _rings[queue].Chain((at, bytes.Length, false))
            : _rings[queue].Chain((at, split, false), (at + (uint)split, bytes.Length - split, false)));
    }

    private void Send(byte[] packet, int split = 0)
    {
        Publish(Out, packet, Buffers, split);
        _driver.Notify(Out);
        Assert.Equal(0u, _rings[Out].WaitTaken().Written);
    }

    private int Command(byte @class, byte command, params byte[] data) => Command(_slot, _driver, _rings[Control], @class, command, data);

    private static int Command(VirtioSlot slot, VirtioDriver driver, VirtioRing ring, byte @class, byte command, params byte[] data)
    {
        slot.Ram.Write(Buffers, [@class, command, .. data]);
        slot.Ram.Write(Buffers + 0x1000, [99]);
        ring.Publish(ring.Chain((Buffers, 2 + data.Length, false), (Buffers + 0x1000, 1, true)));
        driver.Notify(Control);
        Assert.Equal(1u, ring.WaitTaken().Written);
        return slot.Ram.Read(Buffers + 0x1000, 1)[0];
    }

    private static byte[] Bytes(MacAddress address)
    {
        byte[] bytes = new byte[6];
        address.Write(bytes);
        return bytes;
    }
}
