using System.Buffers.Binary;
using System.Text;
using PsVm.Machine.Devices.Folders;
using PsVm.Machine.Devices.Virtio;
using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests.Devices.Virtio;

/// <summary>A shared folder's device as its driver sees it, before a server that is a fake.</summary>
public sealed class Virtio9pTests : IDisposable
{
    private const ulong Place = VirtioSlot.RamStart + 0x2_0000, Answers = VirtioSlot.RamStart + 0x6_0000;
    private const ulong Stride = 0x2000;
    private const byte Flush = 108, Plain = 50;

    private readonly FakeFolderServer _server = new();
    private readonly SharedFolder _folder;
    private readonly VirtioSlot _slot;
    private readonly VirtioDriver _driver;
    private readonly VirtioRing _ring;
    private int _next;

    public Virtio9pTests()
    {
        _folder = new SharedFolder("src", _server);
        _slot = new VirtioSlot(port => new Virtio9p(port, _folder));
        _driver = new VirtioDriver(_slot.Device, _slot.Ram);
        _ring = _driver.Start(128);
        _ring.Clear();
    }

    public void Dispose()
    {
        _server.Go.Set();
        _slot.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void It_tells_its_tag_and_gives_answers()
    {
        Assert.Equal(9u, _slot.Device.Read(8));
        _slot.Device.Write(VirtioDriver.FeaturesSelect, 0);
        Assert.Equal(1ul, _slot.Device.Read(0x10) & 1);
        Assert.Equal(3ul, _slot.Device.Read(0x100, 2));
        Assert.Equal(
            "src", Encoding.ASCII.GetString([.. Enumerable.Range(0, 3).Select(i => (byte)_slot.Device.Read(0x102 + (ulong)i, 1))]));

        byte[] request = Message(Plain, 7, [100, 0, 0, 0, .. "body"u8]);
        (_, ulong answer) = Send(request, room: 200);
        Assert.Equal(100u, _ring.WaitTaken().Written);
        Assert.Equal([100, 0, 0, 0, Plain + 1, 7, 0, 0xa5], _slot.Ram.Read(answer, 8));
        Assert.Equal(request, Assert.Single(_server.Requests));
    }

    [Fact]
    public void A_message_in_many_pieces_is_whole()
    {
        byte[] body = [.. Enumerable.Range(0, 9000).Select(i => (byte)(i * 7))];
        byte[] request = Message(Plain, 1, [.. BitConverter.GetBytes(20_000), .. body]);
        for (int i = 0; i < request.Length; i += 1000)
        {
            _slot.Ram.Write(Place + (ulong)i * 2, request.AsSpan(i, Math.Min(1000, request.Length - i)));
        }

        List<(ulong, int, bool)> pieces = [];
        for (int i = 0; i < request.Length; i += 1000)
        {
            pieces.Add((Place + (ulong)i * 2, Math.Min(1000, request.Length - i), false));
        }

        pieces.AddRange(Enumerable.Range(0, 5).Select(i => (Answers + ((ulong)i * 0x2000), 4096, true)));
        _ring.Publish(_ring.Chain([.. pieces]));
        _driver.Notify();

        Assert.Equal(20_000u, _ring.WaitTaken().Written);
        Assert.Equal(request, Assert.Single(_server.Requests));
        Assert.Equal(0xa5, _slot.Ram.Read(Answers + (4 * 0x2000) + 20_000 - (4 * 4096) - 1, 1)[0]);
    }

    [Theory]
    [InlineData(6, 6, 64)] // shorter than a header
    [InlineData(7, 6, 64)] // says that it is
    [InlineData(40, 41, 64)] // says more than there is
    [InlineData(40, -1, 64)]
    [InlineData(40, 40, 10)] // no room for an error
    public void Nonsense_stops_the_device_until_it_is_reset(int length, int size, int room)
    {
        byte[] request = new byte[length];
        BinaryPrimitives.WriteInt32LittleEndian(request, size);
        Send(request, room);
        Assert.True(SpinWait.SpinUntil(() => (_driver.Status & VirtioDriver.NeedsReset) != 0, TimeSpan.FromSeconds(30)));
        Assert.Empty(_server.Requests);
        Assert.NotNull(_slot.Device.Fault);

        VirtioRing ring = _driver.Start(128);
        ring.Clear();
        Assert.Equal(0ul, _driver.Status & VirtioDriver.NeedsReset);
    }

    [Fact]
    public void A_message_that_is_longer_than_any_is_an_error()
    {
        byte[] request = Message(Plain, 3, new byte[100 << 10]);
        (_, ulong answer) = Send(request, room: 64);

        Assert.Equal(11u, _ring.WaitTaken().Written);
        Assert.Equal([11, 0, 0, 0, 7, 3, 0, 90, 0, 0, 0], _slot.Ram.Read(answer, 11));
        Assert.Empty(_server.Requests);
    }

    [Fact]
    public void A_flush_is_answered_behind_what_it_means_and_at_once_where_that_is_nothing()
    {
        (ushort flushOfNothing, _) = Send(Message(Flush, 9, [77, 0]), room: 64);
        Assert.Equal(((uint)flushOfNothing, 7u), _ring.WaitTaken());

        (ushort slow, _) = Send(Message(FakeFolderServer.Slow, 5, []), room: 64);
        (ushort flush, ulong answer) = Send(Message(Flush, 6, [5, 0]), room: 64);
        (ushort flushOfFlush, _) = Send(Message(Flush, 7, [6, 0]), room: 64);
        (ushort other, _) = Send(Message(Plain, 8, []), room: 64);
        Assert.Equal(other, _ring.WaitTaken().Head);
        Assert.Null(_ring.Take());

        _server.Go.Set();
        Assert.Equal(
            [slow, flush, flushOfFlush],
            new[] { _ring.WaitTaken().Head, _ring.WaitTaken().Head, _ring.WaitTaken().Head }.Select(head => (ushort)head));
        Assert.Equal([7, 0, 0, 0, Flush + 1, 6, 0], _slot.Ram.Read(answer, 7));
        Assert.DoesNotContain(_server.Requests, request => request[4] == Flush);
    }

    [Fact]
    public void No_more_than_a_bounded_number_is_begun_and_the_rest_waits_in_the_ring()
    {
        VirtioRing ring = _driver.Start(128, VirtioDriver.Version1 | VirtioDriver.Indirect);
        ring.Clear();
        for (uint i = 0; i < Virtio9p.MostInFlight + 10; i++)
        {
            ulong table = Place + (i * 0x100), request = table + 0x40, answer = table + 0x80;
            _slot.Ram.Write(request, Message(FakeFolderServer.Slow, (ushort)i, []));
            _slot.Ram.Write(table, VirtioRing.Descriptor(request, 7, VirtioRing.Next, 1));
            _slot.Ram.Write(table + 16, VirtioRing.Descriptor(answer, 64, VirtioRing.Write, 0));
            ring.Describe(i, table, 32, VirtioRing.Indirect);
            ring.Publish((ushort)i);
        }

        _driver.Notify();
        Assert.True(SpinWait.SpinUntil(() => _server.Requests.Count == 4, TimeSpan.FromSeconds(30))); // as many as there are threads
        _slot.Device.Pause();
        _server.Go.Set();
        _slot.Device.Drain(CancellationToken.None);
        Assert.Equal(Virtio9p.MostInFlight, ring.Returned);

        _slot.Device.Resume();
        Assert.True(SpinWait.SpinUntil(() => ring.Returned == Virtio9p.MostInFlight + 10, TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public void A_reset_forgets_what_was_open_once_what_was_under_way_is_over()
    {
        int before = WaitForResets(1);
        Send(Message(FakeFolderServer.Slow, 5, []), room: 64);
        Assert.True(SpinWait.SpinUntil(() => _server.Requests.Count == 1, TimeSpan.FromSeconds(30)));
        VirtioRing ring = _driver.Start(128);
        ring.Clear();
        Assert.Equal(before, _server.Resets);

        _server.Go.Set();
        WaitForResets(before + 1);
        _slot.Device.Pause();
        _slot.Device.Drain(CancellationToken.None);
        Assert.Equal(0, ring.Returned); // nothing of the life before touches this one
    }

    [Fact]
    public void What_is_open_goes_with_the_state_and_a_board_that_takes_it_forgets_nothing()
    {
        WaitForResets(1);
        _slot.Device.Pause();
        _slot.Device.Drain(CancellationToken.None);
        _server.Remembered = 4711;
        byte[] state = _slot.Save();

        using FakeFolderServer other = new();
        using SharedFolder folder = new("src", other);
        using VirtioSlot clone = new(port => new Virtio9p(port, folder));
        clone.Device.Pause();
        clone.Restore(state);
        clone.Device.Resume();
        clone.Device.Pause();
        clone.Device.Drain(CancellationToken.None);
        Assert.Equal((4711u, 0), (other.Remembered, other.Resets));

        // Another board of the same guest that boots begins without what is open.
        VirtioDriver driver = new(clone.Device, clone.Ram);
        clone.Device.Resume();
        Assert.True(driver.Agree());
        clone.Device.Drain(CancellationToken.None);
        Assert.Equal(1, other.Resets);
    }

    [Fact]
    public void Another_folder_in_its_place_has_what_is_open()
    {
        _server.Remembered = 4711;
        FakeFolderServer next = new();
        _folder.Exchange(next);

        Assert.Equal(4711u, next.Remembered);
        Send(Message(Plain, 1, []), room: 64);
        _ring.WaitTaken();
        Assert.Single(next.Requests);
        Assert.Empty(_server.Requests);
    }

    private int WaitForResets(int count)
    {
        Assert.True(SpinWait.SpinUntil(() => _server.Resets >= count, TimeSpan.FromSeconds(30)));
        _slot.Device.Drain(CancellationToken.None);
        return _server.Resets;
    }

    private (ushort Head, ulong Answer) Send(byte[] request, int room)
    {
        ulong place = Place + ((ulong)(_next % 8) * Stride), answer = Answers + 0x2_0000 + ((ulong)(_next++ % 8) * 0x200);
        _slot.Ram.Write(place, request);
        ushort head = _ring.Chain((place, request.Length, false), (answer, room, true));
        _ring.Publish(head);
        _driver.Notify();
        return (head, answer);
    }

    private static byte[] Message(byte type, ushort tag, byte[] body) =>
        [.. BitConverter.GetBytes(7 + body.Length), type, .. BitConverter.GetBytes(tag), .. body];
}
