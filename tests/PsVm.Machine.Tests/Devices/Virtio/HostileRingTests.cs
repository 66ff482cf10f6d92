using PsVm.Machine.Devices.Virtio;
using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests.Devices.Virtio;

/// <summary>What drivers get wrong stops their device, until they reset it, and nothing else.</summary>
public sealed class HostileRingTests : IDisposable
{
    private const uint Size = 8;
    private const ulong Ring = VirtioSlot.RamStart, Buffers = VirtioSlot.RamStart + 0x1_0000, Rom = VirtioSlot.RomStart;
    private const ulong All = VirtioDriver.Version1 | VirtioDriver.Indirect | VirtioDriver.EventIndex;

    private readonly VirtioSlot _slot = new(port => new VirtioRng(port));
    private readonly VirtioDriver _driver;

    public HostileRingTests() => _driver = new VirtioDriver(_slot.Device, _slot.Ram);

    public static TheoryData<string, string> Buffer() => new()
    {
        { "index far ahead", "at most 8 buffers, found 9" },
        { "head beyond the table", "a descriptor below 8, found 8" },
        { "next beyond the table", "a descriptor below 8, found 8" },
        { "next is the last of 16 bits", "found 65535" },
        { "loop of one", "at most 64 descriptors" },
        { "loop of two", "at most 64 descriptors" },
        { "below RAM", "NoRam" },
        { "beyond RAM", "NoRam" },
        { "from RAM to where there is none", "NoRam" },
        { "a device", "NoRam" },
        { "around the end of addresses", "Overflow" },
        { "all of 4 GiB", "NoRam" },
        { "to be written in ROM", "ReadOnly" },
        { "to be written from RAM into ROM", "ReadOnly" },
        { "read behind written", "found it behind that" },
        { "over the descriptors", "beside the queue" },
        { "over the driver's ring", "beside the queue" },
        { "over the device's ring", "beside the queue" },
        { "table of no bytes", "found flags 4 and 0 bytes" },
        { "table of half a descriptor", "and 24 bytes" },
        { "table that goes on", "found flags 5" },
        { "table outside RAM", "found them at 0x1000" },
        { "table around the end of addresses", "found them at 0xffffffffffffffff" },
        { "table in a table", "found flags 4 and 16 bytes" },
        { "table that loops", "at most 64 descriptors" },
        { "table with a next beyond it", "a descriptor below 2, found 2" },
        { "table with more than may be", "at most 64 descriptors" },
    };

    [Theory]
    [MemberData(nameof(Buffer))]
    public void A_wrong_buffer_stops_the_device(string what, string complaint)
    {
        VirtioRing ring = _driver.Start(Size, All);
        ring.Clear();
        byte[] before = _slot.Ram.Read(Buffers, 0x1000);
        if (Make(what, ring))
        {
            ring.Publish(0);
        }

        _driver.Notify();

        AssertStopped(complaint);
        Assert.Null(ring.Take());
        Assert.Equal(before.AsSpan(0x400).ToArray(), _slot.Ram.Read(Buffers + 0x400, 0xc00));
        AssertWorksAfterReset();
    }

    [Theory]
    [InlineData("no entries", "a power of two, found 0")]
    [InlineData("seven entries", "a power of two, found 7")]
    [InlineData("too many entries", "at most 64 entries")]
    [InlineData("more entries than bytes can count", "found 2147483648")]
    [InlineData("descriptors outside RAM", "descriptors in RAM")]
    [InlineData("descriptors between", "multiple of 16")]
    [InlineData("driver's ring outside RAM", "driver's ring in RAM")]
    [InlineData("driver's ring at the end", "driver's ring in RAM")]
    [InlineData("driver's ring between", "multiple of 2,")]
    [InlineData("device's ring in ROM", "ReadOnly")]
    [InlineData("device's ring between", "multiple of 4,")]
    [InlineData("device's ring around the end of addresses", "Overflow")]
    [InlineData("device's ring over descriptors", "beside each other")]
    [InlineData("driver's ring over descriptors", "beside each other")]
    [InlineData("one ring over the other", "beside each other")]
    public void A_queue_in_a_wrong_place_stops_the_device(string what, string complaint)
    {
        Assert.True(_driver.Agree());
        VirtioRing good = new(_slot.Ram, Size, Ring);
        (uint size, ulong descriptors, ulong available, ulong used) = what switch
        {
            "no entries" => (0u, Ring, good.Available, good.Used),
            "seven entries" => (7u, Ring, good.Available, good.Used),
            "too many entries" => (128u, Ring, good.Available, good.Used),
            "more entries than bytes can count" => (0x8000_0000, Ring, good.Available, good.Used),
            "descriptors outside RAM" => (Size, 0x1000_0000ul, good.Available, good.Used),
            "descriptors between" => (Size, Ring + 8, good.Available + 0x100, good.Used + 0x200),
            "driver's ring outside RAM" => (Size, Ring, 0ul, good.Used),
            "driver's ring at the end" => (Size, Ring, VirtioSlot.RamEnd - 4, good.Used),
            "driver's ring between" => (Size, Ring, good.Available + 1, good.Used + 0x100),
            "device's ring in ROM" => (Size, Ring, good.Available, Rom),
            "device's ring between" => (Size, Ring, good.Available, good.Used + 2),
            "device's ring around the end of addresses" => (Size, Ring, good.Available, ulong.MaxValue - 3),
            "device's ring over descriptors" => (Size, Ring, good.Available, Ring + 64),
            "driver's ring over descriptors" => (Size, Ring, Ring + 126, good.Used),
            _ => (Size, Ring, good.Available, good.Available + 4),
        };

        _driver.Place(0, size, descriptors, available, used);

        Assert.NotEqual(0ul, _driver.Status & VirtioDriver.NeedsReset);
        Assert.Equal(0ul, _slot.Device.Read(VirtioDriver.QueueReady));
        Assert.Contains(complaint, _slot.Device.Fault, StringComparison.Ordinal);
        _driver.Go();
        _driver.Notify();
        AssertWorksAfterReset();
    }

    [Fact]
    public void A_table_elsewhere_is_for_those_who_agreed_on_it()
    {
        VirtioRing ring = _driver.Start(Size);
        ring.Clear();
        _slot.Ram.Write(Buffers, VirtioRing.Descriptor(Buffers + 0x100, 16, VirtioRing.Write, 0));
        ring.Describe(0, Buffers, 16, VirtioRing.Indirect);
        ring.Publish(0);
        _driver.Notify();

        AssertStopped("found flags 4");
    }

    [Fact]
    public void ROM_may_be_read_and_descriptors_may_be_there()
    {
        // What makes the cases above ones that can fail.
        VirtioRing ring = _driver.Start(Size);
        ring.Clear();
        ring.Publish(ring.Chain((Rom, 16, false), (Buffers, 16, true)));
        _driver.Notify();

        Assert.Equal((0u, 16u), ring.Take());
        Assert.Equal(0ul, _driver.Status & VirtioDriver.NeedsReset);
        Assert.True(_driver.Agree());
        _driver.Place(0, Size, Rom, ring.Available, ring.Used);
        Assert.Equal(1ul, _slot.Device.Read(VirtioDriver.QueueReady));
    }

    [Fact]
    public void Nothing_is_served_before_the_driver_is_there_or_after_it_is_gone()
    {
        Assert.True(_driver.Agree());
        VirtioRing ring = _driver.AddQueue(0, Size, Ring);
        ring.Clear();
        ring.Publish(ring.Chain((Buffers, 16, true)));
        _driver.Notify();
        Assert.Null(ring.Take());

        _driver.Go();
        _slot.Device.Write(VirtioDriver.QueueReady, 0);
        _driver.Notify();
        _driver.Notify(1);
        _driver.Notify(uint.MaxValue);
        Assert.Null(ring.Take());
    }

    [Fact]
    public void Places_of_a_queue_in_use_do_not_move()
    {
        VirtioRing ring = _driver.Start(Size);
        ring.Clear();
        _slot.Device.Write(VirtioDriver.QueueSize, 3);
        _slot.Device.Write(VirtioDriver.QueueDescriptors, 0);
        _slot.Device.Write(VirtioDriver.QueueDriver, 0);
        _slot.Device.Write(VirtioDriver.QueueDevice, 0);
        ring.Publish(ring.Chain((Buffers, 16, true)));
        _driver.Notify();

        Assert.Equal((0u, 16u), ring.Take());
    }

    public void Dispose() => _slot.Dispose();

    private void AssertStopped(string complaint)
    {
        Assert.Contains(complaint, _slot.Device.Fault, StringComparison.Ordinal);
        Assert.NotEqual(0ul, _driver.Status & VirtioDriver.NeedsReset);
        Assert.Equal((2ul, true), (_driver.Interrupts, _slot.Line));
        _driver.Notify();
        Assert.NotEqual(0ul, _driver.Status & VirtioDriver.NeedsReset);
    }

    private void AssertWorksAfterReset()
    {
        VirtioRing ring = _driver.Start(Size, All);
        ring.Clear();
        Assert.False(_slot.Line);
        ring.Publish(ring.Chain((Buffers, 16, true)));
        _driver.Notify();
        Assert.Equal((0u, 16u), ring.Take());
        Assert.True(_slot.Line);
    }

    /// <summary>Writes what is wrong to the ring.</summary>
    /// <returns>False: it is published, too.</returns>
    private bool Make(string what, VirtioRing ring)
    {
        const ushort next = VirtioRing.Next, write = VirtioRing.Write, indirect = VirtioRing.Indirect;
        switch (what)
        {
            case "index far ahead":
                ring.WriteIndex(9);
                return false;
            case "head beyond the table":
                ring.Publish(8);
                return false;
            case "next beyond the table":
                ring.Describe(0, Buffers, 16, write | next, 8);
                break;
            case "next is the last of 16 bits":
                ring.Describe(0, Buffers, 16, write | next, ushort.MaxValue);
                break;
            case "loop of one":
                ring.Describe(0, Buffers, 16, write | next, 0);
                break;
            case "loop of two":
                ring.Describe(0, Buffers, 16, next, 1);
                ring.Describe(1, Buffers, 16, next, 0);
                break;
            case "table that loops":
                _slot.Ram.Write(Buffers, VirtioRing.Descriptor(Buffers + 0x100, 16, write | next, 0));
                ring.Describe(0, Buffers, 16, indirect);
                break;
            case "table with a next beyond it":
                _slot.Ram.Write(Buffers, VirtioRing.Descriptor(Buffers + 0x100, 16, write | next, 2));
                ring.Describe(0, Buffers, 32, indirect);
                break;
            case "table with more than may be":
                _slot.Ram.Write(
                    Buffers + 0x1000,
                    [.. Enumerable.Range(0, 65).SelectMany(i => VirtioRing.Descriptor(Buffers + 0x800, 1, write | next, (ushort)(i + 1)))]);
                ring.Describe(0, Buffers + 0x1000, 16 * 65, indirect);
                break;
            case "table in a table":
                _slot.Ram.Write(Buffers, VirtioRing.Descriptor(Buffers, 16, indirect, 0));
                ring.Describe(0, Buffers, 16, indirect);
                break;
            case "table that goes on":
                ring.Describe(0, Buffers, 16, indirect | next, 1);
                break;
            case "read behind written":
                ring.Describe(0, Buffers, 16, write | next, 1);
                ring.Describe(1, Buffers, 16, 0);
                break;
            default:
                (ulong address, uint length, ushort flags) = what switch
                {
                    "below RAM" => (0x1000ul, 16u, write),
                    "beyond RAM" => (VirtioSlot.RamEnd, 16u, (ushort)0),
                    "from RAM to where there is none" => (VirtioSlot.RamEnd - 8, 16u, (ushort)0),
                    "a device" => (0x1000_0000ul, 1u, write),
                    "around the end of addresses" => (ulong.MaxValue - 7, 16u, write),
                    "all of 4 GiB" => (0ul, uint.MaxValue, write),
                    "to be written in ROM" => (Rom, 16u, write),
                    "to be written from RAM into ROM" => (Rom - 8, 16u, write),
                    "over the descriptors" => (Ring + 127, 1u, write),
                    "over the driver's ring" => (Ring + 130, 1u, write),
                    "over the device's ring" => (ring.End - 1, 16u, write),
                    "table of no bytes" => (Buffers, 0u, indirect),
                    "table of half a descriptor" => (Buffers, 24u, indirect),
                    "table outside RAM" => (0x1000ul, 16u, indirect),
                    "table around the end of addresses" => (ulong.MaxValue, 16u, indirect),
                    _ => throw new ArgumentException(what),
                };
                ring.Describe(0, address, length, flags);
                break;
        }

        return true;
    }
}
