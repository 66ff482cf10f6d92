using PsVm.Memory.Mapping;

namespace PsVm.Memory.Discarding;

/// <summary>A part of a block that is one kernel mapping.</summary>
/// <param name="Start">First byte, from the start of the block.</param>
/// <param name="End">One past the last byte.</param>
/// <param name="IsOverlay">Zeros laid over the file; else a file.</param>
/// <param name="Layer">Which file: 0 is the block's own, and an overlay has none.</param>
internal readonly record struct Segment(long Start, long End, bool IsOverlay, int Layer = 0)
{
    /// <summary>Bytes.</summary>
    public long Length => End - Start;

    /// <summary>Whether another one is of the same kind, so that they can be one mapping.</summary>
    public bool IsLike(Segment other) => IsOverlay == other.IsOverlay && Layer == other.Layer;
}

/// <summary>
/// How the kernel has cut a block into mappings, overlays apart from file. Pure bookkeeping; never fewer segments than kernel mappings.
/// One thread changes it, while any look.
/// </summary>
/// <param name="size">Bytes of the block.</param>
/// <param name="fileMerges">Neighbouring file mappings merge; those of hugetlbfs do not.</param>
internal sealed class MappingLayout(long size, bool fileMerges)
{
    private readonly Lock _lock = new();
    private readonly List<Segment> _segments = [new(0, size, false)];

    /// <summary>Kernel mappings of the block, at most.</summary>
    public int SegmentCount => Look(segments => segments.Count);

    /// <summary>Bytes under overlays.</summary>
    public long OverlayBytes => Look(segments => segments.Where(s => s.IsOverlay).Sum(s => s.Length));

    /// <summary>Overlays, neighbours counted as one.</summary>
    public int OverlayCount => Look(segments =>
    {
        var count = 0;
        for (var i = 0; i < segments.Count; i++)
        {
            count += segments[i].IsOverlay && (i == 0 || !segments[i - 1].IsOverlay) ? 1 : 0;
        }

        return count;
    });

    /// <summary>The parts of a range, each clipped to it, in order.</summary>
    public List<Segment> Within(long start, long end) => Look(segments =>
    {
        var parts = new List<Segment>();
        for (var i = IndexOf(start); i < segments.Count && segments[i].Start < end; i++)
        {
            var segment = segments[i];
            parts.Add(segment with { Start = Math.Max(start, segment.Start), End = Math.Min(end, segment.End) });
        }

        return parts;
    });

    /// <summary>Cuts the block, which is one segment, at the layers that are mapped over it.</summary>
    public void Lay(RamPieces pieces)
    {
        lock (_lock)
        {
            _segments.Clear();
            foreach (RamPiece piece in pieces.All)
            {
                Segment next = new(piece.Start, piece.End, false, piece.MappedLayer);
                if (_segments.Count > 0 && _segments[^1].IsLike(next))
                {
                    _segments[^1] = _segments[^1] with { End = next.End };
                }
                else
                {
                    _segments.Add(next);
                }
            }
        }
    }

    /// <summary>
    /// How many segments turning a part of one segment into the other kind would add; negative: take away. A part of an overlay says in its
    /// <see cref="Segment.Layer"/> which file it is to be.
    /// </summary>
    public int CostOfFlipping(Segment part)
    {
        var (_, count, replacement) = Flipped(part);
        return replacement.Count - count;
    }

    /// <summary>Turns a part of one segment into the other kind.</summary>
    public void Flip(Segment part)
    {
        var (index, count, replacement) = Flipped(part);
        lock (_lock)
        {
            _segments.RemoveRange(index, count);
            _segments.InsertRange(index, replacement);
        }
    }

    private T Look<T>(Func<List<Segment>, T> look)
    {
        lock (_lock)
        {
            return look(_segments);
        }
    }

    /// <summary>
    /// The kernel joins a new mapping with a neighbour of its kind on either side, but not always three into one: two that were written
    /// to apart stay apart. So join the left neighbour, and the right one only without a left.
    /// </summary>
    private (int Index, int Count, List<Segment> Replacement) Flipped(Segment part)
    {
        var index = IndexOf(part.Start);
        var count = 1;
        var old = _segments[index];
        var flipped = part.IsOverlay ? part with { IsOverlay = false } : part with { IsOverlay = true, Layer = 0 };
        var merges = flipped.IsOverlay || fileMerges;
        var replacement = new List<Segment>(3);
        if (old.Start < part.Start)
        {
            replacement.Add(old with { End = part.Start });
        }
        else if (merges && index > 0 && _segments[index - 1].IsLike(flipped))
        {
            index--;
            count++;
            flipped = flipped with { Start = _segments[index].Start };
            merges = false;
        }

        var next = index + count;
        if (part.End < old.End)
        {
            replacement.Add(flipped);
            replacement.Add(old with { Start = part.End });
        }
        else if (merges && next < _segments.Count && _segments[next].IsLike(flipped))
        {
            count++;
            replacement.Add(flipped with { End = _segments[next].End });
        }
        else
        {
            replacement.Add(flipped);
        }

        return (index, count, replacement);
    }

    private int IndexOf(long position) => OrderedParts.IndexOf(_segments, position, segment => segment.Start);
}
