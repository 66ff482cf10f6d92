using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Machine.Board;
using PsVm.Machine.Board.Slots;
using PsVm.Machine.State;
using PsVm.Memory;
using PsVm.Memory.Copying;
using PsVm.Memory.Mapping;

namespace PsVm.Machine.Templates;

/// <summary>Makes a template of a guest.</summary>
/// <param name="backends">The live backends.</param>
/// <param name="guest">The guest.</param>
/// <param name="options">What is asked for.</param>
/// <param name="calls">The kernel.</param>
internal sealed class Checkpoint(MemoryBackends backends, IHeldGuest guest, CheckpointOptions options, FolderCalls calls)
{
    private string _path = TemplateSource.FullPath(options.Path);
    private readonly Guid _id = Guid.NewGuid();
    private readonly CheckpointDisks _disks = new(guest.Devices);

    /// <summary>Makes it.</summary>
    /// <param name="progress">Told how much of the RAM is written.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">There is no template, or still the old one, and the guest is as it was.</exception>
    public GuestTemplate Run(IProgress<StepProgress>? progress, CancellationToken cancellation)
    {
        CheckOptions();
        try
        {
            return guest.WithRam((_, ram, _) => ModeOf(ram) & _disks.Mode, cancellation) is var mode && options.UseRamFile
                ? RunOnRamFiles(mode, cancellation)
                : RunOnCopies(mode, progress, cancellation);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw TemplateErrors.Unwritable(_path, failure);
        }
    }

    private GuestTemplate RunOnRamFiles(FilePermissions mode, CancellationToken cancellation)
    {
        using TemplateFolder folder = new(_path, options.Force && Directory.Exists(_path), mode, calls);
        return guest.WhileHeld((board, ram, stop) => TakeOver(folder, board, ram, stop), cancellation);
    }

    private GuestTemplate RunOnCopies(FilePermissions mode, IProgress<StepProgress>? progress, CancellationToken cancellation)
    {
        using TemplateFolder folder = new(_path, options.Force && Directory.Exists(_path), mode, calls);
        return Finish(folder, Fill(folder, progress, cancellation), cancellation);
    }

    /// <summary>Makes one that stays in the hidden folder that it is written to, until that is disposed.</summary>
    /// <param name="progress">Told how much of the RAM is written.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">There is no template, and the guest is as it was.</exception>
    public (GuestTemplate Template, TemplateFolder Folder) RunHidden(IProgress<StepProgress>? progress, CancellationToken cancellation)
    {
        TemplateFolder? folder = null;
        try
        {
            (FilePermissions mode, string place) = guest.WithRam(
                (_, ram, _) => (ModeOf(ram) & _disks.Mode, HiddenPlace.Of(ram, calls)), cancellation);
            folder = new TemplateFolder(Path.Combine(place, guest.Name), replace: false, mode, calls);
            _path = folder.Path;
            GuestTemplate template = Fill(folder, progress, cancellation);

            // It goes with this process, so nothing of it needs to be on a disk.
            WriteManifest(folder, template);
            return (template, folder);
        }
        catch (Exception failure)
        {
            folder?.Dispose();
            if (failure is IOException or UnauthorizedAccessException)
            {
                throw TemplateErrors.Unwritable(_path, failure);
            }

            throw;
        }
    }

    /// <summary>Writes all files of the folder but the description.</summary>
    private GuestTemplate Fill(TemplateFolder folder, IProgress<StepProgress>? progress, CancellationToken cancellation)
    {
        TemplatePlace.CheckFileSystem(
            folder.Path, _path, calls, "Choose a folder on another file system; RAM files on hugetlbfs can be taken over with UseRamFile.");
        Copied copied = guest.WithRam((board, ram, stop) => Copy(folder, board, ram, progress, stop), cancellation);
        List<TemplateRamBlock> blocks = [];
        foreach ((TemplateRamBlock block, SafeFileHandle file) in copied.Blocks)
        {
            blocks.Add(Identified(block with { File = Path.Combine(_path, block.File), InTemplate = true }, file, progress, cancellation));
        }

        return Describe(blocks, copied.Parent, cancellation) with { Pause = copied.Pause, Warnings = copied.Warnings };
    }

    /// <summary>Permissions of all files of the template at most: it is no more readable than the RAM that it describes.</summary>
    private static FilePermissions ModeOf(GuestRam ram)
    {
        FilePermissions mode = TemplateFolder.Readable;
        foreach (MemoryBackend backend in ram.Backends.Where(backend => backend.File is not null))
        {
            using SafeFileHandle file = backend.DuplicateFile()!;
            mode &= TemplateFile.ModeOf(file);
        }

        return mode;
    }

    /// <summary>Checks what can be checked without holding the guest and writing anything.</summary>
    /// <exception cref="GuestException">
    /// The options do not go together, something is at the path, or nothing can be written there.
    /// </exception>
    public void Check()
    {
        CheckOptions();
        try
        {
            TemplatePlace.CheckWritable(_path);
        }
        catch (IOException failure)
        {
            throw TemplateErrors.Unwritable(_path, failure);
        }
    }

    private void CheckOptions()
    {
        if (options is { UseRamFile: true, Differential: true })
        {
            throw new GuestException(
                GuestErrorIds.TemplateOptionConflict,
                $"Expected {nameof(options.UseRamFile)} or {nameof(options.Differential)}, found both.",
                _path,
                "Leave out one of the two.");
        }

        TemplatePlace.Check(_path, options.Force);
        guest.Devices.CheckCheckpoint(guest.Name, options.DetachVhostUser);
    }

    /// <summary>
    /// Copies RAM and machine state into the folder, as they are at one moment; the guest stands still for that moment only.
    /// </summary>
    private Copied Copy(TemplateFolder folder, GuestBoard board, GuestRam ram, IProgress<StepProgress>? progress, CancellationToken stop)
    {
        using IDisposable kept = ram.KeepUnchanged(stop);
        TemplateSource? parent = options.Differential ? Parent(ram) : null;
        SafeFileHandle[] files = [.. ram.Backends.Select((_, index) => folder.CreateFile(TemplatePart.RamName(index)))];
        using LiveCopy copy = new(ram.Backends, files, parent is not null, guest.Slow, progress, stop);
        Rehearsal.Once(board);
        TakenState? taken = null;
        List<StateSection> state;
        TimeSpan pause;
        try
        {
            taken = guest.Pause(
                () =>
                {
                    guest.Devices.CheckCheckpoint(guest.Name, options.DetachVhostUser);
                    guest.Devices.HoldBack(true);
                    ram.Memory.Physical.Guard(new CopiedRam(copy));
                    return MachineState.Take(board, guest.Description.Uuid, disk => _disks.MakeFile(folder, disk));
                },
                out pause,
                stop);
            state = taken.Finish(stop); // first: what the guest writes over its disks is kept twice until then
            copy.Run(stop);
        }
        finally
        {
            taken?.Dispose();
            ram.Memory.Physical.Guard(null);
            guest.Devices.HoldBack(false);
        }

        List<IReadOnlyList<PageRange>>? changes = parent is null ? null : DeltaGaps.Fill(parent.OpenChain([]), copy.Changes!, files, stop);
        RandomAccess.Write(folder.CreateFile(TemplateSource.StateFileName), MachineState.ToFile(_id, state, changes), 0);
        copy.ReportEnd();
        stop.ThrowIfCancellationRequested();
        List<(TemplateRamBlock, SafeFileHandle)> blocks = [];
        foreach (SafeFileHandle file in files)
        {
            int index = blocks.Count;
            long? changed = changes?[index].Sum(range => range.Length);
            blocks.Add((Block(ram, index, TemplatePart.RamName(index)) with { ChangedBytes = changed }, file));
        }

        return new Copied(
            blocks, parent is null ? null : new TemplateParent(parent.Template.Path, parent.Template.Id), pause, copy.Warnings);
    }

    /// <summary>Makes the guest's own RAM files the template's, while it is held, and stops it: it would write to them.</summary>
    private GuestTemplate TakeOver(TemplateFolder folder, GuestBoard board, GuestRam ram, CancellationToken stop)
    {
        foreach (MemoryBackend backend in ram.Backends)
        {
            CheckShared(backend);
        }

        using IDisposable kept = ram.KeepUnchanged(stop);
        byte[] state = MachineState.Save(_id, board, guest.Description.Uuid, disk => _disks.MakeFile(folder, disk), stop);
        RandomAccess.Write(folder.CreateFile(TemplateSource.StateFileName), state, 0);
        folder.Seal();
        List<(SafeFileHandle File, FilePermissions Mode)> changed = [];
        List<SafeFileHandle> files = [];
        try
        {
            List<TemplateRamBlock> blocks = [];
            foreach (MemoryBackend backend in ram.Backends)
            {
                // The file that is mapped: synced, hashed, identified and protected is this one.
                SafeFileHandle file = backend.DuplicateFile()!;
                files.Add(file);
                RandomAccess.FlushToDisk(file);
                FilePermissions mode = TemplateFile.ModeOf(file);
                if (Protect(file, mode))
                {
                    changed.Add((file, mode));
                }

                blocks.Add(Identified(Block(ram, blocks.Count, backend.Outcome.Path!), file, progress: null, stop));
            }

            for (int i = 0; i < blocks.Count; i++)
            {
                CheckName(blocks[i], files[i]);
            }

            GuestTemplate template = Finish(folder, Describe(blocks, parent: null, stop), stop);
            changed.Clear();

            // Nobody writes the files any more: clones need not wait until the guest is done with its RAM.
            foreach (MemoryBackend backend in ram.Backends)
            {
                backend.HandOverFile();
            }

            guest.Stop($"checkpointed: its RAM is template '{_path}' now");
            foreach (MemoryBackend backend in ram.Backends)
            {
                backend.Dispose();
            }

            return template;
        }
        finally
        {
            changed.ForEach(file => calls.ChangeMode(file.File, file.Mode));
            files.ForEach(file => file.Dispose());
        }
    }

    /// <summary>Takes write permission from everybody, and gives nobody any.</summary>
    /// <returns>
    /// False: the file is another user's, or of a file system without permissions; that it stays as it is, its time tells.
    /// </returns>
    private bool Protect(SafeFileHandle file, FilePermissions mode)
    {
        const FilePermissions write = FilePermissions.S_IWUSR | FilePermissions.S_IWGRP | FilePermissions.S_IWOTH;
        int error = calls.ChangeMode(file, mode & ~write);
        return (Errno)error is var errno && errno is Errno.EPERM or Errno.EINVAL or Errno.EOPNOTSUPP or Errno.ENOSYS ? false
            : error == 0 ? true
            : throw new IOException($"fchmod: {errno}", error);
    }

    /// <summary>Checks that clones will find the guest's RAM file at its path.</summary>
    private void CheckName(TemplateRamBlock block, SafeFileHandle file)
    {
        if (MemoryBackends.Identify(block.File) is not { } named || MemoryBackends.Identify(file)?.IsSameFile(named) != true)
        {
            throw new GuestException(
                GuestErrorIds.CheckpointRamReplaced,
                $"Expected at '{block.File}' the RAM file of guest '{guest.Name}', inode {block.Identity.Inode}, found another file, or "
                    + "none.",
                guest.Name,
                "Put the file back under its name, or leave out UseRamFile.");
        }
    }

    private GuestTemplate Finish(TemplateFolder folder, GuestTemplate template, CancellationToken cancellation)
    {
        WriteManifest(folder, template);
        folder.Seal();
        cancellation.ThrowIfCancellationRequested();
        if (!folder.Commit(options.Force))
        {
            throw TemplatePlace.InUse(_path, "something that came there meanwhile");
        }

        WorkingSet.Follow(template, origin: null);
        return template;
    }

    private static void WriteManifest(TemplateFolder folder, GuestTemplate template) =>
        RandomAccess.Write(folder.CreateFile(TemplateSource.ManifestFile), TemplateManifest.From(template).ToJson(), 0);

    private TemplateSource Parent(GuestRam ram)
    {
        GuestTemplate parent = ram.Base ?? throw new GuestException(
            GuestErrorIds.CheckpointNotClone,
            $"Expected guest '{guest.Name}' to have been started from a template, found that it booted.",
            guest.Name,
            "Leave out Differential.");
        if (TemplateLeftovers.IsHidden(parent.Path))
        {
            throw new GuestException(
                GuestErrorIds.TemplateParentNotFound,
                $"Expected guest '{guest.Name}' to have been started from a template that stays, found one that goes with the guests that "
                    + "were copied.",
                guest.Name,
                "Leave out Differential, or keep the template of Copy-Guest with its TemplatePath.");
        }

        // What the new template would need must still be there, or it could never start.
        TemplateSource found = TemplateFinder.Find(_path, new TemplateParent(parent.Path, parent.Id), parent.RamBlocks, []);
        return found.OpenChain([]).Levels.Any(level => level.Template.Path == _path)
            ? throw TemplatePlace.InUse(_path, "a template that the new one needs")
            : found;
    }

    private void CheckShared(MemoryBackend backend)
    {
        MemoryBackendOptions backing = backend.Options;
        bool isShared = backend.File is not null && (backing.Share || backing.ReadOnly);
        MemoryBackend? other = backends.List().FirstOrDefault(other => other != backend
            && other.Options is { Share: true, ReadOnly: false } && other.File is { } file && backend.File?.IsSameFile(file) == true);
        string? writer = other is null ? backend.FindOtherWriter() : $"backend '{other.Id}'";
        if (!isShared || writer is not null)
        {
            throw new GuestException(
                GuestErrorIds.CheckpointRamNotShared,
                $"Expected backend '{backend.Id}' of guest '{guest.Name}' to be the only shared mapping of a file with a name, found "
                + (isShared
                    ? $"that {writer} writes to it too."
                    : $"Kind {backend.Outcome.Kind}, Share {backing.Share}, Path '{backend.Outcome.Path}'."),
                guest.Name,
                "Leave out UseRamFile, so that the RAM is copied.");
        }
    }

    private static TemplateRamBlock Block(GuestRam ram, int index, string file)
    {
        MemoryBackend backend = ram.Backends[index];
        return new TemplateRamBlock
        {
            // A clone's backends have names of their own; in templates of it they have those of the template.
            BackendId = ram.TemplateIds?[index] ?? backend.Id,
            Size = backend.Size,
            ReadOnly = backend.Options.ReadOnly,
            File = file,
            Offset = backend.Outcome.Path == file ? backend.Options.Offset : 0,
            Identity = default,
        };
    }

    /// <summary>A block with what is recorded of its finished file.</summary>
    private TemplateRamBlock Identified(
        TemplateRamBlock block, SafeFileHandle file, IProgress<StepProgress>? progress, CancellationToken cancellation)
    {
        // Told of one of the two: that which takes longer.
        Action<long>? hashed = progress is null ? null : done => progress.Report(new StepProgress(HostStep.Hashing, done, block.Size));
        hashed?.Invoke(0);
        return block with
        {
            Digest = RamDigest.Of(file, options.Digest ? null : hashed, cancellation),
            Sha256 = options.Digest ? TemplateFile.Sha256(file, hashed, cancellation) : null,
            Identity = MemoryBackends.Identify(file) ?? throw new IOException($"'{block.File}' cannot be looked at"),
        };
    }

    private GuestTemplate Describe(IReadOnlyList<TemplateRamBlock> blocks, TemplateParent? parent, CancellationToken cancellation) =>
        new GuestTemplate
    {
        Path = _path,
        Id = _id,
        Guest = guest.Name,
        MachineType = guest.Description.MachineType,
        Board = GuestBoard.Name,
        Devices = MachineType.Get(guest.Description.MachineType).DeviceNames,
        Slots = guest.Devices.Roles,
        Disks = _disks.Describe(_path, options.Digest, cancellation),
        Networks = [.. guest.Devices.All.OfType<NetworkInSlot>().Select(slot => slot.Recorded)],
        Harts = guest.Description.Harts,
        Isa = MachineType.Get(guest.Description.MachineType).Isa.Isa,
        Memory = blocks.Sum(block => block.Size),
        RamBlocks = blocks,
        Boot = guest.Description.Boot,
        CreatedAt = DateTimeOffset.UtcNow,
        Parent = parent,
    } is var template ? template with { FormatVersion = (int)TemplateManifest.VersionFor(template) } : template;

    private sealed record Copied(
        IReadOnlyList<(TemplateRamBlock Block, SafeFileHandle File)> Blocks,
        TemplateParent? Parent,
        TimeSpan Pause,
        IReadOnlyList<BackendWarning> Warnings);
}
