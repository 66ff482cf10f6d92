namespace PsVm.Module.Output;

/// <summary>What a picture of guest RAM shows. Data only.</summary>
/// <param name="CellSize">Bytes of a cell.</param>
/// <param name="Rows">The guests, in order.</param>
/// <param name="History">Own bytes of all guests together over time; empty: not recorded.</param>
internal sealed record MemoryMapPicture(long CellSize, IReadOnlyList<MemoryMapRow> Rows, IReadOnlyList<MemoryMapSample> History)
{
    /// <summary>Most cells of a picture: more are too many to look at, and for a viewer to draw.</summary>
    public const int MostCells = 100_000;

    /// <summary>
    /// The smallest size of cells, from the one that is wanted by doubling, with which a picture has no more than <see cref="MostCells"/>.
    /// </summary>
    /// <param name="wanted">Bytes.</param>
    /// <param name="guests">Bytes of RAM of each guest.</param>
    public static long FitCellSize(long wanted, IReadOnlyList<long> guests)
    {
        while (guests.Sum(size => (size / wanted) + 1) > MostCells)
        {
            wanted *= 2;
        }

        return wanted;
    }
}

/// <summary>A guest in a picture of RAM.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Maps">Its RAM.</param>
internal sealed record MemoryMapRow(string Name, IReadOnlyList<RamMap> Maps)
{
    /// <summary>Bytes that only this guest has.</summary>
    public long Own => Sum(cell => cell.Own);

    /// <summary>Bytes in memory that are the file's.</summary>
    public long Shared => Sum(cell => cell.Shared);

    /// <summary>Bytes under overlays.</summary>
    public long Overlay => Sum(cell => cell.Overlay);

    /// <summary>Bytes of RAM.</summary>
    public long Size => Maps.Sum(map => map.Size);

    private long Sum(Func<RamMapCell, long> part) => Maps.Sum(map => map.Cells.Sum(part));
}

/// <summary>A moment of a fleet.</summary>
/// <param name="Time">Since the recording began.</param>
/// <param name="Own">Bytes that only one guest has, of all guests together.</param>
internal sealed record MemoryMapSample(TimeSpan Time, long Own);
