using Microsoft.Win32.SafeHandles;
using PsVm.Memory;
using PsVm.Memory.Copying;

namespace PsVm.Machine.Templates.Travel;

/// <summary>Copies a template, or moves it: by reference or by its name where the file system can, else what of it is data.</summary>
/// <param name="path">The template's folder.</param>
/// <param name="options">What is asked for.</param>
/// <param name="calls">The kernel.</param>
internal sealed class TemplateCopy(string path, TemplateCopyOptions options, FolderCalls calls)
{
    private readonly string _path = TemplateSource.FullPath(path);

    /// <summary>Where the copy comes.</summary>
    public string Target { get; } = TemplatePlace.Of(
        options.Destination, Path.GetFileName(TemplateSource.FullPath(path)), options.IntoFolder);

    /// <summary>Checks what can be checked without writing anything.</summary>
    /// <param name="move">The template is to go from where it is.</param>
    /// <exception cref="GuestException">There is no such template, or none may come there.</exception>
    public void Check(bool move)
    {
        _ = GuestTemplates.Read(_path);
        if (Target == _path || Target.StartsWith(_path + '/', StringComparison.Ordinal))
        {
            throw TemplatePlace.InUse(Target, "the template itself, or a place in it");
        }

        TemplatePlace.Check(Target, options.Force);
        if (move)
        {
            CheckMove();
        }

        try
        {
            TemplatePlace.CheckWritable(Target);
        }
        catch (IOException failure)
        {
            throw TemplateErrors.Unwritable(Target, failure);
        }
    }

    /// <summary>Copies it.</summary>
    /// <param name="progress">Told of bytes of RAM that are done with, holes included.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">There is no copy, or still what was there.</exception>
    public GuestTemplate Copy(IProgress<StepProgress>? progress, CancellationToken cancellation)
    {
        Check(move: false);
        return Writing(() =>
        {
            using OpenedTemplate source = OpenedTemplate.Open(_path);
            using TemplateFolder folder = new(Target, options.Force && Directory.Exists(Target), source.Mode, calls);
            return CopyTo(folder, source, verify: false, progress, cancellation);
        });
    }

    /// <summary>
    /// Moves it: on its file system it only gets another name, elsewhere it is copied, the copy read, and the template removed.
    /// </summary>
    /// <param name="progress">As of <see cref="Copy"/>.</param>
    /// <param name="cancellation">Gives up; the template is where it was.</param>
    /// <exception cref="GuestException">The template is where it was, and what was at the other place is there.</exception>
    public GuestTemplate Move(IProgress<StepProgress>? progress, CancellationToken cancellation)
    {
        Check(move: true);
        return Writing(() =>
        {
            using OpenedTemplate source = OpenedTemplate.Open(_path);
            using TemplateFolder folder = new(Target, options.Force && Directory.Exists(Target), source.Mode, calls);
            cancellation.ThrowIfCancellationRequested();
            GuestTemplate template = WithParent(source.Template);
            switch (template.Parent == source.Template.Parent ? folder.CommitOther(_path, options.Force) : null)
            {
                case true:
                    FolderPlacing.SyncFolder(Path.GetDirectoryName(_path)!, calls);
                    GuestTemplate moved = GuestTemplates.Read(Target);
                    WorkingSet.Follow(moved, _path, isMoved: true);
                    return moved;
                case false:
                    throw CameMeanwhile();
            }

            GuestTemplate copy = CopyTo(folder, source, verify: true, progress, cancellation);
            source.Dispose(); // NFS and FUSE keep files that are open
            RemoveMoved();
            return copy;
        });
    }

    /// <summary>Writes a copy to a folder, and puts it in its place.</summary>
    private GuestTemplate CopyTo(
        TemplateFolder folder, OpenedTemplate source, bool verify, IProgress<StepProgress>? progress, CancellationToken cancellation)
    {
        TemplatePlace.CheckFileSystem(folder.Path, Target, calls);
        source.CheckContent(verify: false, cancellation);
        long done = 0, total = source.Parts.Sum(part => part.Size);
        List<SafeFileHandle> files = [];
        foreach (TemplatePart part in source.Parts)
        {
            SafeFileHandle from = source.Files[files.Count], to = folder.CreateFile(part.Name);
            files.Add(to);
            if (part.IsWhole && SparseFile.TryClone(from, to))
            {
                Advance(part.Size);
            }
            else
            {
                SparseFile.Copy(from, part.Offset, part.Size, to, Advance, cancellation);
            }
        }

        source.CheckUnchanged();
        TemplateWriter writer = new(folder, Target);
        writer.WriteState(source.State);
        GuestTemplate copy = writer.Finish(WithParent(source.Template), files, part => part.IsWhole, cancellation);
        if (verify)
        {
            TemplateWriter.Verify(copy, files, cancellation);
        }

        cancellation.ThrowIfCancellationRequested();
        if (!folder.Commit(options.Force))
        {
            throw CameMeanwhile();
        }

        WorkingSet.Follow(copy, _path);
        return copy;

        void Advance(long bytes) => progress?.Report(new StepProgress(HostStep.Copying, done += bytes, total));
    }

    /// <summary>
    /// A differential template that says where what it needs is now: it may have been found beside it, where a template elsewhere is not.
    /// </summary>
    private GuestTemplate WithParent(GuestTemplate template)
    {
        try
        {
            // Another one may be there by now.
            return template.Parent is { } parent && TemplateSource.Open(_path).OpenChain([]).Levels is [var same, var found, ..]
                && same.Template.Id == template.Id
                ? template with { Parent = parent with { Path = found.Template.Path } }
                : template;
        }
        catch (GuestException)
        {
            return template; // it is no worse elsewhere
        }
    }

    private void CheckMove()
    {
        GuestTemplates.CheckRemove(_path);
        if (new DirectoryInfo(_path).LinkTarget is { } link)
        {
            throw TemplateErrors.Unwritable(_path, new IOException($"it is a symbolic link to '{link}'; move that"));
        }
    }

    /// <summary>Removes the template that was copied; there is the copy.</summary>
    private void RemoveMoved()
    {
        try
        {
            GuestTemplates.Remove(_path);
        }
        catch (GuestException failure)
        {
            throw new GuestException(
                GuestErrorIds.CheckpointWriteFailed,
                $"Expected to remove template '{_path}', whose copy is at '{Target}', found: {failure.Message}",
                _path,
                "Remove it with Remove-GuestTemplate.",
                failure);
        }
    }

    private GuestException CameMeanwhile() => TemplatePlace.InUse(Target, "something that came there meanwhile");

    private T Writing<T>(Func<T> write)
    {
        try
        {
            return write();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw TemplateErrors.Unwritable(Target, failure);
        }
    }
}
