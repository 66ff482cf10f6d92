using Microsoft.Win32.SafeHandles;
using PsVm.Memory;

namespace PsVm.Machine;

/// <summary>The backends of a guest: those the operator named, on lease, or default RAM of its own.</summary>
internal sealed class GuestRam : IDisposable
{
    private const long DefaultSize = 128L << 20;

    private readonly Lock _gate = new();
    private readonly List<IDisposable> _owned;
    private bool _released;

    private GuestRam(IReadOnlyList<MemoryBackend> backends, List<IDisposable> owned)
    {
        _owned = owned;
        Backends = backends;
        Outcomes = [.. backends.Select(backend => backend.Outcome)];
        Memory = new GuestMemory(backends.Select(backend => (backend.Address, (ulong)backend.Size, backend.Options.ReadOnly)));
    }

    /// <summary>The backends, in address order.</summary>
    public IReadOnlyList<MemoryBackend> Backends { get; }

    /// <summary>The template that stands alone whose files the backends map; null: the guest booted.</summary>
    public GuestTemplate? Base { get; private init; }

    /// <summary>The RAM.</summary>
    public GuestMemory Memory { get; }

    /// <summary>The mapping outcome of each backend, in address order.</summary>
    public IReadOnlyList<MappingOutcome> Outcomes { get; }

    /// <summary>Takes the backends that the options name, or makes the default RAM (memory-backends rules, section 7).</summary>
    /// <exception cref="GuestException">The options name backends and default RAM.</exception>
    /// <exception cref="MemoryBackendException">There is no such backend, it is in use, or the default RAM cannot be had.</exception>
    public static GuestRam Take(MemoryBackends backends, GuestOptions options, string guest, CancellationToken cancellation)
    {
        if (options.BackendIds.Count > 0 && (options.MemoryPath is not null || options.Memory != 0))
        {
            throw new GuestException(
                GuestErrorIds.DefaultRamConflict,
                $"Expected backends or default RAM, found the backends {string.Join(", ", options.BackendIds)} and "
                + (options.MemoryPath is null ? $"{options.Memory} bytes of default RAM." : $"default RAM in '{options.MemoryPath}'."),
                guest,
                "Give either backends, or a path and size for the default RAM.");
        }

        List<IDisposable> owned = [];
        try
        {
            List<MemoryBackend> taken = [];
            if (options.BackendIds.Count == 0)
            {
                MemoryBackend ram = backends.CreateDefaultRam(
                    options.MemoryPath,
                    options.Memory == 0 ? DefaultSize : options.Memory,
                    options.MachineType!,
                    options.DenyPrivateDiscard,
                    cancellation);
                owned.Add(ram);
                taken.Add(ram);
            }

            taken.AddRange(options.BackendIds.Select(backends.Get));
            owned.AddRange(taken.Select(backend => backend.Attach(guest)));
            return new GuestRam(taken, owned);
        }
        catch
        {
            Release(owned);
            throw;
        }
    }

    /// <summary>Maps a template's RAM files, each for this guest alone.</summary>
    /// <exception cref="GuestException">A file, or the parent of a differential template, is not what was recorded.</exception>
    /// <exception cref="MemoryBackendException">A file cannot be opened or mapped as asked.</exception>
    public static GuestRam Take(MemoryBackends backends, GuestOptions options, TemplateSource source, CancellationToken cancellation)
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
            Release(owned);
            throw;
        }
    }

    /// <summary>Measures each backend in some way, in address order; empty when the RAM was given back.</summary>
    public IReadOnlyList<T> Measure<T>(Func<MemoryBackend, T> measure)
    {
        lock (_gate)
        {
            return _released ? [] : [.. Backends.Select(measure)];
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _released = true;
            Release(_owned);
        }
    }

    /// <summary>Disposes it for a guest that does not come to be: a file that was made for it goes too.</summary>
    public void Abandon()
    {
        Dispose();
        foreach (MappingOutcome made in Outcomes.Where(outcome => outcome is { Id: MemoryBackends.DefaultRamId, Created: true }))
        {
            // A directory's file has no name any more.
            if (File.Exists(made.Path))
            {
                File.Delete(made.Path);
            }
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

    private static void Release(List<IDisposable> owned)
    {
        // The last taken goes first: a lease before the RAM it is on.
        for (int i = owned.Count - 1; i >= 0; i--)
        {
            owned[i].Dispose();
        }

        owned.Clear();
    }
}
