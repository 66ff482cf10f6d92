using PsVm.Machine.Board;
using PsVm.Machine.Boot;
using PsVm.Machine.Devices;

namespace PsVm.Machine.Tests.Boot;

public class BootPlanTests
{
    private const ulong MiB = 1 << 20;
    private const ulong Start = MemoryMap.RamStart;

    [Fact]
    public void What_has_no_place_of_its_own_is_taken_from_the_top()
    {
        BootPlan plan = Plan((16 * MiB, false));

        Assert.Equal(new AddressRange(Start + (16 * MiB) - 0x1000, 0x800), plan.TakeHighest(0x800, 0x1000));
        Assert.Equal(new AddressRange(Start + (16 * MiB) - 0x3000, 0x1001), plan.TakeHighest(0x1001, 0x1000));
        Assert.Equal(new AddressRange(Start + (16 * MiB) - 0x800, 0x800), plan.TakeHighest(0x800, 1)); // the gap above the first
    }

    [Fact]
    public void What_is_placed_stays_out_of_the_way_of_the_kernel()
    {
        BootPlan plan = Plan((4 * MiB, false));
        plan.Place(Image(Start + (2 * MiB), MiB));

        Assert.Equal(new AddressRange(Start + (3 * MiB), MiB), plan.TakeHighest(MiB, 0x1000));
        Assert.Equal(new AddressRange(Start, 2 * MiB), plan.TakeHighest(2 * MiB, 0x1000));
        Assert.Null(plan.TakeHighest(1, 1));
    }

    [Fact]
    public void Backends_side_by_side_are_one_piece()
    {
        BootPlan plan = Plan((MiB, false), (MiB, false));
        plan.Place(Image(Start + (MiB / 2), MiB));

        Assert.Equal(new AddressRange(Start + (MiB * 3 / 2), MiB / 2), plan.TakeHighest(MiB / 2, 0x1000));
    }

    [Fact]
    public void Read_only_backends_are_left_alone()
    {
        BootPlan plan = Plan((2 * MiB, false), (MiB, true), (MiB / 2, false), (MiB, true));

        Assert.Equal(new AddressRange(Start + (3 * MiB), MiB / 2), plan.TakeHighest(MiB / 2, 0x1000));
        Assert.Equal(new AddressRange(Start + MiB, MiB), plan.TakeHighest(MiB, 0x1000));
    }

    [Fact]
    public void A_range_can_be_avoided_as_far_as_it_is_free()
    {
        BootPlan plan = Plan((4 * MiB, false));
        plan.Place(Image(Start, MiB));
        plan.Avoid(new AddressRange(Start, 2 * MiB));
        plan.Avoid(new AddressRange(Start + (3 * MiB), 2 * MiB));

        Assert.Equal(new AddressRange(Start + (2 * MiB), MiB), plan.TakeHighest(MiB, 0x1000));
        Assert.Null(plan.TakeHighest(1, 1));
    }

    [Theory]
    [InlineData(0x1000_0000, 0x1000, GuestErrorIds.OutsideRam)]
    [InlineData(Start - 1, 2, GuestErrorIds.OutsideRam)]
    [InlineData(Start + MiB, ulong.MaxValue - 1, GuestErrorIds.OutsideRam)]
    [InlineData(Start + (8 * MiB), 1, GuestErrorIds.RamTooSmall)]
    [InlineData(Start + (7 * MiB), MiB + 1, GuestErrorIds.RamTooSmall)]
    [InlineData(Start + (3 * MiB), 2 * MiB, GuestErrorIds.RamReadOnly)]
    [InlineData(Start + MiB, 1, GuestErrorIds.BootImagesOverlap)]
    public void A_place_that_is_not_free_is_an_error_that_says_why(ulong address, ulong size, string errorId)
    {
        BootPlan plan = Plan((4 * MiB, false), (MiB, true), (3 * MiB, false));
        plan.Place(Image(Start, 2 * MiB));

        GuestException error = Assert.Throws<GuestException>(() => plan.Place(Image(address, size)));

        Assert.Equal((errorId, (object?)"image"), (error.ErrorId, error.Target));
    }

    [Theory]
    [InlineData(Start, MiB, "0x80000000-0x800fffff")]
    [InlineData(ulong.MaxValue, 1, "0xffffffffffffffff-0xffffffffffffffff")]
    [InlineData(ulong.MaxValue, 2, "0xffffffffffffffff and on for 0x2 bytes, beyond the last address")]
    [InlineData(Start + MiB, ulong.MaxValue - 1, "0x80100000 and on for 0xfffffffffffffffe bytes, beyond the last address")]
    [InlineData(0, 0, "0x0, no bytes")]
    public void A_range_that_ends_beyond_the_last_address_says_so_and_does_not_wrap(ulong address, ulong size, string text)
    {
        Assert.Equal(text, new AddressRange(address, size).ToString());
        if (address != Start && size != 0)
        {
            GuestException error = Assert.Throws<GuestException>(() => Plan((MiB, false)).Place(Image(address, size)));
            Assert.Equal(GuestErrorIds.OutsideRam, error.ErrorId);
            Assert.Contains($"at {text}, found", error.Message, StringComparison.Ordinal);
        }
    }

    private static BootPlan Plan(params (ulong Size, bool ReadOnly)[] sizes)
    {
        List<RamBlock> blocks = [];
        foreach ((ulong size, bool readOnly) in sizes)
        {
            blocks.Add(new RamBlock(new AddressRange(blocks.Count == 0 ? Start : blocks[^1].Range.End, size), readOnly));
        }

        return new BootPlan(blocks);
    }

    private static BootImage Image(ulong address, ulong size) =>
        new("image", BootRole.Kernel, address, [new BootSegment(address, 0, 0, size)]);
}
