using Microsoft.Win32.SafeHandles;
using PsVm.Machine.Board;
using PsVm.Memory;

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

            return new GuestRam(taken, owned) { Base = files };
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
        if (options.Verify)
        {
            TemplateSource.CheckDigest(block, file, cancellation);
        }
        else
        {
            TemplateSource.CheckIdentity(block, MemoryBackends.Identify(file));
        }

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
            if (!options.Verify)
            {
                // What is open now, whatever had the name before.
                TemplateSource.CheckIdentity(block, backend.File);
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
            using SafeFileHandle file = File.OpenHandle(block.File);
            if (verify)
            {
                TemplateSource.CheckDigest(block, block.File, cancellation);
            }
            else
            {
                TemplateSource.CheckIdentity(block, MemoryBackends.Identify(block.File));
            }

            backend.Fill(file, changes);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw TemplateErrors.Unreadable(block.File, failure);
        }
    }
}
