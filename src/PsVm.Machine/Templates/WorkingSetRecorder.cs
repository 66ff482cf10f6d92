using System.Collections;
using PsVm.Memory.Mapping;

namespace PsVm.Machine.Templates;

/// <summary>Puts together in which order pages of each block are touched, look by look.</summary>
/// <param name="blocks">Bytes of each block of RAM.</param>
internal sealed class WorkingSetRecorder(IReadOnlyList<long> blocks)
{
    private const long PageSize = 4096;

    // Of a disk as many pages at once cost hardly more than one.
    private const long LargestGap = 8 * PageSize;

    private readonly BitArray[] _known = [.. blocks.Select(size => new BitArray((int)(size / PageSize)))];
    private readonly List<PageRange>[] _ranges = [.. blocks.Select(_ => new List<PageRange>())];

    /// <summary>What is known by now.</summary>
    public WorkingSet ToSet() => new([.. _ranges.Select(ranges => (IReadOnlyList<PageRange>)[.. ranges])]);

    /// <summary>Adds what is new since the last look.</summary>
    /// <param name="touched">Touched ranges of each block, in the order of their places.</param>
    public void Look(IReadOnlyList<IReadOnlyList<PageRange>> touched)
    {
        for (int block = 0; block < touched.Count; block++)
        {
            PageRange? open = null;
            foreach (PageRange range in touched[block].SelectMany(range => NewPartsOf(_known[block], range)))
            {
                if (open is { } before && range.Offset - before.End <= LargestGap)
                {
                    open = new PageRange(before.Offset, range.End - before.Offset);
                }
                else
                {
                    Close(block, open);
                    open = range;
                }
            }

            Close(block, open);
        }
    }

    private void Close(int block, PageRange? open)
    {
        if (open is { } range)
        {
            _ranges[block].Add(range);
        }
    }

    private static IEnumerable<PageRange> NewPartsOf(BitArray known, PageRange range)
    {
        long start = -1;
        for (long offset = range.Offset; offset < range.End; offset += PageSize)
        {
            int page = (int)(offset / PageSize);
            if (!known[page])
            {
                known[page] = true;
                start = start < 0 ? offset : start;
            }
            else if (start >= 0)
            {
                yield return new PageRange(start, offset - start);
                start = -1;
            }
        }

        if (start >= 0)
        {
            yield return new PageRange(start, range.End - start);
        }
    }
}
