using PsVm.Machine.Board;
using PsVm.Machine.Devices;

namespace PsVm.Machine.Tests.Devices;

public class DeviceBusTests
{
    private readonly Recorder _first = new();
    private readonly Recorder _second = new();

    [Fact]
    public void An_access_reaches_the_device_at_the_address_with_the_offset_in_it()
    {
        DeviceBus bus = MakeBus();

        Assert.True(bus.TryRead(0x1ffc, 4, out ulong value));
        Assert.True(bus.TryWrite(0x2000, 1, 7));

        Assert.Equal(0xffcul, value);
        Assert.Equal([(0xffcul, 4, null)], _first.Accesses);
        Assert.Equal([(0ul, 1, (ulong?)7)], _second.Accesses);
    }

    [Theory]
    [InlineData(0xfff)]
    [InlineData(0x2010)]
    [InlineData(0)]
    [InlineData(ulong.MaxValue)]
    public void Where_no_device_is_there_is_nothing(ulong address)
    {
        DeviceBus bus = MakeBus();

        Assert.False(bus.TryRead(address, 1, out ulong value));
        Assert.False(bus.TryWrite(address, 1, 0));

        Assert.Equal(0ul, value);
    }

    [Theory]
    [InlineData(0xfff, false)]
    [InlineData(0x1000, true)]
    [InlineData(0x1fff, true)]
    [InlineData(0x200f, true)]
    [InlineData(0x2010, false)]
    [InlineData(ulong.MaxValue, false)]
    public void It_knows_where_a_device_is_without_an_access(ulong address, bool there)
    {
        Assert.Equal(there, MakeBus().HasDevice(address));
        Assert.Empty(_first.Accesses);
    }

    [Theory]
    [InlineData(0x1001, 2)]
    [InlineData(0x1004, 8)]
    [InlineData(0x1ffe, 4)]
    [InlineData(0x2008, 16)]
    [InlineData(0x2000, 3)]
    [InlineData(0x2000, 0)]
    [InlineData(0x2000, -1)]
    [InlineData(0x3000, 8)]
    public void Devices_do_not_see_what_is_misaligned_or_leaves_their_registers(ulong address, int size)
    {
        DeviceBus bus = new(
            (new AddressRange(0x1000, 0x1000), _first), (new AddressRange(0x2000, 0x10), _second), (new(0x3000, 2), _second));

        Assert.False(bus.TryRead(address, size, out ulong value));
        Assert.False(bus.TryWrite(address, size, 7));

        Assert.Equal(0ul, value);
        Assert.Empty(_first.Accesses);
        Assert.Empty(_second.Accesses);
    }

    private DeviceBus MakeBus() => new((new AddressRange(0x1000, 0x1000), _first), (new AddressRange(0x2000, 0x10), _second));

    /// <summary>Reads as the offset.</summary>
    private sealed class Recorder : IDevice
    {
        public List<(ulong Offset, int Size, ulong? Written)> Accesses { get; } = [];

        public bool TryRead(ulong offset, int size, out ulong value)
        {
            Accesses.Add((offset, size, null));
            value = offset;
            return true;
        }

        public bool TryWrite(ulong offset, int size, ulong value)
        {
            Accesses.Add((offset, size, value));
            return true;
        }
    }
}
