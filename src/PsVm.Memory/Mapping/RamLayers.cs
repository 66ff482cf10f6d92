using PsVm.Memory.Discarding;
using PsVm.Memory.Files;

namespace PsVm.Memory.Mapping;

/// <summary>The layers over a block's own file: where they show, and their files, which are held as long as this is not disposed.</summary>
/// <param name="Pieces">Which of them shows where.</param>
/// <param name="Files">Their files, the lowest layer first.</param>
internal sealed record RamLayers(RamPieces Pieces, IReadOnlyList<LayerFile> Files) : IDisposable
{
    /// <summary>
    /// Decides which pieces are mapped, and which copied: all where the block's own mapping is of huge pages, which cannot be cut, and the
    /// smallest where they would be more mappings than layers may add to the process.
    /// </summary>
    /// <param name="pieces">What shows where.</param>
    /// <param name="hugePages">The block's own file is on hugetlbfs.</param>
    /// <param name="budget">Mappings that are left; those that are planned are taken from it.</param>
    /// <returns>The pieces, and the mappings that were taken.</returns>
    public static (RamPieces Pieces, int Taken) Plan(RamPieces pieces, bool hugePages, MappingBudget budget)
    {
        if (!hugePages && budget.TryTakeForLayers(pieces.All.Count - 1))
        {
            return (pieces, pieces.All.Count - 1);
        }

        HashSet<long> mapped = [];
        foreach (RamPiece piece in pieces.All.Where(piece => piece.Layer != 0).OrderByDescending(piece => piece.Length))
        {
            // Each may cut one mapping into three.
            if (hugePages || !budget.TryTakeForLayers(2))
            {
                break;
            }

            mapped.Add(piece.Start);
        }

        return (pieces.WithCopies(piece => !mapped.Contains(piece.Start)), 2 * mapped.Count);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (LayerFile file in Files)
        {
            file.Release();
        }
    }
}
