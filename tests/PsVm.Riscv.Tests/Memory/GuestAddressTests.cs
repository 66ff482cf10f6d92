using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Tests.Memory;

public class GuestAddressTests
{
    [Theory]
    [InlineData(0x8000_0000, 0x1000, true, 0x8000_1000)]
    [InlineData(0, ulong.MaxValue, true, ulong.MaxValue)]
    [InlineData(ulong.MaxValue, 0, true, ulong.MaxValue)]
    [InlineData(ulong.MaxValue, 1, false, ulong.MaxValue)]
    [InlineData(2, ulong.MaxValue, false, 2)]
    public void A_sum_never_wraps_around(ulong address, ulong bytes, bool fits, ulong sum)
    {
        Assert.Equal(fits, new GuestAddress(address).TryAdd(bytes, out GuestAddress found));
        Assert.Equal(new GuestAddress(sum), found);
    }

    [Theory]
    [InlineData(1, 3, true, 2)]
    [InlineData(3, 3, true, 0)]
    [InlineData(3, 1, false, 0)]
    [InlineData(0, ulong.MaxValue, true, ulong.MaxValue)]
    public void A_distance_is_never_negative(ulong from, ulong to, bool isLater, ulong distance)
    {
        Assert.Equal(isLater, new GuestAddress(from).TryDistanceTo(new GuestAddress(to), out ulong bytes));
        Assert.Equal(distance, bytes);
    }

    [Fact]
    public void Addresses_are_ordered_and_written_as_numbers()
    {
        GuestAddress low = new(0x1000), high = new(ulong.MaxValue);

        Assert.True(low < high && high > low && low <= high && high >= low && low.CompareTo(high) < 0);
        Assert.Equal(("0x1000", true, false), (low.ToString(), low.IsAligned(0x1000), new GuestAddress(0x1008).IsAligned(16)));
    }
}
