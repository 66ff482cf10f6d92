using System.Diagnostics;

namespace PsVm.Memory.Mapping;

/// <summary>A part of a block of guest RAM whose content one file has.</summary>
/// <param name="Start">First byte, from the start of the block.</param>
/// <param name="End">One past the last byte.</param>
/// <param name="Layer">0: the block's own file; else the number of the layer, the lowest is 1.</param>
/// <param name="IsCopied">The layer's content was copied over the own file, which is mapped there.</param>
internal readonly record struct RamPiece(long Start, long End, int Layer, bool IsCopied = false)
{
    /// <summary>Bytes.</summary>
    public long Length => End - Start;

    /// <summary>The layer whose file is mapped there.</summary>
    public int MappedLayer => IsCopied ? 0 : Layer;
}

/// <summary>
/// Which file has the content of which part of a block of guest RAM: its own, or layers over it, of which the upper hides the lower. Pure.
/// </summary>
public sealed class RamPieces
{
    private readonly RamPiece[] _pieces; // without gaps, in order

    private RamPieces(RamPiece[] pieces)
    {
        Debug.Assert(pieces.Length > 0 && pieces[0].Start == 0, "a block without a first byte");
        Debug.Assert(pieces.Zip(pieces.Skip(1)).All(two => two.First.End == two.Second.Start && two.First.Length > 0), "a gap");
        _pieces = pieces;
    }

    /// <summary>Bytes of the block.</summary>
    public long Size => _pieces[^1].End;

    /// <summary>Parts that are some layer's, neighbours of one layer as one.</summary>
    public int LayeredCount => _pieces.Count(piece => piece.Layer != 0);

    /// <summary>Parts that are some layer's, in order.</summary>
    public IEnumerable<PageRange> Layered =>
        _pieces.Where(piece => piece.Layer != 0).Select(piece => new PageRange(piece.Start, piece.Length));

    internal IReadOnlyList<RamPiece> All => _pieces;

    /// <summary>Puts layers over each other.</summary>
    /// <param name="size">Bytes of the block.</param>
    /// <param name="layers">The ranges that each layer has, the lowest layer first; in order, inside the block.</param>
    public static RamPieces Of(long size, IReadOnlyList<IReadOnlyList<PageRange>> layers)
    {
        ArgumentNullException.ThrowIfNull(layers);
        List<RamPiece> pieces = [new(0, size, 0)];
        for (int layer = 1; layer <= layers.Count; layer++)
        {
            if (layers[layer - 1].Count > 0)
            {
                pieces = Cover(pieces, layers[layer - 1], layer);
            }
        }

        return new RamPieces([.. pieces]);
    }

    /// <summary>Ranges of which a layer is what shows.</summary>
    /// <param name="layer">Its number; 0: the block's own file.</param>
    public IEnumerable<PageRange> RangesOf(int layer) =>
        _pieces.Where(piece => piece.Layer == layer).Select(piece => new PageRange(piece.Start, piece.Length));

    /// <summary>Parts of ranges of which a layer is what shows.</summary>
    /// <param name="layer">Its number; 0: the block's own file.</param>
    /// <param name="ranges">The ranges.</param>
    public IEnumerable<PageRange> RangesOf(int layer, IEnumerable<PageRange> ranges)
    {
        ArgumentNullException.ThrowIfNull(ranges);
        return ranges.SelectMany(range => Within(range.Offset, range.End))
            .Where(piece => piece.Layer == layer)
            .Select(piece => new PageRange(piece.Start, piece.Length));
    }

    /// <summary>The same, with other pieces copied.</summary>
    internal RamPieces WithCopies(Func<RamPiece, bool> isCopied) =>
        new([.. _pieces.Select(piece => piece with { IsCopied = piece.Layer != 0 && isCopied(piece) })]);

    /// <summary>The pieces of a range, each clipped to it, in order.</summary>
    internal IEnumerable<RamPiece> Within(long start, long end)
    {
        for (int i = IndexOf(start); i < _pieces.Length && _pieces[i].Start < end; i++)
        {
            yield return _pieces[i] with { Start = Math.Max(start, _pieces[i].Start), End = Math.Min(end, _pieces[i].End) };
        }
    }

    /// <summary>The piece that has a byte.</summary>
    internal RamPiece At(long position) => _pieces[IndexOf(position)];

    private static List<RamPiece> Cover(List<RamPiece> below, IReadOnlyList<PageRange> ranges, int layer)
    {
        List<RamPiece> covered = new(below.Count + (2 * ranges.Count));
        int next = 0;
        foreach (RamPiece piece in below)
        {
            long start = piece.Start;
            while (start < piece.End)
            {
                while (next < ranges.Count && ranges[next].End <= start)
                {
                    next++;
                }

                bool isHidden = next < ranges.Count && ranges[next].Offset <= start;
                long end = next == ranges.Count ? piece.End : Math.Min(piece.End, isHidden ? ranges[next].End : ranges[next].Offset);
                Add(covered, new(start, end, isHidden ? layer : piece.Layer));
                start = end;
            }
        }

        return covered;
    }

    private static void Add(List<RamPiece> pieces, RamPiece piece)
    {
        if (pieces.Count > 0 && pieces[^1].Layer == piece.Layer)
        {
            pieces[^1] = pieces[^1] with { End = piece.End };
        }
        else
        {
            pieces.Add(piece);
        }
    }

    private int IndexOf(long position) => OrderedParts.IndexOf(_pieces, position, piece => piece.Start);
}
