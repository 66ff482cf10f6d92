using PsVm.Machine.Templates;
using PsVm.Memory.Mapping;

namespace PsVm.Machine.Tests.Templates;

/// <summary>What a differential template takes along of its parent's content, so that it is few ranges.</summary>
public sealed class DeltaGapsTests
{
    private const long Page = 4096;
    private const long Block = 256 << 20;
    private const int Few = 32;

    [Fact]
    public void Small_gaps_are_filled_and_others_where_there_are_many_ranges()
    {
        Assert.Empty(DeltaGaps.Choose([], Alone));
        Assert.Empty(DeltaGaps.Choose([new(0, Page)], Alone));
        Assert.Equal([new PageRange(Page, 4 * Page)], DeltaGaps.Choose([new(0, Page), new(5 * Page, Page), new(1000 * Page, Page)], Alone));

        // 100 ranges of a page, 10 pages apart: joined until few are left.
        PageRange[] many = [.. Enumerable.Range(0, 100).Select(i => new PageRange(i * 11 * Page, Page))];
        List<PageRange> filled = DeltaGaps.Choose(many, Alone);
        Assert.Equal(100 - Few, filled.Count);
        Assert.All(filled, gap => Assert.Equal(10 * Page, gap.Length));
    }

    [Fact]
    public void Not_too_much_is_filled()
    {
        // 1 MiB apart.
        PageRange[] many = [.. Enumerable.Range(0, 100).Select(i => new PageRange(i * 256 * Page, Page))];

        Assert.InRange(DeltaGaps.Choose(many, Alone).Sum(gap => gap.Length), 6 << 20, 8 << 20);
    }

    [Fact]
    public void What_is_small_of_lower_layers_is_taken_along_where_there_is_much_of_it()
    {
        PageRange[] lower = [.. Enumerable.Range(0, 100).Select(i => new PageRange(((i * 11) + 1) * Page, Page))];
        PageRange[] ranges = [new(0, 2 * Page), new(20_000 * Page, Page)];

        Assert.Empty(DeltaGaps.Choose(ranges, RamPieces.Of(Block, [lower[..20]])));
        List<PageRange> filled = DeltaGaps.Choose(ranges, RamPieces.Of(Block, [lower]));

        // And never what changed itself.
        long[] held = [.. filled.Concat(ranges).SelectMany(range => Pages(range)).Order()];
        Assert.Equal(held.Distinct(), held);
        Assert.InRange(RamPieces.Of(Block, [lower, DeltaGapsMerged(ranges, filled)]).LayeredCount, 1, Few + 1);
    }

    private static RamPieces Alone => RamPieces.Of(Block, []);

    private static IEnumerable<long> Pages(PageRange range) =>
        Enumerable.Range(0, (int)(range.Length / Page)).Select(i => (range.Offset / Page) + i);

    private static PageRange[] DeltaGapsMerged(PageRange[] ranges, List<PageRange> filled) =>
        [.. RamPieces.Of(Block, [ranges, [.. filled]]).Layered];
}
