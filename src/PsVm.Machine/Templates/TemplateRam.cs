using Microsoft.Win32.SafeHandles;
using PsVm.Machine.Board;
using PsVm.Memory;
using PsVm.Memory.Mapping;

namespace PsVm.Machine.Templates;

/// <summary>Makes RAM of a template's files.</summary>
internal static class TemplateRam
{
    /// <summary>Maps a template's RAM files, each for this guest alone.</summary>
    /// <exception cref="GuestException">A file, or the parent of a differential template, is not what was recorded.</exception>
    /// <exception cref="MemoryBackendException">A file cannot be opened or mapped as asked.</exception>
    public static GuestRam Map(MemoryBackends backends, GuestOptions options, TemplateSource source, CancellationToken cancellation)
    {
        GuestTemplate files = source.Template.Differential ? source.OpenParent() : source.Template;
        List<IDisposable> owned = [];
        try
        {
            List<MemoryBackend> taken = [];
            foreach (TemplateRamBlock block in files.RamBlocks)
            {
                MemoryBackend backend = Map(backends, options, block, cancellation);
                owned.Add(backend);
                taken.Add(backend);
                owned.Add(backend.Attach(options.Name!));
                if (source.Changes is not null)
                {
                    Fill(backend, source.Template.RamBlocks[taken.Count - 1], source.Changes[taken.Count - 1], options.Verify, cancellation);
                }
            }

            return new GuestRam(taken, owned)
            {
                Base = files,
                TemplateIds = [.. source.Template.RamBlocks.Select(block => block.BackendId)],
            };
        }
        catch
        {
            GuestRam.Release(owned);
            throw;
        }
    }

    private static MemoryBackend Map(
        MemoryBackends backends, GuestOptions options, TemplateRamBlock block, CancellationToken cancellation)
    {
        string file = options.MemoryPath ?? block.File;
        RamFileCheck.Open(block, file, byContent: options.Verify).Dispose();
        MemoryBackendOptions wanted = new()
        {
            Path = file,
            Size = block.Size,
            Offset = block.Offset,
            ReadOnly = block.ReadOnly,
            FileAccessMode = block.ReadOnly ? FileAccessMode.Auto : options.FileAccessMode,
            DiscardPolicy = options.DiscardPolicy,
            MachineType = options.MachineType!,
            DenyPrivateDiscard = options.DenyPrivateDiscard,
            AllowPrivateDiscard = options.AllowPrivateDiscard,
        };
        MemoryBackend backend = block.BackendId == MemoryBackends.DefaultRamId
            ? backends.CreateDefaultRam(wanted, cancellation)
            : backends.Create(wanted with { Id = $"{options.Name}.{block.BackendId}" }, cancellation);
        try
        {
            // What is mapped now, whatever had the name before or has it after.
            RamFileCheck.Check(block, file, backend.File, byContent: options.Verify);
            if (options.Verify)
            {
                using SafeFileHandle mapped = backend.DuplicateFile()!;
                RamFileCheck.CheckDigest(block, file, mapped, cancellation);
            }

            return backend;
        }
        catch
        {
            backend.Dispose();
            throw;
        }
    }

    private static void Fill(
        MemoryBackend backend, TemplateRamBlock block, IReadOnlyList<PageRange> changes, bool verify, CancellationToken cancellation)
    {
        try
        {
            using SafeFileHandle file = RamFileCheck.Open(block, block.File, byContent: verify);
            if (verify)
            {
                RamFileCheck.CheckDigest(block, block.File, file, cancellation);
            }

            backend.Fill(file, changes, cancellation);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw TemplateErrors.Unreadable(block.File, failure);
        }
    }
}
