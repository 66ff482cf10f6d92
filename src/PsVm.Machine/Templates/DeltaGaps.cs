using Microsoft.Win32.SafeHandles;
using PsVm.Memory;
using PsVm.Memory.Mapping;

namespace PsVm.Machine.Templates;

/// <summary>
/// Joins the ranges of a differential template, and takes along what is small of those below: each range is a mapping of every clone, and a
/// guest changes its pages here and there. What its parents have there too, of which all clones share a copy, is cheaper than mappings of
/// each, and a chain of many levels starts as fast as one of one.
/// </summary>
internal static class DeltaGaps
{
    // What the kernel maps around a page that is touched is larger than that.
    private const long SmallGap = 16 << 10;

    private const int FewRanges = 32;
    private const long MostBytes = 8 << 20;
    private const int MostPartOfBlock = 32;
    private const int MostPartOfRanges = 4;

    /// <summary>Joins neighbours of all blocks, and fills what is between them.</summary>
    /// <param name="parent">The template that the new one is made on, and those that it needs.</param>
    /// <param name="changes">What changed of each block.</param>
    /// <param name="files">The files of the blocks, which have that and holes.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>What the files have then.</returns>
    /// <exception cref="GuestException">A file of the parent is not what was recorded.</exception>
    /// <exception cref="IOException">A file cannot be read or written.</exception>
    public static List<IReadOnlyList<PageRange>> Fill(
        TemplateChain parent,
        IReadOnlyList<IReadOnlyList<PageRange>> changes,
        IReadOnlyList<SafeFileHandle> files,
        CancellationToken cancellation)
    {
        List<IReadOnlyList<PageRange>> joined = [];
        for (int block = 0; block < changes.Count; block++)
        {
            TemplateRamBlock below = parent.Base.RamBlocks[block];

            // Over huge pages ranges are copied by every clone, and none is smaller than such a page.
            List<PageRange> filled = MemoryBackends.IsHugetlbfs(below.File) ? [] : Choose(changes[block], parent.PiecesOf(block));
            if (filled.Count > 0)
            {
                parent.CopyContent(block, filled, files[block], advance: null, cancellation);
            }

            joined.Add(filled.Count == 0 ? changes[block] : Merge(changes[block], filled));
        }

        return joined;
    }

    /// <summary>
    /// What of the parent's content is taken along: small gaps; and where there are many ranges, what shows of lower layers and larger
    /// gaps, the smallest first and not too much of them.
    /// </summary>
    /// <param name="ranges">What changed, in order.</param>
    /// <param name="below">Which layer shows where in the parent.</param>
    /// <returns>Ranges that did not change, in order.</returns>
    internal static List<PageRange> Choose(IReadOnlyList<PageRange> ranges, RamPieces below)
    {
        long left = Math.Max(Math.Min(MostBytes, below.Size / MostPartOfBlock), ranges.Sum(range => range.Length) / MostPartOfRanges);
        List<PageRange> chosen = [];
        PageRange[] lower = [.. RamPieces.Of(below.Size, [[.. below.Layered], ranges]).RangesOf(1)];
        Take(lower, () => lower.Length + ranges.Count > FewRanges);
        List<PageRange> held = Merge(ranges, chosen);
        int many = held.Count;
        int before = chosen.Count;
        Take(
            held.Zip(held.Skip(1), (one, next) => new PageRange(one.End, next.Offset - one.End)),
            () => many - (chosen.Count - before) > FewRanges,
            SmallGap);
        return Merge([], chosen);

        void Take(IEnumerable<PageRange> candidates, Func<bool> areMany, long small = 0)
        {
            foreach (PageRange candidate in candidates.OrderBy(range => range.Length))
            {
                if (candidate.Length > left || (candidate.Length > small && !areMany()))
                {
                    break;
                }

                left -= candidate.Length;
                chosen.Add(candidate);
            }
        }
    }

    private static List<PageRange> Merge(IReadOnlyList<PageRange> ranges, List<PageRange> others)
    {
        List<PageRange> merged = [];
        foreach (PageRange range in ranges.Concat(others).OrderBy(range => range.Offset))
        {
            if (merged.Count > 0 && merged[^1].End == range.Offset)
            {
                merged[^1] = merged[^1] with { Length = merged[^1].Length + range.Length };
            }
            else
            {
                merged.Add(range);
            }
        }

        return merged;
    }
}
