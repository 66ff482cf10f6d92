using Microsoft.Win32.SafeHandles;
using PsVm.Memory;
using PsVm.Memory.Copying;
using PsVm.Memory.Files;
using PsVm.Memory.Mapping;

namespace PsVm.Machine.Templates;

/// <summary>A template and those that it needs, found once and kept with it: which file has the content of which part of its RAM.</summary>
internal sealed class TemplateChain
{
    private readonly RamPieces[] _pieces; // of each block
    private readonly TemplateSource[][] _layers; // of each block, those of which something shows, the lowest first
    private readonly TemplateSource[][] _hidden; // and those of which nothing does

    private TemplateChain(IReadOnlyList<TemplateSource> levels)
    {
        Levels = levels;
        IReadOnlyList<TemplateRamBlock> blocks = levels[0].Template.RamBlocks;
        _pieces = new RamPieces[blocks.Count];
        _layers = new TemplateSource[blocks.Count][];
        _hidden = new TemplateSource[blocks.Count][];
        TemplateSource[] differential = [.. levels.SkipLast(1).Reverse()];
        for (int block = 0; block < blocks.Count; block++)
        {
            RamPieces all = RamPieces.Of(blocks[block].Size, [.. differential.Select(level => level.Changes![block])]);
            _layers[block] = [.. differential.Where((_, i) => all.RangesOf(i + 1).Any())];
            _hidden[block] = [.. differential.Except(_layers[block])];
            _pieces[block] = RamPieces.Of(blocks[block].Size, [.. _layers[block].Select(level => level.Changes![block])]);
        }
    }

    /// <summary>The template, the one that it is made on, and so on; the last one stands alone.</summary>
    public IReadOnlyList<TemplateSource> Levels { get; }

    /// <summary>The template that stands alone.</summary>
    public GuestTemplate Base => Levels[^1].Template;

    /// <summary>Nothing of what it was found by has changed. The first level is its opener's to look at.</summary>
    public bool IsCurrent
    {
        get
        {
            for (int i = 1; i < Levels.Count; i++)
            {
                if (!Levels[i].IsCurrent)
                {
                    return false;
                }
            }

            return true;
        }
    }

    /// <summary>Finds those that a template needs.</summary>
    /// <exception cref="GuestException">One is not there, is another one, needs itself, or cannot be read.</exception>
    public static TemplateChain Find(TemplateSource source, IReadOnlyList<string> searchPath)
    {
        List<TemplateSource> levels = [source];
        HashSet<Guid> ids = [source.Template.Id];
        while (levels[^1].Template is { Parent: { } parent } child)
        {
            TemplateSource found = TemplateFinder.Find(child.Path, parent, child.RamBlocks, searchPath);
            if (!ids.Add(found.Template.Id))
            {
                throw new GuestException(
                    GuestErrorIds.TemplateParentChanged,
                    $"Expected templates of which each is made on another one below '{source.Template.Path}', "
                    + $"found that '{found.Template.Path}' needs itself in turn.",
                    source.Template.Path,
                    "Take the templates from a backup, or make them again.");
            }

            levels.Add(found);
        }

        return new TemplateChain(levels);
    }

    /// <summary>Which file shows where in a block: 0 is that of the template that stands alone.</summary>
    public RamPieces PiecesOf(int block) => _pieces[block];

    /// <summary>
    /// Sees to it that the files of a block of which nothing shows are what was recorded, too: a template is whole or damaged.
    /// </summary>
    /// <exception cref="GuestException">A file is not what was recorded.</exception>
    public void CheckHidden(int block, bool verify, CancellationToken cancellation)
    {
        foreach (TemplateSource level in _hidden[block])
        {
            TemplateRamBlock hidden = level.Template.RamBlocks[block];
            if (verify || MemoryBackends.Identify(hidden.File) is not { } now || !RamFileCheck.IsKnown(hidden, now))
            {
                RamFileCheck.Check(hidden, verify, cancellation);
            }
        }
    }

    /// <summary>The open files of the layers of a block, held for the caller, the lowest first.</summary>
    /// <exception cref="GuestException">A file is not what was recorded.</exception>
    /// <exception cref="MemoryBackendException">Somebody writes to one.</exception>
    public IReadOnlyList<LayerFile> HoldLayers(int block, bool verify, CancellationToken cancellation)
    {
        List<LayerFile> held = new(_layers[block].Length);
        try
        {
            foreach (TemplateSource level in _layers[block])
            {
                held.Add(level.HoldLayer(block, verify, cancellation));
            }

            return held;
        }
        catch
        {
            held.ForEach(file => file.Release());
            throw;
        }
    }

    /// <summary>Copies what a guest would read in ranges of a block to the same places in a file, which has holes there.</summary>
    /// <param name="block">The block.</param>
    /// <param name="ranges">The ranges, in order.</param>
    /// <param name="target">The file.</param>
    /// <param name="advance">Told of bytes that are done with; null: nobody asks.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">A file is not what was recorded.</exception>
    /// <exception cref="IOException">A file cannot be read or written.</exception>
    public void CopyContent(
        int block, IReadOnlyList<PageRange> ranges, SafeFileHandle target, Action<long>? advance, CancellationToken cancellation)
    {
        TemplateRamBlock below = Base.RamBlocks[block];
        IReadOnlyList<LayerFile> layers = HoldLayers(block, verify: false, cancellation);
        try
        {
            using SafeFileHandle file = RamFileCheck.OpenChecked(below, verify: false, cancellation);
            for (int layer = 0; layer <= layers.Count; layer++)
            {
                (SafeFileHandle source, long shift) = layer == 0 ? (file, below.Offset) : (layers[layer - 1].Handle, 0);
                SparseFile.CopyRanges(source, shift, _pieces[block].RangesOf(layer, ranges), target, isHole: true, advance, cancellation);
            }
        }
        finally
        {
            foreach (LayerFile layer in layers)
            {
                layer.Release();
            }
        }
    }
}
