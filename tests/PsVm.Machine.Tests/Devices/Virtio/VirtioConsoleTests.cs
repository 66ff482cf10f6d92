using System.Buffers.Binary;
using System.Text;
using PsVm.Machine.Devices;
using PsVm.Machine.Devices.Virtio;
using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests.Devices.Virtio;

/// <summary>The console device by its registers: a driver that behaves, and one that does not.</summary>
public sealed class VirtioConsoleTests : IDisposable
{
    private const ulong Multiport = 2;
    private const uint ControlInput = 2, ControlOutput = 3, AgentInput = 4, AgentOutput = 5, OtherOutput = 7;
    private const ushort DeviceReady = 0, PortAdd = 1, PortReady = 3, PortOpen = 6, PortName = 7;
    private const ulong Rings = VirtioSlot.RamStart, Buffers = VirtioSlot.RamStart + 0x1_0000;

    private readonly ConsolePorts _ports = new("log");
    private readonly VirtioSlot _slot;
    private readonly VirtioDriver _driver;
    private readonly Dictionary<uint, VirtioRing> _queues = [];

    public VirtioConsoleTests()
    {
        _slot = new VirtioSlot(port => new VirtioConsole(port, _ports));
        _driver = new VirtioDriver(_slot.Device, _slot.Ram);
    }

    private ConsolePort Agent => _ports.Find(ConsolePorts.Agent)!;

    public void Dispose() => _slot.Dispose();

    [Fact]
    public void A_driver_learns_of_the_ports_and_their_names_and_that_the_host_is_there()
    {
        Begin();

        Say(0, DeviceReady, 1);
        Assert.Equal([(1u, PortAdd, 0, ""), (2u, PortAdd, 0, "")], [Hear(), Hear()]);
        Say(2, PortReady, 1);
        Say(1, PortReady, 1);
        Assert.Equal(
            [(1u, PortName, 1, "org.qemu.guest_agent.0"), (1u, PortOpen, 1, ""), (2u, PortName, 1, "log"), (2u, PortOpen, 1, "")],
            Enumerable.Range(0, 4).Select(_ => Hear()).OrderBy(message => (message.Id, message.What == PortOpen)));
        Assert.False(Agent.IsOpen);

        Say(1, PortOpen, 1);
        Assert.True(Agent.IsOpen);
        Assert.False(_ports.Find("log")!.IsOpen);

        Say(1, PortOpen, 0);
        Assert.False(Agent.IsOpen);
    }

    [Fact]
    public void Bytes_go_both_ways_in_order()
    {
        Open();
        byte[] sent = [.. Enumerable.Range(0, 10_000).Select(i => (byte)(i * 7))];

        List<byte> arrived = [];
        for (int i = 0; i < sent.Length; i += 2500)
        {
            Write(AgentOutput, sent.AsSpan(i, 2500));
            byte[] piece = new byte[4000];
            arrived.AddRange(piece.AsSpan(0, Agent.Read(piece)));
        }

        Assert.Equal(sent, arrived);
        Assert.Equal(sent.Length, Agent.Write(sent));
        arrived.Clear();
        while (arrived.Count < sent.Length)
        {
            arrived.AddRange(Read(AgentInput, 3000));
        }

        Assert.Equal(sent, arrived);
    }

    [Fact]
    public void A_host_that_does_not_read_makes_the_guest_wait_and_nothing_grow()
    {
        Open();
        VirtioRing ring = _queues[AgentOutput];
        _slot.Ram.Write(Buffers, new byte[64 << 10]);
        for (int i = 0; i < 40; i++)
        {
            ring.Publish(ring.Chain((Buffers, 64 << 10, false)));
            _driver.Notify(AgentOutput);
        }

        // What has passed a quarter of a megabyte waits in the ring.
        Assert.True(SpinWait.SpinUntil(() => !Agent.TakesOutput, TimeSpan.FromSeconds(30)));
        Assert.InRange(ring.Returned, 1, 8);

        byte[] all = new byte[41 * (64 << 10)];
        int read = 0;
        Assert.True(
            SpinWait.SpinUntil(() => (read += Agent.Read(all.AsSpan(read))) >= 40 * (64 << 10), TimeSpan.FromSeconds(30)), $"{read} bytes");
        Assert.True(SpinWait.SpinUntil(() => ring.Returned == 40, TimeSpan.FromSeconds(30)), "the last is given back behind its bytes");
        Assert.Equal(40 * (64 << 10), read);
    }

    [Fact]
    public void A_guest_that_does_not_read_takes_a_bounded_number_of_bytes()
    {
        Open();

        Assert.Equal(ConsolePort.MostInput, Agent.Write(new byte[1 << 20]));
        Assert.Equal(0, Agent.Write(new byte[1]));

        Assert.Equal(3000, Read(AgentInput, 3000).Length);
        Assert.Equal(3000, Agent.Write(new byte[1 << 20]));
    }

    [Fact]
    public void What_is_on_its_way_when_a_program_closes_the_port_is_dropped()
    {
        Open();
        Write(AgentOutput, "half an ans"u8);
        Agent.Write("a question"u8);
        int session = Agent.Session;

        Say(1, PortOpen, 0);
        Assert.Equal(0, Agent.Read(new byte[100]));
        Assert.Equal(0, Agent.Write("x"u8));
        Say(1, PortOpen, 1);

        Assert.Equal(0, Agent.Read(new byte[100]));
        Assert.False(Agent.HasInput);
        Assert.Equal(session + 1, Agent.Session);
    }

    [Fact]
    public void A_driver_that_resets_the_device_closes_the_ports()
    {
        Open();
        Write(AgentOutput, "x"u8);

        Assert.True(_driver.Agree(VirtioDriver.Version1 | Multiport));

        Assert.False(Agent.IsOpen);
        Assert.Equal(0, Agent.Read(new byte[100]));
    }

    [Theory]
    [InlineData(0, PortReady, 1)]
    [InlineData(3, PortReady, 1)]
    [InlineData(uint.MaxValue, PortReady, 1)]
    [InlineData(8, PortOpen, 1)]
    [InlineData(0x8000_0001, PortOpen, 1)]
    [InlineData(1, 2, 1)]
    [InlineData(1, 0xffff, 0xffff)]
    [InlineData(1, PortReady, 0)]
    public void What_makes_no_sense_says_nothing(uint id, ushort what, ushort value)
    {
        Begin();

        for (int i = 0; i < 100; i++)
        {
            Say(id, what, value);
        }

        Assert.Equal(0, _queues[ControlInput].Returned);
        Assert.All(_ports.All, port => Assert.False(port.IsOpen));
        Assert.Null(_slot.Device.Fault);
        Say(0, DeviceReady, 1);
        Assert.Equal((1u, PortAdd, 0, ""), Hear());
    }

    [Fact]
    public void A_message_that_is_too_short_or_has_no_room_is_lost_and_no_more()
    {
        Begin();
        VirtioRing control = _queues[ControlOutput];
        control.Publish(control.Chain((Buffers, 7, false)));
        control.Publish(control.Chain((Buffers, 0, true)));
        _driver.Notify(ControlOutput);
        Assert.Equal(2, control.Returned);

        Say(0, DeviceReady, 1);
        Assert.Equal((1u, PortAdd, 0, ""), Hear());
        VirtioRing input = _queues[ControlInput];
        input.Publish(input.Chain((Buffers, 3, true)));
        _driver.Notify(ControlInput);

        Assert.Equal(3u, input.WaitTaken().Written);
        Assert.Null(_slot.Device.Fault);
    }

    [Fact]
    public void The_same_question_over_and_over_is_answered_once()
    {
        Begin();
        for (int i = 0; i < 10_000; i++)
        {
            Say(1, PortReady, 1);
        }

        Assert.Equal([(1u, PortName, 1, ConsolePorts.Agent), (1u, PortOpen, 1, "")], [Hear(), Hear()]);
        VirtioRing input = _queues[ControlInput];
        input.Publish(input.Chain((Buffers, 64, true)));
        _driver.Notify(ControlInput);
        Assert.Null(input.Take());
    }

    [Fact]
    public void More_than_a_buffer_may_hold_stops_the_device()
    {
        Open();
        VirtioRing ring = _queues[AgentOutput];
        ring.Publish(ring.Chain((Buffers, ConsolePort.MostBuffer, false), (Buffers, 1, false)));
        _driver.Notify(AgentOutput);

        Assert.True(SpinWait.SpinUntil(() => _slot.Device.Fault is not null, TimeSpan.FromSeconds(30)));
        Assert.Contains($"at most {ConsolePort.MostBuffer} bytes", _slot.Device.Fault, StringComparison.Ordinal);
        Assert.Equal(VirtioDriver.NeedsReset, _driver.Status & VirtioDriver.NeedsReset);
        Assert.Equal(0, Agent.Read(new byte[1]));
    }

    [Fact]
    public void A_driver_without_ports_writes_to_nobody()
    {
        Assert.True(_driver.Agree());
        _queues[1] = _driver.AddQueue(1, 8, Rings);
        _queues[OtherOutput] = _driver.AddQueue(OtherOutput, 8, Rings + 0x1000);
        _driver.Go();

        Write(1, "x"u8);
        Write(OtherOutput, "x"u8);

        Assert.All(_ports.All, port => Assert.Equal(0, port.Read(new byte[1])));
    }

    [Fact]
    public void A_clone_has_the_ports_of_its_template_open_and_nothing_on_its_way()
    {
        Open();
        Write(AgentOutput, "half an ans"u8);
        _slot.Device.Pause();
        Agent.Write("half a que"u8);
        byte[] state = _slot.Save();
        ConsolePorts others = new();
        using VirtioSlot clone = new(port => new VirtioConsole(port, others));
        clone.Ram.Write(Rings, _slot.Ram.Read(Rings, 0x1_0000));

        clone.Restore(state);

        Assert.Equal([ConsolePorts.Agent, "log"], others.All.Select(port => port.Name));
        Assert.True(others.All[0].IsOpen);
        Assert.False(others.All[1].IsOpen);
        Assert.Equal(0, others.All[0].Read(new byte[100]));
        Assert.Equal(state, clone.Save());

        // The one that was checkpointed goes on with what it has.
        _slot.Device.Resume();
        byte[] answer = new byte[100];
        Assert.Equal("half an ans", Encoding.ASCII.GetString(answer, 0, Agent.Read(answer)));
        Assert.Equal("half a que", Encoding.ASCII.GetString(Read(AgentInput, 100)));
    }

    [Fact]
    public void A_clone_of_a_guest_that_waited_for_its_host_goes_on()
    {
        Open();
        VirtioRing ring = _queues[AgentOutput];
        for (int i = 0; i < 10; i++)
        {
            ring.Publish(ring.Chain((Buffers, 64 << 10, false)));
            _driver.Notify(AgentOutput);
        }

        Assert.True(SpinWait.SpinUntil(() => !Agent.TakesOutput, TimeSpan.FromSeconds(30)));
        _slot.Device.Pause();
        int waiting = 10 - ring.Returned;
        Assert.NotEqual(0, waiting);
        ConsolePorts others = new();
        using VirtioSlot clone = new(port => new VirtioConsole(port, others));
        clone.Device.Pause();
        clone.Ram.Write(Rings, _slot.Ram.Read(Rings, 0x1_0000));
        clone.Restore(_slot.Save());

        clone.Device.Resume();

        int read = 0;
        byte[] bytes = new byte[1 << 20];
        Assert.True(
            SpinWait.SpinUntil(() => (read += others.All[0].Read(bytes)) >= waiting * (64 << 10), TimeSpan.FromSeconds(30)),
            $"{read} bytes");
    }

    [Theory]
    [InlineData("a\na")]
    [InlineData("a/b")]
    [InlineData(".")]
    [InlineData("a\nb\nc\nd\ne\nf\ng\nh")]
    public void A_state_with_ports_that_cannot_be_is_refused(string names)
    {
        ConsolePorts ports = new();

        InvalidDataException refused = Assert.Throws<InvalidDataException>(() => ports.Replace(names.Split('\n')));

        Assert.Contains("found a", refused.Message.Replace("found .", "found a", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Equal([ConsolePorts.Agent], ports.All.Select(port => port.Name));
    }

    [Theory]
    [InlineData(AgentInput)]
    [InlineData(AgentOutput)]
    public async Task A_hart_that_an_interrupt_wakes_finds_the_devices_gate_open(uint queue)
    {
        Open();
        VirtioRing ring = _queues[queue];
        ring.Publish(ring.Chain((Buffers, 100, queue == AgentInput)));
        _driver.AcknowledgeInterrupts();

        // Its first look at the device, from its thread, while the one that woke it still does.
        TimeSpan patience = TimeSpan.FromSeconds(30);
        TaskCompletionSource<bool> isOpen = new();
        _slot.Rising = () => Wakes.Wake(_ => isOpen.TrySetResult(Task.Run(() => _driver.Status).Wait(patience)), 0);
        _driver.Notify(queue);
        Agent.Write("x"u8);

        Assert.True(await isOpen.Task.WaitAsync(patience * 2));
    }

    [Fact]
    public void Whoever_waits_for_output_is_told_once_gates_are_open()
    {
        Open();
        Task changed = Agent.Changed;
        using (Wakes.Hold())
        {
            Agent.Put("x"u8);
            Assert.False(changed.IsCompleted);
        }

        Assert.True(changed.IsCompleted);
    }

    [Fact]
    public async Task Whoever_waits_for_a_port_is_told_when_its_board_is_gone()
    {
        Task changed = Agent.Changed;
        Assert.False(changed.IsCompleted);

        _slot.Device.Dispose();

        await changed.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.True(Agent.IsClosed);
        Assert.True(Agent.Changed.IsCompleted);
    }

    /// <summary>Finds the device and gives it room for messages.</summary>
    private void Begin()
    {
        Assert.True(_driver.Agree(VirtioDriver.Version1 | Multiport));
        foreach (uint queue in (uint[])[ControlInput, ControlOutput, AgentInput, AgentOutput])
        {
            uint size = queue % 2 == 0 ? 16u : 64;
            _queues[queue] = _driver.AddQueue(queue, size, Rings + (queue * 0x1000));
            _queues[queue].Clear();
        }

        _driver.Go();
    }

    /// <summary>A program has the agent's port open.</summary>
    private void Open()
    {
        Begin();
        Say(0, DeviceReady, 1);
        Say(1, PortReady, 1);
        Say(1, PortOpen, 1);
        Assert.True(Agent.IsOpen);
    }

    private void Say(uint id, ushort what, ushort value)
    {
        byte[] message = new byte[8];
        BinaryPrimitives.WriteUInt32LittleEndian(message, id);
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(4), what);
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(6), value);
        Write(ControlOutput, message);
    }

    private (uint Id, ushort What, int Value, string Text) Hear()
    {
        byte[] message = Read(ControlInput, 100);
        return (
            BinaryPrimitives.ReadUInt32LittleEndian(message),
            BinaryPrimitives.ReadUInt16LittleEndian(message.AsSpan(4)),
            BinaryPrimitives.ReadUInt16LittleEndian(message.AsSpan(6)),
            Encoding.ASCII.GetString(message.AsSpan(8)));
    }

    private void Write(uint queue, ReadOnlySpan<byte> bytes)
    {
        VirtioRing ring = _queues[queue];
        _slot.Ram.Write(Buffers, bytes.ToArray());
        ring.Publish(ring.Chain((Buffers, bytes.Length, false)));
        _driver.Notify(queue);
        Assert.Equal(0u, ring.WaitTaken().Written);
    }

    private byte[] Read(uint queue, int room)
    {
        VirtioRing ring = _queues[queue];
        ring.Publish(ring.Chain((Buffers + 0x8000, room, true)));
        _driver.Notify(queue);
        return _slot.Ram.Read(Buffers + 0x8000, (int)ring.WaitTaken().Written);
    }
}
