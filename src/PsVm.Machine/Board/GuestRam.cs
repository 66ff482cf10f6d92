using PsVm.Memory;

namespace PsVm.Machine.Board;

/// <summary>The backends of a guest: those the operator named, on lease, or default RAM of its own.</summary>
internal sealed class GuestRam : IDisposable
{
    private const long DefaultSize = 128L << 20;

    private readonly Lock _gate = new();
    private readonly List<IDisposable> _owned;
    private readonly List<Action> _subscriptions = [];
    private bool _released;
    private long _faultsSeen;

    /// <param name="backends">The backends, in address order.</param>
    /// <param name="owned">What goes with it, the last first.</param>
    public GuestRam(IReadOnlyList<MemoryBackend> backends, List<IDisposable> owned)
    {
        _owned = owned;
        Backends = backends;
        Outcomes = [.. backends.Select(backend => backend.Outcome)];
        Memory = new GuestMemory(backends.Select(backend => (backend.Address, (ulong)backend.Size, backend.Options.ReadOnly)));
    }

    /// <summary>A discard, copy or the like found that a page could not be had. Raised on the thread that found out.</summary>
    public event Action<RamFault>? Faulted
    {
        add => Array.ForEach([.. Backends], backend => backend.Faulted += value);
        remove => Array.ForEach([.. Backends], backend => backend.Faulted -= value);
    }

    /// <summary>
    /// Tells harts from now on of what is discarded; until this is disposed, which is before the harts are. What was discarded before they
    /// ran cannot be code that they know.
    /// </summary>
    public void TellOfDiscards()
    {
        foreach ((MemoryBackend backend, RamBlock block) in Backends.Zip(Memory.Blocks))
        {
            Action<long, long> tell = (offset, length) => Memory.NotifyDiscarded(block, offset, length);
            backend.Discarded += tell;
            _subscriptions.Add(() => backend.Discarded -= tell);
        }
    }

    /// <summary>The backends, in address order.</summary>
    public IReadOnlyList<MemoryBackend> Backends { get; }

    /// <summary>The template that stands alone whose files the backends map; null: the guest booted.</summary>
    public GuestTemplate? Base { get; init; }

    /// <summary>Ids of the blocks in that template, or the one that holds its changes, in address order; null: the guest booted.</summary>
    public IReadOnlyList<string>? TemplateIds { get; init; }

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
                MemoryBackendOptions wanted = new()
                {
                    Path = options.MemoryPath,
                    Size = options.Memory == 0 ? DefaultSize : options.Memory,
                    MachineType = options.MachineType!,
                    DenyPrivateDiscard = options.DenyPrivateDiscard,
                    AllowPrivateDiscard = options.AllowPrivateDiscard,
                };
                MemoryBackend ram = backends.CreateDefaultRam(wanted, cancellation);
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

    /// <summary>The first page that could not be had; null: none. Costs one read while no page of the process is missing.</summary>
    public RamFault? FindFault()
    {
        long count = MemoryBackends.RamFaultCount;
        if (count == Volatile.Read(ref _faultsSeen))
        {
            return null;
        }

        // What is found is found by everybody who looks: it is marked as seen only where there is nothing.
        RamFault? found = Backends.Select(backend => backend.Fault).FirstOrDefault(fault => fault is not null);
        if (found is null)
        {
            Volatile.Write(ref _faultsSeen, count);
        }

        return found;
    }

    /// <summary>Does something that touches the RAM; what it gives counts only when every page could be had.</summary>
    /// <exception cref="MemoryBackendException">A page could not be had (<see cref="MemoryErrorIds.RamFault"/>).</exception>
    public T Whole<T>(Func<T> work)
    {
        T result;
        try
        {
            result = work();
        }
        catch (PsVmException failure) when (FindFault() is { } fault)
        {
            throw Unusable(fault, failure);
        }

        return FindFault() is { } missing ? throw Unusable(missing, null) : result;

        static MemoryBackendException Unusable(RamFault fault, Exception? failure) => new(
            MemoryErrorIds.RamFault, fault.ToString(), fault.BackendId, "Mend the file or its file system, then start the guest again.", failure);
    }

    /// <summary>Measures each backend in some way, in address order; empty when the RAM was given back.</summary>
    public IReadOnlyList<T> Measure<T>(Func<MemoryBackend, T> measure)
    {
        lock (_gate)
        {
            return _released ? [] : [.. Backends.Select(measure)];
        }
    }

    /// <summary>Has discards of all backends refused until it is disposed; returns once none is under way.</summary>
    public IDisposable KeepUnchanged(CancellationToken cancellation)
    {
        List<IDisposable> kept = [];
        try
        {
            kept.AddRange(Backends.Select(backend => backend.KeepUnchanged(cancellation)));
            return new Kept(kept);
        }
        catch
        {
            Release(kept);
            throw;
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _released = true;
            _subscriptions.ForEach(end => end()); // before the leases, which wait until a discard has told: harts go next
            Release(_owned);
        }
    }

    /// <summary>Disposes it for a guest that does not come to be: a file that was made for it goes too.</summary>
    public void Abandon()
    {
        lock (_gate)
        {
            if (!_released)
            {
                foreach (MemoryBackend made in Backends.Where(backend => backend.Outcome is { Id: MemoryBackends.DefaultRamId, Created: true }))
                {
                    made.UnlinkCreated();
                }
            }
        }

        Dispose();
    }

    /// <summary>Gives back what was taken, the last first: a lease before the RAM it is on.</summary>
    public static void Release(List<IDisposable> owned)
    {
        for (int i = owned.Count - 1; i >= 0; i--)
        {
            owned[i].Dispose();
        }

        owned.Clear();
    }

    private sealed class Kept(List<IDisposable> backends) : IDisposable
    {
        public void Dispose() => Release(backends);
    }
}
