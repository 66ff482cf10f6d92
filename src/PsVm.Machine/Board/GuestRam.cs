using System.Globalization;
using PsVm.Memory;
using PsVm.Memory.Native;
using PsVm.Riscv;

namespace PsVm.Machine.Board;

/// <summary>The backends of a guest: those the operator named, on lease, or default RAM of its own.</summary>
internal sealed class GuestRam : IDisposable
{
    private const long DefaultSize = 128L << 20;

    private readonly Lock _gate = new();

    // Whoever tells harts of discards, or takes harts away.
    private readonly Lock _told = new();
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
        Files = LookAtFiles();
        var outcomes = new MappingOutcome[backends.Count];
        var blocks = new (nint Host, ulong Size, bool ReadOnly)[backends.Count];
        for (int i = 0; i < outcomes.Length; i++)
        {
            MemoryBackend backend = backends[i];
            outcomes[i] = backend.Outcome;
            Size += backend.Size;
            blocks[i] = (backend.Address, (ulong)backend.Size, backend.Options.ReadOnly);
        }

        Outcomes = outcomes;
        Memory = new GuestMemory(blocks);
        Memory.Physical.IsPrivate = backends.All(backend => backend.Options is { Share: false, AllowSharedWriters: false });
        for (int i = 0; i < outcomes.Length; i++)
        {
            if (backends[i].IsServed)
            {
                Memory.Physical.FillFrom(new ServedRam(backends));
                break;
            }
        }
    }

    /// <summary>A discard, copy or the like found that a page could not be had. Raised on the thread that found out.</summary>
    public event Action<RamFault>? Faulted
    {
        add
        {
            foreach (MemoryBackend backend in Backends)
            {
                backend.Faulted += value;
            }
        }

        remove
        {
            foreach (MemoryBackend backend in Backends)
            {
                backend.Faulted -= value;
            }
        }
    }

    /// <summary>
    /// Tells harts from now on of what is discarded, and of whether something was before; until this is disposed, which is before the harts
    /// are.
    /// </summary>
    public void TellOfDiscards()
    {
        for (int i = 0; i < Backends.Count; i++)
        {
            (MemoryBackend backend, RamBlock block) = (Backends[i], Memory.Blocks[i]);
            Action<long, long> tell = (offset, length) =>
            {
                lock (_told)
                {
                    Memory.NotifyDiscarded(block, offset, length);
                }
            };
            backend.Discarded += tell;
            _subscriptions.Add(() => backend.Discarded -= tell);
        }

        if (WasDiscarded)
        {
            Memory.Physical.NotifyAllWritten(); // maybe after a hart was given code to begin with
        }
    }

    /// <summary>
    /// Has a hart that was just made know the code that clones of its template begin with. Until discards are told of, those that have
    /// begun are looked for.
    /// </summary>
    public void BeginWithFamily(Hart hart)
    {
        if (!WasDiscarded && ContentOf(Files) is { } content)
        {
            hart.BeginWithFamily(content, AreUnwritten);
        }
    }

    /// <summary>What RAM holds that nobody has written: files, as they were then. Null: that cannot be told.</summary>
    private static string? ContentOf(IReadOnlyList<MappedFile> files) => files.All(file => file.Identity is { ChangedNanoseconds: not 0 })
        ? string.Join(' ', files.Select(file => file.Identity is { } id
            ? string.Create(
                CultureInfo.InvariantCulture, $"{id.Device}:{id.Inode}:{id.Size}:{id.ModifiedNanoseconds}:{id.ChangedNanoseconds}") : null))
        : null;

    /// <summary>Whether pages, by their addresses, are those of files still, so that nobody has written them.</summary>
    private bool[] AreUnwritten(nint[] pages)
    {
        bool[] are = KernelCalls.AreFilePages(pages);
        // looked at last: what was discarded may have been written before, and be the file's again
        return WasDiscarded ? new bool[pages.Length] : are;
    }

    private bool WasDiscarded => Backends.Any(backend => backend.DiscardBegan);

    /// <summary>Takes harts away, of which nobody tells anything meanwhile.</summary>
    public void WhileNobodyTells(Action takeAway)
    {
        lock (_told)
        {
            takeAway();
        }
    }

    /// <summary>The backends, in address order.</summary>
    public IReadOnlyList<MemoryBackend> Backends { get; }

    /// <summary>The template that the guest was started from, where it is now as far as that is known; null: it booted.</summary>
    public GuestTemplate? Base { get; set; }

    /// <summary>The files behind the backends, as they were when the guest got them, or when the last of them had come.</summary>
    public IReadOnlyList<MappedFile> Files { get; private set; }

    /// <summary>Takes the files as they are now for those that the guest got: all that was to come has come.</summary>
    public void NoteFiles() => Files = LookAtFiles();

    /// <summary>The files behind the backends, in the same order, as they are now.</summary>
    public IReadOnlyList<MappedFile> LookAtFiles()
    {
        // Not under the gate: a server of files may not answer.
        lock (_gate)
        {
            if (_released)
            {
                return [];
            }
        }

        try
        {
            return Backends.Count == 1 ? Backends[0].LookAtFiles() : [.. Backends.SelectMany(backend => backend.LookAtFiles())];
        }
        catch (ObjectDisposedException)
        {
            return []; // it was given back meanwhile
        }
    }

    /// <summary>Ids of the blocks in that template, in address order; null: the guest booted.</summary>
    public IReadOnlyList<string>? TemplateIds { get; init; }

    /// <summary>The RAM.</summary>
    public GuestMemory Memory { get; }

    /// <summary>Bytes of all backends.</summary>
    public long Size { get; }

    /// <summary>The mapping outcome of each backend, in address order.</summary>
    public IReadOnlyList<MappingOutcome> Outcomes { get; }

    /// <summary>Takes the backends that the options name, or makes the default RAM (memory-backends rules, section 7).</summary>
    /// <exception cref="GuestException">The options name backends and default RAM.</exception>
    /// <exception cref="MemoryBackendException">There is no such backend, it is in use, or the default RAM cannot be had.</exception>
    public static GuestRam Take(MemoryBackends backends, GuestOptions options, string guest, CancellationToken cancellation)
    {
        ThrowIfBoth(options, guest);
        List<IDisposable> owned = [];
        try
        {
            List<MemoryBackend> taken = [];
            if (options.BackendIds.Count == 0)
            {
                MemoryBackend ram = backends.CreateDefaultRam(DefaultRam(options), cancellation);
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

    /// <summary>Finds out whether <see cref="Take"/> would find the RAM, without taking it.</summary>
    /// <param name="backends">Where it comes from.</param>
    /// <param name="options">What is asked for.</param>
    /// <param name="guest">Whose it would be.</param>
    /// <param name="hasBackends">The backends that are named are that guest's already.</param>
    /// <exception cref="GuestException">The options name backends and default RAM.</exception>
    /// <exception cref="MemoryBackendException">There is no such backend, it is in use, or the default RAM cannot be had.</exception>
    public static void Check(MemoryBackends backends, GuestOptions options, string guest, bool hasBackends)
    {
        ThrowIfBoth(options, guest);
        foreach (BackendReference id in hasBackends ? [] : options.BackendIds)
        {
            backends.Get(id).CheckFree();
        }

        if (options.BackendIds.Count == 0 && backends.Test(DefaultRam(options)).Errors is [BackendError first, ..])
        {
            throw new MemoryBackendException(first.Id, first.Message, options.MemoryPath ?? guest, first.RecommendedAction);
        }
    }

    private static void ThrowIfBoth(GuestOptions options, string guest)
    {
        if (options.BackendIds.Count > 0 && (options.MemoryPath is not null || options.Memory != 0))
        {
            throw new GuestException(
                GuestErrorIds.DefaultRamConflict,
                $"Expected backends or default RAM, found the backends {string.Join(", ", options.BackendIds)} and "
                + (options.MemoryPath is null ? $"{ByteSize.ToExactText(options.Memory)} of default "
                    + $"RAM." : $"default RAM in '{options.MemoryPath}'."),
                guest,
                "Give either backends, or a path and size for the default RAM.");
        }
    }

    /// <summary>What is asked of a guest's default RAM.</summary>
    public static MemoryBackendOptions DefaultRam(GuestOptions options) => new()
    {
        Path = options.MemoryPath,
        Size = options.Memory == 0 ? DefaultSize : options.Memory,
        MachineType = options.MachineType!,
        DenyPrivateDiscard = options.DenyPrivateDiscard,
        AllowPrivateDiscard = options.AllowPrivateDiscard,
    };

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
            MemoryErrorIds.RamFault,
            fault.ToString(),
            fault.BackendId,
            "Mend the file or its file system, then start the guest again.",
            failure);
    }

    /// <summary>Has the backends say that they are a guest's of another name.</summary>
    public void Rename(string guest)
    {
        lock (_gate)
        {
            if (!_released)
            {
                Array.ForEach([.. Backends], backend => backend.RenameConsumer(guest));
            }
        }
    }

    /// <summary>Measures each backend in some way, in address order; empty when the RAM was given back.</summary>
    public IReadOnlyList<T> Measure<T>(Func<MemoryBackend, T> measure)
    {
        lock (_gate)
        {
            if (_released)
            {
                return [];
            }
        }

        try
        {
            // Not under the gate: a server of files may not answer.
            var measured = new T[Backends.Count];
            for (int i = 0; i < measured.Length; i++)
            {
                measured[i] = measure(Backends[i]);
            }

            return measured;
        }
        catch (ObjectDisposedException)
        {
            return []; // it was given back meanwhile
        }
    }

    /// <summary>Bytes that it takes of the host's memory by itself; null: it was given back.</summary>
    public long? MeasureHeld()
    {
        IReadOnlyList<long> held = Measure(backend => backend.MeasureHeld());
        return held.Count == 0 ? null : held.Sum();
    }

    /// <summary>The most bytes of the host's memory that one page fault brings.</summary>
    public long MostBytesPerFault
    {
        get
        {
            long most = Environment.SystemPageSize;
            for (int i = 0; i < Backends.Count; i++)
            {
                most = Math.Max(most, Backends[i].MostBytesPerFault);
            }

            return most;
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
        List<IDisposable> owned;
        lock (_gate)
        {
            _released = true;
            _subscriptions.ForEach(end => end()); // before the leases, which wait until a discard has told: harts go next
            _subscriptions.Clear();
            owned = [.. _owned];
            _owned.Clear();
        }

        Release(owned); // files are closed, whose server may not answer: whoever asks for figures must not wait for that
    }

    /// <summary>Disposes it for a guest that does not come to be: a file that was made for it goes too.</summary>
    public void Abandon()
    {
        lock (_gate)
        {
            if (!_released)
            {
                foreach (MemoryBackend made in Backends.Where(
                    backend => backend.Outcome is { Id: MemoryBackends.DefaultRamId, Created: true }))
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
