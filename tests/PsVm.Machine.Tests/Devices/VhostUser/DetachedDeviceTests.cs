using System.Buffers.Binary;
using PsVm.Machine.Devices.VhostUser;
using PsVm.Machine.State;
using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests.Devices.VhostUser;

/// <summary>What stands in a clone for a device of another process: each request gets an error, and at once.</summary>
public sealed class DetachedDeviceTests
{
    private const ulong Buffer = VirtioSlot.RamStart + 0x1_0000;

    [Theory]
    [InlineData(BlockDriver.Read)]
    [InlineData(BlockDriver.Write)]
    [InlineData(BlockDriver.Flush)]
    [InlineData(BlockDriver.Discard)]
    public void A_disk_answers_with_an_error_of_its_own(uint type)
    {
        using VirtioSlot slot = new(port => new DetachedDevice(port, VhostTraits.Block, "d"));
        BlockDriver driver = new(slot);

        Assert.Equal(BlockDriver.IoError, type == BlockDriver.Read ? driver.ReadSectors(0, 512).Status : driver.Do(type, 0, new byte[512]));
        Assert.Equal(0ul, driver.Driver.Status & VirtioDriver.NeedsReset);
    }

    [Fact]
    public void A_file_system_answers_that_it_is_not_connected_and_what_wants_no_answer_gets_none()
    {
        using VirtioSlot slot = new(port => new DetachedDevice(port, VhostTraits.FileSystem, "src"));
        VirtioDriver driver = new(slot.Device, slot.Ram);
        VirtioRing ring = driver.Start(64);
        byte[] request = new byte[40];
        BinaryPrimitives.WriteUInt64LittleEndian(request.AsSpan(8), 0x1122_3344_5566_7788);
        slot.Ram.Write(Buffer, request);
        slot.Ram.Write(Buffer + 0x100, new byte[32]);

        ring.Publish(ring.Chain((Buffer, 40, false), (Buffer + 0x100, 32, true)));
        ring.Publish(ring.Chain((Buffer, 40, false)));
        ring.Publish(ring.Chain((Buffer, 4, false), (Buffer + 0x200, 32, true))); // a request that is none
        driver.Notify();
        SpinWait.SpinUntil(() => ring.Returned == 3, TimeSpan.FromSeconds(30));

        byte[] answer = slot.Ram.Read(Buffer + 0x100, 32);
        Assert.Equal(
            (3, 16, -107),
            (ring.Returned, BinaryPrimitives.ReadInt32LittleEndian(answer), BinaryPrimitives.ReadInt32LittleEndian(answer.AsSpan(4))));
        Assert.Equal(0x1122_3344_5566_7788ul, BinaryPrimitives.ReadUInt64LittleEndian(answer.AsSpan(8)));
        Assert.Equal(new byte[16], answer[16..]);
        Assert.Equal(
            "src",
            System.Text.Encoding.UTF8.GetString([.. Enumerable.Range(0, 3).Select(at => (byte)slot.Device.Read((ulong)(0x100 + at), 1))]));
    }

    [Fact]
    public void What_waited_when_the_device_was_detached_is_answered_too_and_nothing_twice()
    {
        byte[] config = [.. Enumerable.Range(0, 60).Select(value => (byte)value)];
        using FakeVhostDaemon daemon = new();
        using VhostFrontEnd frontEnd = new(daemon, VhostTraits.Block, "d", TimeSpan.FromSeconds(30));
        using VirtioSlot slot = SlotOf(frontEnd);
        VirtioDriver driver = new(slot.Device, slot.Ram);
        VirtioRing ring = driver.Start(8);
        daemon.Wait(VhostRequest.SetQueueEnabled);
        ring.Publish(Request(0));
        ring.Publish(Request(1));
        slot.Ram.Write(ring.Used + 2, [1, 0]); // the daemon has used the first, and the driver was not told of it
        slot.Ram.Write(Buffer + 512, [0]);
        slot.Device.Pause();
        slot.Device.Drain(CancellationToken.None);
        byte[] state = slot.Save();

        using VirtioSlot clone = new(port => new DetachedDevice(port, VhostTraits.Block, "d"));
        clone.Ram.Write(VirtioSlot.RamStart, slot.Ram.Read(VirtioSlot.RamStart, (int)VirtioSlot.RamSize));
        clone.Device.Pause();
        clone.Device.Transfer(new StateStream(state));
        clone.Device.Resume();

        Assert.True(clone.Line);
        VirtioRing same = new(clone.Ram, 8, VirtioSlot.RamStart);
        Assert.True(SpinWait.SpinUntil(() => same.Returned == 2, TimeSpan.FromSeconds(30)));
        Assert.Equal((0, BlockDriver.IoError), (clone.Ram.Read(Buffer + 512, 1)[0], clone.Ram.Read(Buffer + 0x1000 + 512, 1)[0]));
        Assert.Equal(config, Enumerable.Range(0, 60).Select(at => (byte)clone.Device.Read((ulong)(0x100 + at), 1)).ToArray());

        // And what is made of the clone is the same again.
        clone.Device.Pause();
        using VirtioSlot next = new(port => new DetachedDevice(port, VhostTraits.Block, "d"));
        next.Ram.Write(VirtioSlot.RamStart, clone.Ram.Read(VirtioSlot.RamStart, (int)VirtioSlot.RamSize));
        next.Device.Transfer(new StateStream(clone.Save()));
        Assert.Equal(config[7], (byte)next.Device.Read(0x107, 1));

        ushort Request(ulong number) =>
            ring.Chain((Buffer + (number * 0x1000), 16, false), (Buffer + (number * 0x1000) + 0x10, 512 - 16 + 1, true));
    }

    [Fact]
    public void A_daemon_that_is_held_back_begins_nothing_when_the_guest_goes_on()
    {
        using FakeVhostDaemon daemon = new();
        using VhostFrontEnd frontEnd = new(daemon, VhostTraits.Block, "d", TimeSpan.FromSeconds(30));
        using VirtioSlot slot = SlotOf(frontEnd);
        new VirtioDriver(slot.Device, slot.Ram).Start(8);
        daemon.Wait(VhostRequest.SetQueueEnabled);
        slot.Device.Pause();
        slot.Device.Drain(CancellationToken.None);
        frontEnd.HoldBack(true);

        slot.Device.Resume();
        daemon.Die(); // which has the front end connect again, and look for what is to be done
        Assert.True(SpinWait.SpinUntil(() => frontEnd.State is { IsConnected: true, Losses: 1 }, TimeSpan.FromSeconds(30)));
        Assert.Equal(1, daemon.Count(VhostRequest.SetQueueEnabled));

        frontEnd.HoldBack(false);
        daemon.Wait(VhostRequest.SetQueueEnabled, 2);
    }

    private static VirtioSlot SlotOf(VhostFrontEnd frontEnd) => new((ram, port) =>
    {
        VhostBoard board = new(port, ram.Memory.Physical, []);
        frontEnd.Attach(board);
        return new VhostUserDevice(frontEnd, board, "d");
    });
}
