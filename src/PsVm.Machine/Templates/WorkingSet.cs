using System.Collections.Concurrent;
using PsVm.Machine.Board;
using PsVm.Machine.State;
using PsVm.Memory;
using PsVm.Memory.Mapping;

namespace PsVm.Machine.Templates;

/// <summary>Which pages of a template its clones touch first, in that order. Source: docs/template-format.md, "Working set".</summary>
/// <remarks>
/// It stands in a file of its own beside the template's folder, in which nothing changes. It is but a hint: where it is not there, is
/// another template's or makes no sense, clones start without it.
/// </remarks>
internal sealed class WorkingSet
{
    private const string SectionName = "workingset";
    private const long PageSize = 4096;

    // Twice what a set of a million scattered pages takes.
    private const int MostBytes = 32 << 20;

    // Pages that are looked at to find out whether the set is in memory.
    private const int Samples = 8;

    // Templates in use at one time are few.
    private const int MaxKept = 64;

    private static readonly ConcurrentDictionary<string, (FileIdentity File, Guid Template, WorkingSet? Set)> s_kept = new();

    private readonly IReadOnlyList<IReadOnlyList<PageRange>> _blocks;
    private int _isBeingRead;

    /// <param name="blocks">Ranges of each block of RAM, those that are touched first before others.</param>
    public WorkingSet(IReadOnlyList<IReadOnlyList<PageRange>> blocks) => _blocks = blocks;

    /// <summary>Ranges of each block of RAM, those that are touched first before others.</summary>
    public IReadOnlyList<IReadOnlyList<PageRange>> Blocks => _blocks;

    /// <summary>Bytes of RAM in it.</summary>
    public long Bytes => _blocks.Sum(ranges => ranges.Sum(range => range.Length));

    /// <summary>Ranges in it.</summary>
    public int Count => _blocks.Sum(ranges => ranges.Count);

    /// <summary>The file of a template's set.</summary>
    public static string PathOf(string template) =>
        Path.Combine(Path.GetDirectoryName(template)!, $".{Path.GetFileName(template)}.working-set");

    /// <summary>A template's set; null: it has none that makes sense.</summary>
    public static WorkingSet? Of(GuestTemplate template)
    {
        string path = PathOf(template.Path);
        if (MemoryBackends.Identify(path) is not { } file)
        {
            return null;
        }

        if (s_kept.TryGetValue(path, out (FileIdentity File, Guid Template, WorkingSet? Set) kept) && kept.File == file
            && kept.Template == template.Id)
        {
            return kept.Set;
        }

        WorkingSet? set = Read(path, template);
        if (s_kept.Count >= MaxKept)
        {
            s_kept.Clear();
        }

        s_kept[path] = (file, template.Id, set);
        return set;
    }

    /// <summary>Has a clone's pages of the set read ahead, beside it, when they are not in memory and nobody does that already.</summary>
    public void ReadAhead(GuestRam ram)
    {
        if (!IsCached(ram) && Interlocked.Exchange(ref _isBeingRead, 1) == 0)
        {
            _ = Task.Run(() =>
            {
                try
                {
                    for (int block = 0; block < _blocks.Count; block++)
                    {
                        ram.Backends[block].Prefetch(_blocks[block]);
                    }
                }
                catch (ObjectDisposedException)
                {
                    // The clone has ended.
                }
                finally
                {
                    Volatile.Write(ref _isBeingRead, 0);
                }
            });
        }
    }

    /// <summary>Writes it beside its template, in the place of one that is there.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    public TemplateWorkingSet Write(GuestTemplate template)
    {
        StateStream stream = new();
        MachineState.TransferRanges(stream, _blocks);
        string path = PathOf(template.Path);
        string partial = $"{path}.{Guid.NewGuid():N}";
        try
        {
            File.WriteAllBytes(partial, StateFile.Write(template.Id, [new StateSection(SectionName, 1, stream.ToArray())]));
            File.Move(partial, path, overwrite: true);
        }
        catch
        {
            File.Delete(partial);
            throw;
        }

        return new TemplateWorkingSet { Template = template.Path, Path = path, Bytes = Bytes, Ranges = Count };
    }

    /// <summary>Removes the set of a template that is no more; whatever else has its name stays.</summary>
    /// <exception cref="IOException">It cannot be removed.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be removed.</exception>
    public static void Forget(string template)
    {
        string path = PathOf(template);
        if (MemoryBackends.Identify(path) is { Size: <= MostBytes } && StateFile.IsOne(TemplateFile.ReadAll(path, MostBytes)))
        {
            File.Delete(path);
        }
    }

    /// <summary>
    /// Sees to it that what is beside a template that has just come to its place is its own set: it has that of the template that it says
    /// the same as, and none of the one that it replaced. Since a set is but a hint, nothing of that fails.
    /// </summary>
    /// <param name="template">The template.</param>
    /// <param name="origin">Path of the one that it was copied, moved or merged from; null: it is new.</param>
    /// <param name="isMoved">There is none at that path any more.</param>
    public static void Follow(GuestTemplate template, string? origin, bool isMoved = false)
    {
        try
        {
            if (origin is not null && origin != template.Path && Of(template with { Path = origin }) is { } set)
            {
                _ = set.Write(template);
            }
            else if (Of(template) is null)
            {
                Forget(template.Path);
            }

            if (isMoved)
            {
                Forget(origin!);
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // Clones start without it.
        }
    }

    private static WorkingSet? Read(string path, GuestTemplate template)
    {
        try
        {
            IReadOnlyList<StateSection> sections = StateFile.Read(path, TemplateFile.ReadAll(path, MostBytes), template.Id);
            if (sections is not [{ Name: SectionName, Version: 1 } section])
            {
                return null;
            }

            StateStream stream = new(section.Content);
            IReadOnlyList<PageRange>[] blocks = MachineState.TransferRanges(stream, []);
            stream.End();
            return blocks.Length == template.RamBlocks.Count
                && blocks.Zip(template.RamBlocks).All(pair => AreInside(pair.First, pair.Second.Size))
                ? new WorkingSet(blocks)
                : null;
        }
        catch (Exception wrong) when (wrong is GuestException or InvalidDataException)
        {
            return null;
        }
    }

    private static bool AreInside(IReadOnlyList<PageRange> ranges, long size) => ranges.All(range =>
        range.Offset >= 0 && range.Length > 0 && range.Offset % PageSize == 0 && range.Length % PageSize == 0
        && range.Length <= size && range.Offset <= size - range.Length);

    private bool IsCached(GuestRam ram)
    {
        for (int block = 0; block < _blocks.Count; block++)
        {
            IReadOnlyList<PageRange> ranges = _blocks[block];
            int step = Math.Max(1, ranges.Count / Samples);
            for (int i = 0; i < ranges.Count; i += step)
            {
                if (!ram.Backends[block].IsCached(ranges[i].Offset))
                {
                    return false;
                }
            }
        }

        return true;
    }
}
