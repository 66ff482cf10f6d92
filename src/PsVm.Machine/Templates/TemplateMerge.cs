using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Memory;
using PsVm.Memory.Copying;
using PsVm.Memory.Mapping;

namespace PsVm.Machine.Templates;

/// <summary>
/// Makes one template of several of a chain. It has the id of the uppermost, since guests that start from it are the same, and templates
/// that are made on that one are made on it as well.
/// </summary>
/// <param name="path">The template.</param>
/// <param name="options">What is asked for.</param>
/// <param name="calls">The kernel.</param>
internal sealed class TemplateMerge(string path, CompressOptions options, FolderCalls calls)
{
    private readonly string _path = TemplateSource.FullPath(path);
    private readonly string _target = TemplateSource.FullPath(options.Destination ?? path);

    private bool IsInPlace => _target == _path;

    /// <summary>Finds out what would be merged; nothing changes.</summary>
    /// <returns>The templates that become one, the uppermost first; just that one: there is nothing to merge.</returns>
    /// <exception cref="GuestException">It would fail.</exception>
    public IReadOnlyList<GuestTemplate> Check()
    {
        (TemplateChain chain, int merged) = TemplateGeneration.Settled(_path, Open);
        if (!IsInPlace || merged > 1)
        {
            try
            {
                TemplatePlace.CheckWritable(_target);
            }
            catch (IOException failure)
            {
                throw TemplateErrors.Unwritable(_target, failure);
            }
        }

        return [.. chain.Levels.Take(merged).Select(level => level.Template)];
    }

    /// <summary>Merges.</summary>
    /// <param name="progress">Told of what is written; null: nobody asks.</param>
    /// <param name="cancellation">Gives up; all templates are as they were.</param>
    /// <returns>The merged template, or the one that there was when there is nothing to merge.</returns>
    /// <exception cref="GuestException">It cannot be; all templates are as they were.</exception>
    public GuestTemplate Run(IProgress<StepProgress>? progress, CancellationToken cancellation)
    {
        TemplateGeneration generation = TemplateGeneration.At(_path);
        (TemplateChain chain, int merged) = TemplateGeneration.Settled(_path, Open);
        if (IsInPlace && merged == 1)
        {
            return chain.Levels[0].Template;
        }

        try
        {
            using TemplateFolder folder = new(_target, IsInPlace || options.Force, ModeOf(chain), calls);
            TemplatePlace.CheckFileSystem(folder.Path, _target, calls);
            GuestTemplate template = Write(chain, merged, folder, progress, cancellation);
            cancellation.ThrowIfCancellationRequested();
            if (IsInPlace && generation.IsReplaced(_path))
            {
                throw Replaced();
            }

            // What takes its place must be what was merged, or something newer would be lost.
            if (!folder.Commit(
                IsInPlace || options.Force, IsInPlace ? replaced => replaced.IsFolder(generation.Device, generation.Inode) : null))
            {
                throw IsInPlace ? Replaced() : TemplatePlace.InUse(_target, "something that came there meanwhile");
            }

            WorkingSet.Follow(template, _path);
            return template;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw TemplateErrors.Unwritable(_target, failure);
        }
    }

    /// <summary>The chain, and how many of its templates become one.</summary>
    private (TemplateChain Chain, int Merged) Open()
    {
        TemplateChain chain = TemplateSource.Open(_path).OpenChain(options.SearchPath);
        if (!IsInPlace)
        {
            TemplatePlace.Check(_target, options.Force);
            if (chain.Levels.Any(level => level.Template.Path == _target))
            {
                throw TemplatePlace.InUse(_target, "a template of the chain that is merged");
            }
        }

        if (options.Parent is null)
        {
            return (chain, chain.Levels.Count);
        }

        string wanted = TemplateSource.FullPath(options.Parent);
        int parent = chain.Levels.Skip(1).ToList().FindIndex(level => level.Template.Path == wanted) + 1;
        return parent > 0 ? (chain, parent) : throw new GuestException(
            GuestErrorIds.CompressParentInvalid,
            $"Expected one of the templates that '{_path}' needs, "
            + (chain.Levels.Count == 1 ? "of which there are none" : string.Join(
                ", ", chain.Levels.Skip(1).Select(level => $"'{level.Template.Path}'")))
            + $", as the parent of the merged one, found '{wanted}'.",
            wanted,
            "Name one of them, or none, so that the merged one stands alone.");
    }

    private GuestTemplate Write(
        TemplateChain chain, int merged, TemplateFolder folder, IProgress<StepProgress>? progress, CancellationToken cancellation)
    {
        TemplateSource top = chain.Levels[0];
        GuestTemplate? parent = merged < chain.Levels.Count ? chain.Levels[merged].Template : null;
        IReadOnlyList<PageRange>[] ranges = [.. top.Template.RamBlocks.Select((block, i) => RangesOf(chain, merged, i, block.Size))];
        long total = ranges.Sum(block => block.Sum(range => range.Length));
        long done = 0;
        List<SafeFileHandle> files = [];
        for (int i = 0; i < ranges.Length; i++)
        {
            SafeFileHandle file = folder.CreateFile(TemplatePart.RamName(i));
            files.Add(file);
            RandomAccess.SetLength(file, top.Template.RamBlocks[i].Size);
            chain.CopyContent(i, ranges[i], file, Advance, cancellation);
        }

        List<(TemplatePart Disk, SafeFileHandle File)> disks = CopyDisks(top.Template, folder, cancellation);
        RandomAccess.Write(
            folder.CreateFile(TemplateSource.StateFileName), top.State.Save(top.Template.Id, parent is null ? null : ranges), 0);
        folder.Seal();
        List<TemplateRamBlock> blocks = [];
        foreach ((TemplateRamBlock block, SafeFileHandle file) in top.Template.RamBlocks.Zip(files))
        {
            string name = TemplatePart.RamName(blocks.Count);
            blocks.Add(block with
            {
                File = Path.Combine(_target, name),
                InTemplate = true,
                Offset = 0,
                Digest = RamDigest.Of(file, cancellation),
                Sha256 = block.Sha256 is null ? null : TemplateFile.Sha256(file, hashed: null, cancellation),
                Identity = MemoryBackends.Identify(file) ?? throw new IOException($"'{name}' cannot be looked at"),
                ChangedBytes = parent is null ? null : ranges[blocks.Count].Sum(range => range.Length),
            });
        }

        GuestTemplate template = top.Template with
        {
            Path = _target,
            FormatVersion = (int)TemplateManifest.VersionFor(top.Template),
            RamBlocks = blocks,
            Parent = parent is null ? null : new TemplateParent(parent.Path, parent.Id),
        };
        template = TemplatePart.Put(template, [.. blocks, .. disks.Select(disk => disk.Disk with
        {
            File = Path.Combine(_target, disk.Disk.Name),
            Identity = MemoryBackends.Identify(disk.File) ?? throw new IOException($"'{disk.Disk.Name}' cannot be looked at"),
        })]);
        RandomAccess.Write(folder.CreateFile(TemplateSource.ManifestFile), TemplateManifest.From(template).ToJson(), 0);
        folder.Seal();
        return template;

        void Advance(long bytes)
        {
            done += bytes;
            progress?.Report(new StepProgress(HostStep.Writing, done, total));
        }
    }

    /// <summary>Copies what was written over the disks, which the uppermost template has all of.</summary>
    private static List<(TemplatePart Disk, SafeFileHandle File)> CopyDisks(
        GuestTemplate template, TemplateFolder folder, CancellationToken cancellation)
    {
        List<(TemplatePart, SafeFileHandle)> copied = [];
        foreach (TemplatePart disk in TemplatePart.Of(template).Where(part => part.IsDisk))
        {
            using SafeFileHandle from = RamFileCheck.OpenChecked(disk, verify: false, cancellation);
            SafeFileHandle to = folder.CreateFile(disk.Name);
            if (!SparseFile.TryClone(from, to))
            {
                SparseFile.Copy(from, 0, disk.Size, to, _ => { }, cancellation);
            }

            copied.Add((disk, to));
        }

        return copied;
    }

    /// <summary>What the merged template holds of a block: all of it, or what one of the templates has that become one.</summary>
    private static List<PageRange> RangesOf(TemplateChain chain, int merged, int block, long size)
    {
        if (merged == chain.Levels.Count)
        {
            return [new PageRange(0, size)];
        }

        // As one layer, whose neighbours are joined.
        IEnumerable<PageRange> all = chain.Levels.Take(merged).SelectMany(level => level.Changes![block]);
        List<PageRange> joined = [];
        foreach (PageRange range in all.OrderBy(range => range.Offset))
        {
            if (joined.Count > 0 && range.Offset <= joined[^1].End)
            {
                joined[^1] = joined[^1] with { Length = Math.Max(joined[^1].End, range.End) - joined[^1].Offset };
            }
            else
            {
                joined.Add(range);
            }
        }

        return joined;
    }

    /// <summary>The merged template is no more readable than each file that it is made of.</summary>
    private static FilePermissions ModeOf(TemplateChain chain)
    {
        FilePermissions mode = TemplateFolder.Readable;
        foreach (TemplatePart part in chain.Levels.SelectMany(level => TemplatePart.Of(level.Template)))
        {
            using SafeFileHandle file = RamFileCheck.Open(part, part.File);
            mode &= TemplateFile.ModeOf(file);
        }

        return mode;
    }

    private GuestException Replaced() => TemplatePlace.InUse(_path, "that the template was replaced or removed while it was merged");
}
