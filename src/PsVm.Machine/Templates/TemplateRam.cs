using System.Runtime.CompilerServices;
using Microsoft.Win32.SafeHandles;
using PsVm.Machine.Board;
using PsVm.Machine.Templates.Lazy;
using PsVm.Memory;
using PsVm.Memory.Mapping;

namespace PsVm.Machine.Templates;

/// <summary>Makes RAM of a template's files.</summary>
internal static class TemplateRam
{
    // Each attempt fails only when a template of the chain was replaced within it.
    private const int MostAttempts = 16;

    // What was asked of the backend of a block last, by the block of a template that is kept.
    private static readonly ConditionalWeakTable<TemplateRamBlock, MemoryBackendOptions> s_asked = [];

    /// <summary>Maps a template's RAM files, each for this guest alone.</summary>
    /// <exception cref="GuestException">A file, or the parent of a differential template, is not what was recorded.</exception>
    /// <exception cref="MemoryBackendException">A file cannot be opened or mapped as asked.</exception>
    public static GuestRam Map(MemoryBackends backends, GuestOptions options, TemplateSource source, CancellationToken cancellation)
    {
        for (int attempt = 1; ; attempt++)
        {
            TemplateChain chain = source.OpenChain(options.SearchPath);
            try
            {
                return Map(backends, options, source, chain, cancellation);
            }
            catch (PsVmException) when (attempt < MostAttempts && !chain.IsCurrent)
            {
                // One that it needs was merged or moved meanwhile: files of two templates do not belong together, those of the new chain
                // do.
            }
        }
    }

    /// <summary>Maps the RAM files of a copy that is being made, each for this guest alone; what is in them is not looked at yet.</summary>
    /// <exception cref="MemoryBackendException">A file cannot be opened or mapped as asked.</exception>
    public static GuestRam Map(MemoryBackends backends, GuestOptions options, TemplateFill fill, CancellationToken cancellation)
    {
        IReadOnlyList<TemplateRamBlock> blocks = fill.Blocks;
        List<IDisposable> owned = [];
        try
        {
            List<MemoryBackend> taken = [];
            foreach (TemplateRamBlock block in blocks)
            {
                MemoryBackend backend = Create(backends, options, block, block.File, cancellation);
                owned.Add(backend);
                taken.Add(backend);
                owned.Add(backend.Attach(options.Name!));
            }

            return new GuestRam(taken, owned)
            {
                Base = fill.Result ?? fill.Template, TemplateIds = [.. blocks.Select(block => block.BackendId)],
            };
        }
        catch (PsVmException) when (!ReferenceEquals(blocks, fill.Blocks))
        {
            // It has become a template meanwhile, and its files have other paths.
            GuestRam.Release(owned);
            return Map(backends, options, fill, cancellation);
        }
        catch
        {
            GuestRam.Release(owned);
            throw;
        }
    }

    private static GuestRam Map(
        MemoryBackends backends, GuestOptions options, TemplateSource source, TemplateChain chain, CancellationToken cancellation)
    {
        List<IDisposable> owned = [];
        try
        {
            List<MemoryBackend> taken = [];
            foreach (TemplateRamBlock block in chain.Base.RamBlocks)
            {
                MemoryBackend backend = Map(backends, options, block, cancellation);
                owned.Add(backend);
                taken.Add(backend);
                owned.Add(backend.Attach(options.Name!));
                chain.CheckHidden(taken.Count - 1, options.Verify, cancellation);
                if (chain.PiecesOf(taken.Count - 1) is { LayeredCount: > 0 } pieces)
                {
                    backend.Lay(pieces, chain.HoldLayers(taken.Count - 1, options.Verify, cancellation));
                }
            }

            return new GuestRam(taken, owned)
            {
                Base = source.Template,
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
        if (!RamFileCheck.LooksRight(block, file))
        {
            RamFileCheck.Open(block, file).Dispose(); // says what is wrong
        }

        MemoryBackend backend = CreateForStart(backends, options, block, file, cancellation);
        try
        {
            // What is mapped now, whatever had the name before or has it after.
            if (options.Verify || !RamFileCheck.IsKnown(block, backend.File!.Value))
            {
                using SafeFileHandle mapped = backend.DuplicateFile()!;
                RamFileCheck.CheckContent(block, file, mapped, options.Verify, cancellation);
            }

            return backend;
        }
        catch
        {
            backend.Dispose();
            throw;
        }
    }

    /// <summary>What is asked of the backend of a block.</summary>
    /// <param name="options">What is asked of the guest.</param>
    /// <param name="block">The block.</param>
    /// <param name="file">The file with its content.</param>
    /// <returns>
    /// The same object as for the guest before, if that asked for the same: what is found out by it is found again at once.
    /// </returns>
    public static MemoryBackendOptions OptionsOf(GuestOptions options, TemplateRamBlock block, string file)
    {
        FileAccessMode access = block.ReadOnly ? FileAccessMode.Auto : options.FileAccessMode;
        if (s_asked.TryGetValue(block, out MemoryBackendOptions? asked)
            && asked.Path == file
            && asked.FileAccessMode == access
            && asked.DiscardPolicy == options.DiscardPolicy
            && asked.MachineType == options.MachineType
            && asked.DenyPrivateDiscard == options.DenyPrivateDiscard
            && asked.AllowPrivateDiscard == options.AllowPrivateDiscard)
        {
            return asked;
        }

        MemoryBackendOptions wanted = new()
        {
            Path = file,
            Size = block.Size,
            Offset = block.Offset,
            ReadOnly = block.ReadOnly,
            FileAccessMode = access,
            DiscardPolicy = options.DiscardPolicy,
            MachineType = options.MachineType!,
            DenyPrivateDiscard = options.DenyPrivateDiscard,
            AllowPrivateDiscard = options.AllowPrivateDiscard,
        };
        s_asked.AddOrUpdate(block, wanted);
        return wanted;
    }

    private static MemoryBackend Create(
        MemoryBackends backends, GuestOptions options, TemplateRamBlock block, string file, CancellationToken cancellation)
    {
        MemoryBackendOptions wanted = OptionsOf(options, block, file);
        return block.BackendId == MemoryBackends.DefaultRamId
            ? backends.CreateDefaultRam(wanted, cancellation)
            : backends.Create(wanted with { Id = $"{options.Name}.{block.BackendId}" }, cancellation);
    }

    private static MemoryBackend CreateForStart(
        MemoryBackends backends, GuestOptions options, TemplateRamBlock block, string file, CancellationToken cancellation)
    {
        try
        {
            return Create(backends, options, block, file, cancellation);
        }
        catch (MemoryBackendException)
        {
            // What is wrong with a template's file is the template's error.
            RamFileCheck.Open(block, file).Dispose();
            throw;
        }
    }
}
