using System.Buffers.Binary;
using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using PsVm.Machine.Devices.VhostUser;
using PsVm.Machine.Tests.Support;
using Answer = PsVm.Machine.Tests.Support.FakeVhostDaemon.Answer;

namespace PsVm.Machine.Tests.Devices.VhostUser;

/// <summary>The front end of vhost-user between a driver and a daemon, sane ones and mad ones.</summary>
public sealed class VhostFrontEndTests : IDisposable
{
    private const ulong Features = VirtioDriver.Version1 | VirtioDriver.EventIndex | FakeVhostDaemon.Flush;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30), s_little = TimeSpan.FromMilliseconds(300);

    private readonly FakeVhostDaemon _daemon = new();
    private readonly List<string> _warnings = [];
    private readonly string _file = Path.GetTempFileName();
    private VhostFrontEnd? _frontEnd;
    private VirtioSlot? _slot;
    private VirtioDriver? _driver;

    public void Dispose()
    {
        _slot?.Dispose();
        _frontEnd?.Dispose();
        _daemon.Dispose();
        File.Delete(_file);
    }

    [Fact]
    public void A_driver_sees_what_the_daemon_has_and_is_known()
    {
        Open();

        _slot!.Device.Write(0x14, 0);
        ulong low = _slot.Device.Read(0x10);
        _slot.Device.Write(0x14, 1);
        Assert.Equal(Features, low | (_slot.Device.Read(0x10) << 32));
        Assert.Equal(2ul, _slot.Device.Read(8));
        Assert.Equal([.. _daemon.Config], Enumerable.Range(0, 60).Select(at => (byte)ReadConfig(at)).ToArray());
        Assert.Equal((1ul << 12) | (1 << 9) | (1 << 3) | 1, Number(_daemon.Last(VhostRequest.SetProtocolFeatures).Content));
        Assert.False(_driver!.Agree(Features | (1ul << 34)));
    }

    [Fact]
    public void Queues_and_memory_are_handed_over_and_events_go_both_ways()
    {
        Open();
        VirtioRing ring = Start();

        _daemon.Wait(VhostRequest.SetQueueEnabled);
        Assert.Equal(Features | FakeVhostDaemon.ProtocolFeatures, Number(_daemon.Last(VhostRequest.SetFeatures).Content));
        FakeVhostDaemon.Message table = _daemon.Last(VhostRequest.SetMemoryTable);
        Assert.Equal((1, 40), (table.Descriptors, table.Content.Length));
        Assert.Equal([1ul, VirtioSlot.RamStart, VirtioSlot.RamSize, VirtioSlot.RamStart, 4096], Numbers(table.Content));
        Assert.Equal([0ul, ring.Descriptors, ring.Used, ring.Available, 0], Numbers(_daemon.Last(VhostRequest.SetQueueAddresses).Content));
        Assert.Equal((ulong)8 << 32, Number(_daemon.Last(VhostRequest.SetQueueSize).Content));
        Assert.Equal(0ul, Number(_daemon.Last(VhostRequest.SetQueueBase).Content));
        Assert.Equal(1ul << 32, Number(_daemon.Last(VhostRequest.SetQueueEnabled).Content));

        WaitForKick();
        _driver!.AcknowledgeInterrupts();
        _driver.Notify();
        WaitForKick();
        Assert.False(_slot!.Line);
        _daemon.Signal(VhostRequest.SetQueueCall, 0);
        WaitUntil(() => _slot.Line);
        Assert.Equal(1ul, _driver.Interrupts);
    }

    [Fact]
    public void A_reset_takes_queues_back_and_the_next_driver_begins_anew()
    {
        Open();
        Start();
        _daemon.Wait(VhostRequest.SetQueueEnabled);
        _daemon.Base = 5;

        _slot!.Device.Write(VirtioDriver.StatusRegister, 0);
        Assert.Equal(1, _daemon.Count(VhostRequest.GetQueueBase));
        _daemon.Signal(VhostRequest.SetQueueCall, 0); // too late
        Start();
        _daemon.Wait(VhostRequest.SetQueueEnabled, 2);

        Assert.Equal(0ul, Number(_daemon.Last(VhostRequest.SetQueueBase).Content));
        Assert.Equal(2, _daemon.Count(VhostRequest.GetInflight));
        Assert.Equal((1, 0), (_daemon.Connections, _frontEnd!.State.Losses));
    }

    [Fact]
    public void A_guest_that_is_held_keeps_its_queues_where_they_were()
    {
        Open();
        Start();
        _daemon.Wait(VhostRequest.SetQueueEnabled);
        _daemon.Base = 0xfffe;

        _slot!.Device.Pause();
        _slot.Device.Drain(CancellationToken.None);
        Assert.Equal(1, _daemon.Count(VhostRequest.GetQueueBase));
        _slot.Device.Drain(CancellationToken.None);
        Assert.Equal(1, _daemon.Count(VhostRequest.GetQueueBase));
        _slot.Device.Resume();

        _daemon.Wait(VhostRequest.SetQueueEnabled, 2);
        Assert.Equal(0xfffeul << 32, Number(_daemon.Last(VhostRequest.SetQueueBase).Content));
        Assert.Equal(1, _daemon.Connections);
    }

    [Fact]
    public void A_daemon_that_is_lost_is_connected_with_again_and_goes_on_with_what_was_under_way()
    {
        Open();
        VirtioRing ring = Start();
        _daemon.Wait(VhostRequest.SetQueueEnabled);
        _slot!.Ram.Write(ring.Used + 2, [3, 0]); // it has used three

        _daemon.Die();

        _daemon.Wait(VhostRequest.SetQueueEnabled, 2);
        Assert.Equal(3ul << 32, Number(_daemon.Last(VhostRequest.SetQueueBase).Content));
        Assert.Equal(1, _daemon.Count(VhostRequest.GetInflight));
        Assert.Equal(_daemon.Inflight.Given, _daemon.Inflight.Got);
        Assert.Equal([4096ul, 512], Numbers(_daemon.Last(VhostRequest.SetInflight).Content)[..2]);
        WaitUntil(() => _frontEnd!.State is { IsConnected: true, Losses: 1 } && _slot.Line);
        WaitUntil(() => Warnings().Length == 2);
        Assert.Contains(
            "disk 'd' has lost the daemon of the test: it has closed the connection; its requests wait",
            Warnings()[0],
            StringComparison.Ordinal);
        Assert.Contains("again", Warnings()[1], StringComparison.Ordinal);
    }

    [Fact]
    public void A_daemon_that_comes_back_as_another_does_not_get_the_queues()
    {
        Open();
        Start();
        _daemon.Wait(VhostRequest.SetQueueEnabled);
        _daemon.Features &= ~FakeVhostDaemon.Flush;

        _daemon.Die();

        WaitUntil(() => _frontEnd!.State.LastFailure?.Contains("expected the features", StringComparison.Ordinal) == true);
        Assert.Equal(1, _daemon.Count(VhostRequest.SetMemoryTable));
        _slot!.Device.Write(VirtioDriver.StatusRegister, 0); // returns
    }

    [Fact]
    public void Queues_that_the_daemon_gives_up_stop_the_device_until_its_driver_resets_it()
    {
        Open();
        Start();
        _daemon.Wait(VhostRequest.SetQueueEnabled);

        _daemon.Signal(VhostRequest.SetQueueError, 0);

        WaitUntil(() => (_driver!.Status & VirtioDriver.NeedsReset) != 0);
        Assert.Contains("cannot go on with queue 0", _slot!.Device.Fault, StringComparison.Ordinal);
        Start();
        _daemon.Wait(VhostRequest.SetQueueEnabled, 2);
    }

    [Fact]
    public void A_driver_that_moves_a_queue_in_use_stops_the_device()
    {
        Open();
        Start();
        _slot!.Device.Write(VirtioDriver.QueueReady, 0);
        Assert.NotEqual(0ul, _driver!.Status & VirtioDriver.NeedsReset);
        _slot.Device.Write(VirtioDriver.StatusRegister, 0);
        Assert.Equal(0ul, _driver.Status);
    }

    [Fact]
    public void A_life_that_ends_leaves_the_daemon_nothing()
    {
        Open();
        Start();
        _daemon.Wait(VhostRequest.SetQueueEnabled);

        _frontEnd!.Detach(Board!);

        Assert.Equal(1, _daemon.Count(VhostRequest.GetQueueBase));
        Assert.True(Board!.Regions[0].File.IsClosed);
        Assert.Equal(1, _daemon.Ends);
        WaitUntil(() => !_frontEnd.State.IsConnected);
        Assert.Equal(0, _frontEnd.State.Losses);
        Assert.Empty(Warnings());
    }

    [Theory]
    [InlineData("another request", "expected a reply")]
    [InlineData("another version", "expected a reply")]
    [InlineData("no reply", "expected a reply")]
    [InlineData("too long", "expected at most 8 bytes")]
    [InlineData("too short", "expected 8 bytes")]
    [InlineData("too long by far", "expected at most 8 bytes")]
    [InlineData("a descriptor", "expected no descriptor")]
    [InlineData("garbage", "expected a reply")]
    [InlineData("half", "did not answer in time")]
    [InlineData("silence", "did not answer in time")]
    [InlineData("end", "closed the connection")]
    [InlineData("old", "VIRTIO 1.0")]
    public void A_daemon_that_makes_no_sense_at_the_start_is_an_error(string how, string expected)
    {
        _daemon.Instead = message => message.Request != VhostRequest.GetFeatures ? null : how switch
        {
            "another request" => new([], Raw: [.. FakeVhostDaemon.Header(2, 5, 8), .. new byte[8]]),
            "another version" => new([], Raw: [.. FakeVhostDaemon.Header(1, 6, 8), .. new byte[8]]),
            "no reply" => new([], Raw: [.. FakeVhostDaemon.Header(1, 1, 8), .. new byte[8]]),
            "too long" => new(new byte[9]),
            "too short" => new(new byte[7]),
            "too long by far" => new([], Raw: FakeVhostDaemon.Header(1, 5, -1)),
            "a descriptor" => new(BitConverter.GetBytes(_daemon.Features), [File.OpenHandle(_file)]),
            "garbage" => new([], Raw: [.. Enumerable.Repeat((byte)0xee, 100)]),
            "half" => new([], Raw: [1, 0, 0]),
            "silence" => new([], Raw: []),
            "old" => new(new byte[8]),
            _ => new([], Dies: true),
        };

        // Who is not to answer is not waited for long, all others are.
        TimeSpan patience = how is "half" or "silence" ? s_little : s_patience;
        VhostException failure = Assert.Throws<VhostException>(() => Open(patience));

        Assert.Contains(expected, failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GetQueueCount", "8 bytes of 0", "found one for 0")]
    [InlineData("GetConfig", "8 bytes of 0", "expected 72 bytes")]
    [InlineData("GetConfig", "72 bytes of 0", "expected 60 bytes of configuration, found 0")]
    [InlineData("SetOwner", "8 bytes of 1", "refuses SetOwner")]
    public void A_daemon_that_cannot_do_what_is_needed_is_an_error(string request, string how, string expected)
    {
        int length = int.Parse(how.Split(' ')[0], null);
        _daemon.Instead = message =>
            $"{message.Request}" == request ? new(Enumerable.Repeat(how.EndsWith('1') ? (byte)1 : (byte)0, length).ToArray()) : null;

        Assert.Contains(expected, Assert.Throws<VhostException>(() => Open()).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("SetMemoryTable", "refusal", "refuses SetMemoryTable")]
    [InlineData("SetQueueAddresses", "silence", "did not answer in time")]
    [InlineData("GetInflight", "no descriptor", "expected one descriptor")]
    [InlineData("GetInflight", "two descriptors", "expected one descriptor")]
    [InlineData("GetInflight", "no memory", "expected 1 byte to 16 MiB")]
    [InlineData("GetInflight", "too much memory", "expected 1 byte to 16 MiB")]
    [InlineData("SetQueueKick", "end", "closed the connection")]
    public void A_daemon_that_goes_mad_at_the_hand_over_is_lost_and_the_next_one_gets_the_queues(
        string request, string how, string expected)
    {
        bool isMad = true;
        _daemon.Instead = message => $"{message.Request}" != request || !Volatile.Read(ref isMad) ? null : how switch
        {
            "refusal" => new(BitConverter.GetBytes(1ul)),
            "silence" => new([], Raw: []),
            "no descriptor" => new(Place(message.Content, 4096)),
            "two descriptors" => new(Place(message.Content, 4096), [File.OpenHandle(_file), File.OpenHandle(_file)]),
            "no memory" => new(Place(message.Content, 0), [File.OpenHandle(_file)]),
            "too much memory" => new(Place(message.Content, ulong.MaxValue), [File.OpenHandle(_file)]),
            _ => new([], Dies: true),
        };
        Open();
        _frontEnd!.Patience = how == "silence" ? s_little : s_patience;
        Start();

        WaitUntil(() => Warnings().Any(warning => warning.Contains(expected, StringComparison.Ordinal)));
        Volatile.Write(ref isMad, false);
        _frontEnd.Patience = s_patience;

        _daemon.Wait(VhostRequest.SetQueueEnabled);
        WaitUntil(() => _frontEnd.State.IsConnected);
        WaitForKick();
    }

    [Theory]
    [InlineData("another queue")]
    [InlineData("no place")]
    [InlineData("silence")]
    [InlineData("end")]
    public void A_daemon_that_does_not_give_queues_back_is_lost_and_the_driver_is_not_kept(string how)
    {
        Open();
        Start();
        _daemon.Wait(VhostRequest.SetQueueEnabled);
        _daemon.Instead = message => message.Request != VhostRequest.GetQueueBase ? null : how switch
        {
            "another queue" => new([1, 0, 0, 0, 0, 0, 0, 0]),
            "no place" => new([0, 0, 0, 0, 0, 0, 1, 0]),
            "silence" => new([], Raw: []),
            _ => new([], Dies: true),
        };

        _frontEnd!.Patience = how == "silence" ? s_little : s_patience;
        _slot!.Device.Write(VirtioDriver.StatusRegister, 0);
        _frontEnd.Patience = s_patience;
        _daemon.Instead = null;

        Assert.Equal(0ul, _driver!.Status);
        Assert.NotEqual(0, _daemon.Ends); // where it were this process's it would be gone, and the next when it is too slow to answer
        Start();
        _daemon.Wait(VhostRequest.SetQueueEnabled, 2);
        Assert.Equal(1, _frontEnd.State.Losses);
    }

    [Fact]
    public void Descriptors_that_nobody_asked_for_are_closed()
    {
        for (int i = 0; i < 20; i++)
        {
            using FakeVhostDaemon daemon =
                new() { Instead = message => new(new byte[8], [.. Enumerable.Range(0, 8).Select(_ => File.OpenHandle(_file))]) };
            Assert.Throws<VhostException>(() => new VhostFrontEnd(daemon, VhostTraits.Block, "d", s_patience));
        }

        // The daemon's own are open until they are collected; those that came are not among them.
        WaitUntil(() =>
        {
            GC.Collect(); // again and again: a daemon's thread may not have heard of its end yet
            GC.WaitForPendingFinalizers();
            return OpenCount(_file) == 0;
        });
    }

    private VhostBoard? Board { get; set; }

    private void Open(TimeSpan? patience = null)
    {
        _frontEnd = new VhostFrontEnd(_daemon, VhostTraits.Block, "d", patience ?? s_patience);
        _frontEnd.Tell(warning =>
        {
            lock (_warnings)
            {
                _warnings.Add(warning);
            }
        });
        _slot = new VirtioSlot((ram, port) =>
        {
            Board = new VhostBoard(
                port, ram.Memory.Physical, [new VhostRegion(VirtioSlot.RamStart, VirtioSlot.RamSize, File.OpenHandle(_file), 4096)]);
            return new VhostUserDevice(_frontEnd, Board, "d");
        });
        _frontEnd.Attach(Board!);
        _driver = new VirtioDriver(_slot.Device, _slot.Ram);
    }

    private VirtioRing Start()
    {
        VirtioRing ring = _driver!.Start(8, Features);
        ring.Clear();
        return ring;
    }

    private void WaitForKick()
    {
        SafeFileHandle kick = _daemon.Events[(VhostRequest.SetQueueKick, 0)];
        using FileStream events = new(new SafeFileHandle(kick.DangerousGetHandle(), ownsHandle: false), FileAccess.Read, 0);
        WaitUntil(() =>
        {
            try
            {
                return events.Read(new byte[8]) == 8;
            }
            catch (IOException)
            {
                return false; // not yet: it does not wait
            }
        });
    }

    private ulong ReadConfig(int at)
    {
        Assert.True(_slot!.Device.TryRead(0x100 + (ulong)at, 1, out ulong value));
        return value;
    }

    private string[] Warnings()
    {
        lock (_warnings)
        {
            return [.. _warnings];
        }
    }

    private static byte[] Place(byte[] content, ulong size)
    {
        byte[] place = [.. content];
        BinaryPrimitives.WriteUInt64LittleEndian(place, size);
        return place;
    }

    private static int OpenCount(string file) =>
        Directory.EnumerateFiles("/proc/self/fd").Count(link => new FileInfo(link).LinkTarget == file); // null: closed by others meanwhile

    private static ulong Number(byte[] content) => BinaryPrimitives.ReadUInt64LittleEndian(content);

    private static ulong[] Numbers(byte[] content) => [.. content.Chunk(8).Select(Number)];

    private static void WaitUntil(Func<bool> condition) => Assert.True(SpinWait.SpinUntil(condition, s_patience));
}
