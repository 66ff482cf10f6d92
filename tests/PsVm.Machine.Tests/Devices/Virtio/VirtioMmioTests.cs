using PsVm.Machine.Devices.Virtio;
using PsVm.Machine.State;
using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests.Devices.Virtio;

/// <summary>The transport: registers, features, rings, interrupts, bounds and rests, with a device that says what it is given.</summary>
public sealed class VirtioMmioTests : IDisposable
{
    private const ulong Buffers = VirtioSlot.RamStart + 0x1_0000;

    private readonly Echo _echo = new();
    private readonly VirtioSlot _slot;
    private readonly VirtioDriver _driver;

    public VirtioMmioTests()
    {
        _slot = new VirtioSlot(_echo.In);
        _driver = new VirtioDriver(_slot.Device, _slot.Ram);
    }

    public void Dispose() => _slot.Dispose();

    [Fact]
    public void An_empty_slot_says_so_and_takes_nothing()
    {
        using VirtioSlot empty = new(create: (Func<VirtioPort, IVirtioDevice>?)null);

        Assert.Equal((0x7472_6976ul, 2ul, 0ul), (empty.Device.Read(0), empty.Device.Read(4), empty.Device.Read(8)));
        empty.Device.Write(VirtioDriver.StatusRegister, 1);
        Assert.Equal(0ul, empty.Device.Read(VirtioDriver.StatusRegister));
        Assert.False(empty.Device.TryRead(0, 1, out _));
        Assert.False(empty.Device.TryWrite(0x70, 8, 1));
        Assert.Equal(0ul, empty.Device.Read(0x100, 8));
    }

    [Fact]
    public void A_device_says_what_it_is_and_can()
    {
        Assert.Equal(Echo.Id, _slot.Device.Read(8));
        Assert.Equal(Echo.Feature | VirtioDriver.Indirect | VirtioDriver.EventIndex | VirtioDriver.Version1, ReadFeatures());
        _slot.Device.Write(VirtioDriver.QueueSelect, 0);
        Assert.Equal(512ul, _slot.Device.Read(VirtioDriver.QueueSizeMax));
        _slot.Device.Write(VirtioDriver.QueueSelect, 2);
        Assert.Equal(0ul, _slot.Device.Read(VirtioDriver.QueueSizeMax));
    }

    [Theory]
    [InlineData(VirtioDriver.Version1, true)]
    [InlineData(VirtioDriver.Version1 | Echo.Feature | VirtioDriver.Indirect, true)]
    [InlineData(0ul, false)]
    [InlineData(VirtioDriver.Indirect, false)]
    [InlineData(VirtioDriver.Version1 | (1ul << 7), false)]
    [InlineData(VirtioDriver.Version1 | (1ul << 34), false)] // packed rings
    public void A_device_agrees_to_what_it_offered_in_version_1(ulong features, bool agrees)
    {
        Assert.Equal(agrees, _driver.Agree(features));

        _driver.Go();
        Assert.Equal(agrees, _echo.Features == features);
        Assert.Equal(agrees, (_driver.Status & VirtioDriver.DriverOk) != 0);
    }

    [Fact]
    public void A_buffer_goes_to_the_device_and_back_with_an_interrupt()
    {
        VirtioRing ring = _driver.Start(8);
        ring.Clear();
        _slot.Ram.Write(Buffers, "abcdef"u8);
        _slot.Ram.Write(Buffers + 0x100, "gh"u8);

        ring.Publish(
            ring.Chain((Buffers, 6, false), (Buffers + 0x100, 2, false), (Buffers + 0x200, 3, true), (Buffers + 0x300, 100, true)));
        Assert.Null(ring.Take());
        _driver.Notify();

        Assert.Equal((0u, 8u), ring.Take());
        Assert.Equal("abc"u8.ToArray(), _slot.Ram.Read(Buffers + 0x200, 3));
        Assert.Equal("defgh"u8.ToArray(), _slot.Ram.Read(Buffers + 0x300, 5));
        Assert.Equal((true, 1ul), (_slot.Line, _driver.Interrupts));
        _driver.AcknowledgeInterrupts();
        Assert.Equal((false, 0ul), (_slot.Line, _driver.Interrupts));
    }

    [Fact]
    public void Rings_go_round()
    {
        VirtioRing ring = _driver.Start(4);
        ring.Clear();
        for (int i = 0; i < 70_000; i++)
        {
            ring.Publish(ring.Chain((Buffers, 1, false), (Buffers + 1, 1, true)));
            if (i % 2 == 1)
            {
                _driver.Notify();
                Assert.Equal(1u, ring.Take()!.Value.Written);
                Assert.Equal(1u, ring.Take()!.Value.Written);
            }
        }

        Assert.Equal(70_000 % 65_536, ring.Returned);
    }

    [Fact]
    public void A_buffer_may_be_described_in_a_table_elsewhere()
    {
        VirtioRing ring = _driver.Start(4, VirtioDriver.Version1 | VirtioDriver.Indirect);
        ring.Clear();
        _slot.Ram.Write(Buffers, "xyz"u8);
        _slot.Ram.Write(
            Buffers + 0x800,
            [.. VirtioRing.Descriptor(Buffers, 3, VirtioRing.Next, 1), .. VirtioRing.Descriptor(Buffers + 0x10, 8, VirtioRing.Write, 0)]);

        ring.Describe(2, Buffers + 0x800, 32, VirtioRing.Indirect | VirtioRing.Write); // whose write flag is to be ignored
        ring.Publish(2);
        _driver.Notify();

        Assert.Equal((2u, 3u), ring.Take());
        Assert.Equal("xyz"u8.ToArray(), _slot.Ram.Read(Buffers + 0x10, 3));
    }

    [Fact]
    public void A_driver_that_wants_no_interrupts_gets_none()
    {
        VirtioRing ring = _driver.Start(8);
        ring.Clear();
        ring.WriteFlags(1);
        ring.Publish(ring.Chain((Buffers, 1, true)));
        _driver.Notify();

        Assert.NotNull(ring.Take());
        Assert.Equal(0, _slot.Rises);
    }

    [Fact]
    public void With_event_indices_each_says_when_it_wants_to_be_told()
    {
        VirtioRing ring = _driver.Start(8, VirtioDriver.Version1 | VirtioDriver.EventIndex);
        ring.Clear();
        ring.InterruptAt(2);
        for (ushort i = 1; i <= 4; i++)
        {
            ring.Publish(ring.Chain((Buffers, 1, true)));
            _driver.Notify();

            Assert.Equal(i, ring.NotifyAt);
            Assert.Equal(i >= 3 ? 1 : 0, _slot.Rises);
        }
    }

    [Fact]
    public void A_notification_is_served_for_a_piece_on_its_thread_and_the_rest_elsewhere()
    {
        VirtioRing ring = _driver.Start(512);
        ring.Clear();
        ring.WriteFlags(1);
        ushort chain = ring.Chain((Buffers, 1, true));
        for (int i = 0; i < 512; i++)
        {
            ring.Publish(chain);
        }

        _driver.Notify();

        Assert.True(SpinWait.SpinUntil(() => ring.Returned == 512, TimeSpan.FromSeconds(30)));
        Assert.InRange(_echo.Threads.Count(thread => thread == Environment.CurrentManagedThreadId), 1, VirtioMmio.MostDescriptors);
        Assert.True(SpinWait.SpinUntil(() => _slot.Charged > TimeSpan.Zero, TimeSpan.FromSeconds(30)), "the guest pays for the rest");
    }

    [Fact]
    public void A_device_that_is_held_does_nothing_and_catches_up()
    {
        VirtioRing ring = _driver.Start(8);
        ring.Clear();
        _slot.Device.Pause();
        ring.Publish(ring.Chain((Buffers, 1, true)));
        _driver.Notify();
        _slot.Device.Drain(CancellationToken.None);
        Assert.Null(ring.Take());

        _slot.Device.Resume();

        ring.WaitTaken();
        Assert.True(SpinWait.SpinUntil(() => _slot.Line, TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public void What_is_completed_in_a_pause_interrupts_behind_it()
    {
        VirtioRing ring = _driver.Start(8);
        ring.Clear();
        _echo.Keeps = true;
        ring.Publish(ring.Chain((Buffers, 1, true)));
        _driver.Notify();
        _slot.Device.Pause();

        _echo.CompleteKept();

        Assert.NotNull(ring.Take());
        Assert.False(_slot.Line);
        _slot.Device.Resume();
        Assert.True(_slot.Line);
    }

    [Fact]
    public void A_queue_is_left_alone_until_the_device_can_take_more()
    {
        VirtioRing ring = _driver.Start(8);
        ring.Clear();
        _echo.Refuses = true;
        ring.Publish(ring.Chain((Buffers, 1, true)));
        _driver.Notify();
        Assert.Null(ring.Take());

        _echo.Refuses = false;
        _echo.Port!.Kick(0);

        ring.WaitTaken();
    }

    [Fact]
    public void What_a_driver_that_was_reset_has_given_is_no_more_touched()
    {
        VirtioRing ring = _driver.Start(8);
        ring.Clear();
        _echo.Keeps = true;
        ring.Publish(ring.Chain((Buffers, 4, true)));
        _driver.Notify();
        _slot.Ram.Write(Buffers, new byte[4]);

        _driver.Start(8);
        ring.Clear();
        Assert.Equal(2, _echo.Resets); // each driver begins with one
        Assert.False(_echo.Port!.Use(_echo.Kept.Single(), chain => chain.Write(0, "late"u8)));
        _echo.CompleteKept();

        Assert.Equal(new byte[4], _slot.Ram.Read(Buffers, 4));
        Assert.Equal((0, 0ul), (ring.Returned, _driver.Interrupts));
    }

    [Fact]
    public void A_configuration_space_is_read_in_any_width_and_its_changes_are_told()
    {
        Assert.Equal(0x0807_0605_0403_0201ul, _slot.Device.Read(0x100, 8));
        Assert.Equal(0x0403ul, _slot.Device.Read(0x102, 2));
        Assert.Equal(0x0aul, _slot.Device.Read(0x109, 1));
        Assert.Equal(0ul, _slot.Device.Read(0x10c, 4));
        _slot.Device.Write(0x104, 0xaabb, 2);
        Assert.Equal((4, "bbaa"), _echo.Configured);
        _driver.Start(8);

        _echo.Port!.NotifyConfigChanged();

        Assert.Equal((1ul, 2ul, true), (_slot.Device.Read(0xfc), _driver.Interrupts, _slot.Line));
    }

    [Fact]
    public void Another_slot_goes_on_where_the_state_was_taken()
    {
        VirtioRing ring = _driver.Start(8, VirtioDriver.Version1 | Echo.Feature);
        ring.Clear();
        ring.Publish(ring.Chain((Buffers, 1, true)));
        _driver.Notify();
        Assert.NotNull(ring.Take());
        _slot.Device.Pause();
        ring.Publish(ring.Chain((Buffers + 8, 2, true)));
        _driver.Notify();
        byte[] state = _slot.Save();
        using VirtioSlot other = new(new Echo().In);
        other.Ram.Write(VirtioSlot.RamStart, _slot.Ram.Read(VirtioSlot.RamStart, (int)VirtioSlot.RamSize));

        other.Restore(state);

        Assert.Equal(state, other.Save());
        Assert.True(other.Line);
        Assert.Equal(_driver.Status, other.Device.Read(VirtioDriver.StatusRegister));
        VirtioRing there = new(other.Ram, 8, VirtioSlot.RamStart);
        Assert.Equal(1, there.Returned);
        other.Device.Resume(); // what was notified in the pause was in the state
        Assert.True(SpinWait.SpinUntil(() => there.Returned == 2, TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public void A_device_takes_only_states_that_it_can_have()
    {
        _driver.Start(8);
        byte[] state = _slot.Save();
        for (int length = 0; length < state.Length; length++)
        {
            Assert.Throws<InvalidDataException>(() => Restore(state[..length]));
        }

        AssertRefused(0, 9, "type");
        AssertRefused(4, 0x10, "bits that do not exist");
        AssertRefused(4, VirtioDriver.DriverOk, "bits that do not exist");
        AssertRefused(23, 0x80, "features that the device does not have");
        AssertRefused(28, 4, "bits that do not exist"); // interrupts
        AssertRefused(36, 4, "bits that do not exist"); // queues that wait
        AssertRefused(44, 1, "number of queues");
        AssertRefused(48, 7, "a power of two");
        AssertRefused(52, 2, "expected 0 or 1");
        AssertRefused(60, 1, "a queue in use"); // an address far away
        AssertRefused(79, 1, "a place in a ring");

        void AssertRefused(int offset, uint value, string complaint)
        {
            byte[] wrong = [.. state];
            wrong[offset] = (byte)value;
            Assert.Contains(complaint, Assert.Throws<InvalidDataException>(() => Restore(wrong)).Message, StringComparison.Ordinal);
        }

        static void Restore(byte[] state)
        {
            using VirtioSlot other = new(new Echo().In);
            other.Restore(state);
        }
    }

    private ulong ReadFeatures()
    {
        ulong features = 0;
        for (int half = 0; half < 3; half++)
        {
            _slot.Device.Write(VirtioDriver.FeaturesSelect, (ulong)half);
            features |= half < 2 ? _slot.Device.Read(0x10) << (32 * half) : _slot.Device.Read(0x10);
        }

        return features;
    }

    /// <summary>A device that writes back what it read, at once or when it is told to.</summary>
    private sealed class Echo : IVirtioDevice
    {
        public const uint Id = 42;
        public const ulong Feature = 1 << 3;

        public VirtioPort? Port { get; private set; }

        public bool Keeps { get; set; }

        public bool Refuses { get; set; }

        public List<VirtioChain> Kept { get; } = [];

        public List<int> Threads { get; } = [];

        public int Resets { get; private set; }

        public ulong? Features { get; private set; }

        public (int Offset, string Bytes) Configured { get; private set; }

        public uint DeviceId => Id;

        ulong IVirtioDevice.Features => Feature;

        public IReadOnlyList<int> QueueSizes { get; } = [512, 4];

        public int ConfigSize => 10;

        public Echo In(VirtioPort port)
        {
            Port = port;
            return this;
        }

        public void ReadConfig(Span<byte> config)
        {
            for (int i = 0; i < config.Length; i++)
            {
                config[i] = (byte)(i + 1);
            }
        }

        public void WriteConfig(int offset, ReadOnlySpan<byte> bytes) => Configured = (offset, Convert.ToHexStringLower(bytes));

        public void Activate(ulong features) => Features = features;

        public void Reset() => Resets++;

        public bool Accepts(int queue) => !Refuses;

        public void Handle(int queue, VirtioChain chain)
        {
            Threads.Add(Environment.CurrentManagedThreadId);
            Kept.Add(chain);
            if (!Keeps)
            {
                CompleteKept();
            }
        }

        public void CompleteKept()
        {
            foreach (VirtioChain chain in Kept)
            {
                byte[] bytes = new byte[chain.ReadableLength];
                Assert.Equal(bytes.Length, chain.Read(0, bytes));
                Port!.Complete(chain, (uint)chain.Write(0, bytes) is var written && bytes.Length == 0 ? 1 : written);
            }

            Kept.Clear();
        }
    }
}
