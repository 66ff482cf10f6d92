using PsVm.Riscv.Mmu;

namespace PsVm.Riscv.Tests;

/// <summary>Where superpages may be.</summary>
public class SuperpageRangesTests
{
    private const ulong Image = 0xffff_ffff_8000_0000, Linear = 0xffff_ffd6_0000_0000, Megapage = 1 << 21;

    private readonly SuperpageRanges _ranges = new();

    [Fact]
    public void ASuperpageIsWhereItWasAddedAndNowhereElse()
    {
        Assert.False(_ranges.Contains(0));
        _ranges.Add(Megapage + 5, 21);
        Assert.Equal(
            (false, true, true, false), (Contains(Megapage - 1), Contains(Megapage), Contains((2 * Megapage) - 1), Contains(2 * Megapage)));

        _ranges.Clear();
        Assert.False(_ranges.Contains(Megapage));
    }

    // As Linux has them: its image, all of RAM, and what is mapped page by page in between.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ManyAreHeldByRangesThatLieApart(bool linearFirst)
    {
        foreach (bool linear in (bool[])[linearFirst, !linearFirst])
        {
            for (ulong page = 0; page < 128; page++)
            {
                _ranges.Add(linear ? Linear + (page * Megapage) : Image + (page % 12 * Megapage), 21);
            }
        }

        for (ulong page = 0; page < 128; page++)
        {
            Assert.True(_ranges.Contains(Linear + (page * Megapage) + 0x1234));
            Assert.True(_ranges.Contains(Image + (page % 12 * Megapage)));
        }

        Assert.False(_ranges.Contains(0xffff_ffc6_fe00_0000)); // the fixmap
        Assert.False(_ranges.Contains(0xffff_ffc8_0000_0000)); // vmalloc
        Assert.False(_ranges.Contains(0xffff_ffff_0000_0000)); // modules
        Assert.False(_ranges.Contains(0x3f_ffff_f000)); // a stack
    }

    [Fact]
    public void AllOfManyScatteredOnesAreHeld()
    {
        var dice = new Dice(5, 1);
        ulong[] pages = [.. Enumerable.Range(0, 200).Select(_ => dice.Bits())];
        Array.ForEach(pages, page => _ranges.Add(page, 21 + (9 * (int)(page & 1))));

        Assert.All(pages, page => Assert.True(_ranges.Contains(page)));
        Assert.All(pages, page => Assert.True(_ranges.Contains(page & ~(Megapage - 1))));
    }

    private bool Contains(ulong address) => _ranges.Contains(address);
}
