using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Machine.Board;
using PsVm.Memory;

namespace PsVm.Machine.Templates;

/// <summary>Makes a template of a guest.</summary>
/// <param name="backends">The live backends.</param>
/// <param name="guest">The guest.</param>
/// <param name="options">What is asked for.</param>
internal sealed class Checkpoint(MemoryBackends backends, IHeldGuest guest, CheckpointOptions options)
{
    private const int AlreadyThere = 17; // EEXIST

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
            using TemplateFolder folder = new(_path);
            if (options.UseRamFile)
            {
                return guest.WhileHeld((board, ram, stop) => TakeOver(folder, board, ram, stop), cancellation);
            }

            Copied copied = guest.WhileHeld((board, ram, stop) => Copy(folder, board, ram, progress, stop), cancellation);
            folder.Seal();
            List<TemplateRamBlock> blocks = [];
            foreach (TemplateRamBlock block in copied.Blocks)
            {
                TemplateRamBlock identified = Identified(block, Path.Combine(folder.Path, block.File), cancellation);
                blocks.Add(identified with { File = Path.Combine(_path, block.File) });
            }

            return Finish(folder, Describe(blocks, copied.Parent), cancellation);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw failure.HResult == AlreadyThere
                ? PathInUse("something that came there meanwhile")
                : TemplateErrors.Unwritable(_path, failure);
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

        if (File.Exists(_path) || (Directory.Exists(_path) && !File.Exists(Path.Combine(_path, TemplateSource.ManifestFile))))
        {
            throw PathInUse("something that is no template");
        }

        if (Directory.Exists(_path) && !options.Force)
        {
            throw PathInUse("a template");
        }
    }

    /// <summary>Copies RAM and machine state into the folder, while the guest is held.</summary>
    private Copied Copy(TemplateFolder folder, GuestBoard board, GuestRam ram, IProgress<double>? progress, CancellationToken stop)
    {
        GuestTemplate? parent = options.Differential ? Parent(ram) : null;
        List<IReadOnlyList<PageRange>>? changes = parent is null ? null : [.. ram.Backends.Select(backend => backend.OwnRanges())];
        double total = changes?.Sum(ranges => ranges.Sum(range => range.Length)) ?? ram.Backends.Sum(backend => backend.Size);
        long done = 0;
        List<TemplateRamBlock> blocks = [];
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

            blocks.Add(Block(backend, name) with { ChangedBytes = changes?[blocks.Count].Sum(range => range.Length) });
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

        RandomAccess.Write(folder.CreateFile(TemplateSource.StateFileName), MachineState.Save(_id, board, guest.Description.Uuid, null), 0);
        folder.Seal();
        List<(string File, FilePermissions Mode)> sealedFiles = [];
        try
        {
            List<TemplateRamBlock> blocks = [];
            foreach (MemoryBackend backend in ram.Backends)
            {
                string file = backend.Outcome.Path!;
                using SafeFileHandle handle = File.OpenHandle(file, share: FileShare.ReadWrite);
                RandomAccess.FlushToDisk(handle);
                sealedFiles.Add((file, TemplateFolder.Protect(handle)));
                blocks.Add(Identified(Block(backend, file), file, stop));
            }

            GuestTemplate template = Finish(folder, Describe(blocks, parent: null), stop);
            sealedFiles.Clear();
            guest.Stop($"checkpointed: its RAM is template '{_path}' now");
            foreach (MemoryBackend backend in ram.Backends)
            {
                backend.Dispose();
            }

            return template;
        }
        finally
        {
            sealedFiles.ForEach(sealedFile => Syscall.chmod(sealedFile.File, sealedFile.Mode));
        }
    }

    private GuestTemplate Finish(TemplateFolder folder, GuestTemplate template, CancellationToken cancellation)
    {
        RandomAccess.Write(folder.CreateFile(TemplateSource.ManifestFile), TemplateManifest.From(template).ToJson(), 0);
        folder.Seal();
        cancellation.ThrowIfCancellationRequested();
        folder.Commit(options.Force);
        return template;
    }

    private GuestTemplate Parent(GuestRam ram)
    {
        GuestTemplate parent = ram.Base ?? throw new GuestException(
            GuestErrorIds.CheckpointNotClone,
            $"Expected guest '{guest.Name}' to have been started from a template, found that it booted.",
            guest.Name,
            "Leave out Differential.");
        return parent.Path != _path ? parent : throw PathInUse("the template that the new one needs");
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

    private static TemplateRamBlock Block(MemoryBackend backend, string file) => new()
    {
        BackendId = backend.Id,
        Size = backend.Size,
        ReadOnly = backend.Options.ReadOnly,
        File = file,
        Offset = backend.Outcome.Path == file ? backend.Options.Offset : 0,
        Identity = default,
    };

    /// <summary>A block with what is recorded of its finished file.</summary>
    private TemplateRamBlock Identified(TemplateRamBlock block, string file, CancellationToken cancellation) => block with
    {
        Sha256 = options.Digest ? TemplateSource.Digest(file, cancellation) : null,
        Identity = MemoryBackends.Identify(file) ?? throw new FileNotFoundException($"'{file}' is gone", file),
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

    private sealed record Copied(IReadOnlyList<TemplateRamBlock> Blocks, TemplateParent? Parent);
}
