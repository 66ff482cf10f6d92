using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Machine.Board;
using PsVm.Memory;
using PsVm.Memory.Mapping;

namespace PsVm.Machine.Templates;

/// <summary>Makes a template of a guest.</summary>
/// <param name="backends">The live backends.</param>
/// <param name="guest">The guest.</param>
/// <param name="options">What is asked for.</param>
/// <param name="calls">The kernel.</param>
internal sealed class Checkpoint(MemoryBackends backends, IHeldGuest guest, CheckpointOptions options, FolderCalls calls)
{
    private readonly string _path = TemplateSource.FullPath(options.Path);
    private readonly Guid _id = Guid.NewGuid();

    /// <summary>Makes it.</summary>
    /// <param name="progress">Told how much of the RAM is done with, from 0 to 1.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">There is no template, or still the old one, and the guest is as it was.</exception>
    public GuestTemplate Run(IProgress<double>? progress, CancellationToken cancellation)
    {
        CheckOptions();
        try
        {
            return guest.WhileHeld((_, ram, _) => ModeOf(ram), cancellation) is var mode && options.UseRamFile
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

    private GuestTemplate RunOnCopies(FilePermissions mode, IProgress<double>? progress, CancellationToken cancellation)
    {
        using TemplateFolder folder = new(_path, options.Force && Directory.Exists(_path), mode, calls);
        CheckFileSystem(folder.Path);
        Copied copied = guest.WhileHeld((board, ram, stop) => Copy(folder, board, ram, progress, stop), cancellation);
        folder.Seal();
        List<TemplateRamBlock> blocks = [];
        foreach ((TemplateRamBlock block, SafeFileHandle file) in copied.Blocks)
        {
            blocks.Add(Identified(block with { File = Path.Combine(_path, block.File), InTemplate = true }, file, cancellation));
        }

        return Finish(folder, Describe(blocks, copied.Parent), cancellation);
    }

    /// <summary>Permissions of all files of the template at most: it is no more readable than the RAM that it describes.</summary>
    private static FilePermissions ModeOf(GuestRam ram)
    {
        FilePermissions mode = TemplateFolder.Readable;
        foreach (MemoryBackend backend in ram.Backends.Where(backend => backend.File is not null))
        {
            using SafeFileHandle file = backend.DuplicateFile()!;
            mode &= ModeOf(file);
        }

        return mode;
    }

    private static FilePermissions ModeOf(SafeFileHandle file) =>
        Syscall.fstat((int)file.DangerousGetHandle(), out Stat stat) == 0
            ? stat.st_mode & FilePermissions.ALLPERMS
            : throw new IOException($"fstat: {Stdlib.GetLastError()}");

    private void CheckFileSystem(string folder)
    {
        if (calls.IsHugetlbfs(folder))
        {
            throw new GuestException(
                GuestErrorIds.CheckpointFileSystem,
                $"Expected a file system whose files can be written for the template '{_path}', found hugetlbfs, whose can only be mapped.",
                _path,
                "Choose a folder on another file system; RAM files on hugetlbfs can be taken over with UseRamFile.");
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

        if (File.Exists(_path) || (Directory.Exists(_path) && !TemplateLeftovers.IsTemplate(_path)))
        {
            throw PathInUse("something that is no template, or more than one");
        }

        if (Directory.Exists(_path) && !options.Force)
        {
            throw PathInUse("a template");
        }
    }

    /// <summary>Copies RAM and machine state into the folder, while the guest is held.</summary>
    private Copied Copy(TemplateFolder folder, GuestBoard board, GuestRam ram, IProgress<double>? progress, CancellationToken stop)
    {
        using IDisposable kept = ram.KeepUnchanged(stop);
        GuestTemplate? parent = options.Differential ? Parent(ram) : null;
        List<IReadOnlyList<PageRange>>? changes = parent is null ? null : [.. ram.Backends.Select(backend => backend.OwnRanges(stop))];
        double total = changes?.Sum(ranges => ranges.Sum(range => range.Length)) ?? ram.Backends.Sum(backend => backend.Size);
        long done = 0;
        List<(TemplateRamBlock, SafeFileHandle)> blocks = [];
        foreach (MemoryBackend backend in ram.Backends)
        {
            string name = $"ram{blocks.Count}.bin";
            SafeFileHandle file = folder.CreateFile(name);
            if (changes is null)
            {
                backend.CopyTo(file, Advance, stop);
            }
            else
            {
                backend.CopyTo(file, changes[blocks.Count], Advance, stop);
            }

            long? changed = changes?[blocks.Count].Sum(range => range.Length);
            blocks.Add((Block(ram, blocks.Count, name) with { ChangedBytes = changed }, file));
        }

        stop.ThrowIfCancellationRequested();
        RandomAccess.Write(folder.CreateFile(TemplateSource.StateFileName), MachineState.Save(_id, board, guest.Description.Uuid, changes), 0);
        progress?.Report(1);
        return new Copied(blocks, parent is null ? null : new TemplateParent(parent.Path, parent.Id));

        void Advance(long bytes)
        {
            done += bytes;
            progress?.Report(Math.Min(1, done / total));
        }
    }

    /// <summary>Makes the guest's own RAM files the template's, while it is held, and stops it: it would write to them.</summary>
    private GuestTemplate TakeOver(TemplateFolder folder, GuestBoard board, GuestRam ram, CancellationToken stop)
    {
        foreach (MemoryBackend backend in ram.Backends)
        {
            CheckShared(backend);
        }

        using IDisposable kept = ram.KeepUnchanged(stop);
        RandomAccess.Write(folder.CreateFile(TemplateSource.StateFileName), MachineState.Save(_id, board, guest.Description.Uuid, null), 0);
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
                FilePermissions mode = ModeOf(file);
                if (Protect(file, mode))
                {
                    changed.Add((file, mode));
                }

                blocks.Add(Identified(Block(ram, blocks.Count, backend.Outcome.Path!), file, stop));
            }

            for (int i = 0; i < blocks.Count; i++)
            {
                CheckName(blocks[i], files[i]);
            }

            GuestTemplate template = Finish(folder, Describe(blocks, parent: null), stop);
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
    /// <returns>False: the file is another user's, or of a file system without permissions; that it stays as it is, its time tells.</returns>
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
                $"Expected at '{block.File}' the RAM file of guest '{guest.Name}', inode {block.Identity.Inode}, found another file, or none.",
                guest.Name,
                "Put the file back under its name, or leave out UseRamFile.");
        }
    }

    private GuestTemplate Finish(TemplateFolder folder, GuestTemplate template, CancellationToken cancellation)
    {
        RandomAccess.Write(folder.CreateFile(TemplateSource.ManifestFile), TemplateManifest.From(template).ToJson(), 0);
        folder.Seal();
        cancellation.ThrowIfCancellationRequested();
        return folder.Commit(options.Force) ? template : throw PathInUse("something that came there meanwhile");
    }

    private GuestTemplate Parent(GuestRam ram)
    {
        GuestTemplate parent = ram.Base ?? throw new GuestException(
            GuestErrorIds.CheckpointNotClone,
            $"Expected guest '{guest.Name}' to have been started from a template, found that it booted.",
            guest.Name,
            "Leave out Differential.");
        if (parent.Path == _path)
        {
            throw PathInUse("the template that the new one needs");
        }

        // What the new template would need must still be there, or it could never start.
        return TemplateSource.ReadParent(_path, new TemplateParent(parent.Path, parent.Id), parent.RamBlocks);
    }

    private void CheckShared(MemoryBackend backend)
    {
        MemoryBackendOptions backing = backend.Options;
        bool isShared = backend.File is not null && (backing.Share || backing.ReadOnly);
        MemoryBackend? other = backends.List().FirstOrDefault(other => other != backend
            && other.Options is { Share: true, ReadOnly: false } && other.File is { } file && backend.File?.IsSameFile(file) == true);
        if (!isShared || other is not null)
        {
            throw new GuestException(
                GuestErrorIds.CheckpointRamNotShared,
                $"Expected backend '{backend.Id}' of guest '{guest.Name}' to be the only shared mapping of a file with a name, found "
                + (isShared
                    ? $"that backend '{other!.Id}' writes to it too."
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
    private TemplateRamBlock Identified(TemplateRamBlock block, SafeFileHandle file, CancellationToken cancellation) => block with
    {
        Sha256 = options.Digest ? TemplateFile.Digest(file, cancellation) : null,
        Identity = MemoryBackends.Identify(file) ?? throw new IOException($"'{block.File}' cannot be looked at"),
    };

    private GuestTemplate Describe(IReadOnlyList<TemplateRamBlock> blocks, TemplateParent? parent) => new()
    {
        Path = _path,
        FormatVersion = (int)TemplateManifest.Version,
        Id = _id,
        Guest = guest.Name,
        MachineType = guest.Description.MachineType,
        Board = GuestBoard.Name,
        Devices = MachineType.Get(guest.Description.MachineType).DeviceNames,
        Harts = guest.Description.Harts,
        Isa = MachineType.Get(guest.Description.MachineType).Isa.Isa,
        Memory = blocks.Sum(block => block.Size),
        RamBlocks = blocks,
        Boot = guest.Description.Boot,
        CreatedAt = DateTimeOffset.UtcNow,
        Parent = parent,
    };

    private GuestException PathInUse(string found) => new(
        GuestErrorIds.CheckpointPathInUse, $"Expected nothing at '{_path}', found {found}.", _path,
        "Choose another path, or replace a template with Force.");

    private sealed record Copied(IReadOnlyList<(TemplateRamBlock Block, SafeFileHandle File)> Blocks, TemplateParent? Parent);
}
