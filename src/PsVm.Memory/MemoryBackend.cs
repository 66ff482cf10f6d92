using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using PsVm.Memory.Copying;
using PsVm.Memory.Discarding;
using PsVm.Memory.Files;
using PsVm.Memory.Mapping;
using PsVm.Memory.Options;

namespace PsVm.Memory;

/// <summary>Live guest RAM, mapped, and described by its outcome. Safe to use from several threads.</summary>
/// <remarks>
/// <para>Made by <see cref="MemoryBackends.Create"/>.</para>
/// <para>
/// The lock guards who uses the backend, and is held for moments only. Whoever measures, copies or changes the memory is counted as a user
/// instead, and the last user of a backend that has gone unmaps it. Changes wait for one another, and are refused while somebody needs the
/// memory to stay as it is (<see cref="KeepUnchanged"/>).
/// </para>
/// </remarks>
public sealed class MemoryBackend : IDisposable
{
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _change = new(1, 1);
    private readonly MemoryBackends _owner;
    private readonly OpenedBackend _plan;
    private readonly RamMapping _mapping;
    private readonly Discarder _discarder;
    private string? _consumer;
    private RamFault? _fault;
    private int _users;
    private int _keepers;
    private bool _disposed;
    private bool _isLeaving;
    private bool _unmapped;
    private bool _handedOver;

    internal MemoryBackend(MemoryBackends owner, OpenedBackend plan, RamMapping mapping, Discarder discarder, MappingOutcome outcome)
    {
        _owner = owner;
        _plan = plan;
        _mapping = mapping;
        _discarder = discarder;
        Outcome = outcome;
        Options = plan.Options with { Id = outcome.Id };
    }

    /// <summary>
    /// Raised when a discard, copy or the like finds that a page could not be had, on the thread that found out. Whoever touches the memory by
    /// its address looks at <see cref="Fault"/> itself, when <see cref="MemoryBackends.RamFaultCount"/> has changed.
    /// </summary>
    public event Action<RamFault>? Faulted;

    /// <summary>
    /// Raised when bytes of the memory, from an offset on, may have become others by a discard, also by one that failed or was refused.
    /// </summary>
    public event Action<long, long>? Discarded;

    /// <summary>Unique among live backends, but for <see cref="MemoryBackends.DefaultRamId"/>, which each guest may have one of.</summary>
    public string Id => Outcome.Id;

    /// <summary>It as a value.</summary>
    public MemoryBackendInfo Info =>
        new() { Id = Id, InstanceId = InstanceId, Options = Options, Outcome = Outcome, File = File };

    /// <summary>Tells this backend from an earlier or later one of the same id.</summary>
    public Guid InstanceId { get; } = Guid.NewGuid();

    /// <summary>What was asked for, with the id it got.</summary>
    public MemoryBackendOptions Options { get; }

    /// <summary>What was decided and done.</summary>
    public MappingOutcome Outcome { get; }

    /// <summary>Host virtual address of the first byte.</summary>
    /// <remarks>Valid until the backend is disposed; hold a lease (<see cref="Attach"/>) while using it.</remarks>
    public nint Address => _mapping.Address;

    /// <summary>Bytes mapped.</summary>
    public long Size => _mapping.Size;

    /// <summary>Its place in the address space.</summary>
    internal RamMapping Mapping => _mapping;

    /// <summary>Which file it was when it was opened; null without a named file.</summary>
    public FileIdentity? File => HasNamedFile ? _plan.Facts!.Identity : null;

    /// <summary>
    /// The first page that could not be had when somebody touched it, because the file was truncated, its file system is full, or the like;
    /// null: all is well. The RAM reads as zeros there; it cannot be used any more, only removed. Cheap while there is none.
    /// </summary>
    public RamFault? Fault => _fault ?? (_mapping.Fault is { } note ? DescribeFault(note) : null);

    internal bool IsMappedSharedWritable(FileIdentity file) =>
        _plan is { Kind: BackendKind.File, Options: { Share: true, ReadOnly: false } } && _plan.Facts!.Identity.IsSameFile(file);

    internal bool IsLockedAgainst(FileIdentity file, RamFileLock wanted) => HasNamedFile && _plan.Facts!.Identity.IsSameFile(file)
        && (_handedOver ? RamFileLock.For(Options) with { Exclusive = false } : RamFileLock.For(Options)).ConflictsWith(wanted);

    private bool HasNamedFile => _plan is { Kind: BackendKind.File, IsDirectory: false };

    /// <summary>Gives a range of guest memory back to the host. Harts may run meanwhile.</summary>
    /// <param name="offset">Bytes from the start of the block; a multiple of the backing page size.</param>
    /// <param name="length">Bytes; a multiple of the backing page size.</param>
    /// <param name="policy">What to do; null: the backend's policy. A backend that denies discards denies each.</param>
    /// <param name="cancellation">Gives up before it begins.</param>
    /// <exception cref="MemoryBackendException">
    /// The range is misaligned or outside the block, the policy is impossible on this mapping or denied, the memory is being copied
    /// (<see cref="MemoryErrorIds.BackendBusy"/>), or the kernel refused.
    /// </exception>
    public DiscardOutcome Discard(long offset, long length, DiscardPolicy? policy = null, CancellationToken cancellation = default) =>
        Change(
            () =>
            {
                try
                {
                    return _discarder.Discard(offset, length, policy);
                }
                finally
                {
                    // Under the lock: who has ended its subscription and gives back its lease is not told any more when that returns.
                    lock (_lock)
                    {
                        Discarded?.Invoke(offset, length);
                    }
                }
            },
            cancellation);

    /// <summary>What the backend costs the host now, from the kernel's accounting. Walks the process's page tables.</summary>
    public MemoryUsage Measure() => Measure(null);

    /// <summary>What the backend costs the host, from the kernel's accounting.</summary>
    /// <param name="mappings">A reading of all mappings to take it from; null: a new one.</param>
    public MemoryUsage Measure(ProcessMappings? mappings) =>
        Use(() => MappingUsage.Measure(Id, _plan, _mapping, _discarder.Layout, mappings));

    /// <summary>
    /// Bytes in memory or swap that only this mapping has: anonymous pages, private copies included. Cheaper than <see cref="Measure()"/>:
    /// since Linux 6.7 it costs what is in memory of this backend, before that what is mapped.
    /// </summary>
    public long MeasureOwn() => Use(() => PageScan.AnonymousBytes(Address, Size) ?? PageMap.PrivateBytes(Address, Size));

    /// <summary>Has discards refused until it is disposed; returns once one that is under way has ended.</summary>
    /// <param name="cancellation">Gives up.</param>
    public IDisposable KeepUnchanged(CancellationToken cancellation)
    {
        lock (_lock)
        {
            Enter();
            _keepers++;
        }

        var kept = new Release(() => Leave(keeper: true));
        try
        {
            _change.Wait(cancellation);
            _change.Release();
            return kept;
        }
        catch
        {
            kept.Dispose();
            throw;
        }
    }

    /// <summary>Ranges whose content is in no file, but in memory that only this mapping sees; none in a shared mapping.</summary>
    /// <remarks>Walks the process's page tables. Nothing may write to the memory meanwhile.</remarks>
    /// <param name="cancellation">Gives up.</param>
    public IReadOnlyList<PageRange> OwnRanges(CancellationToken cancellation = default) =>
        WithCopier(copier => copier.OwnRanges(cancellation), cancellation);

    /// <summary>Copies all of the memory to a file; pages of zeros take no space there. Nothing may write to the memory meanwhile.</summary>
    /// <param name="target">A new, empty file.</param>
    /// <param name="advance">Told of bytes that are done with.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="IOException">The target cannot be written.</exception>
    /// <exception cref="MemoryBackendException">The backend's file cannot be read (<see cref="MemoryErrorIds.CopyFailed"/>).</exception>
    public void CopyTo(SafeFileHandle target, Action<long> advance, CancellationToken cancellation) => WithCopier(
        copier =>
        {
            copier.Copy(target, advance, cancellation);
            return true;
        },
        cancellation);

    /// <summary>Copies ranges of the memory to the same places in a file. Nothing may write to the memory meanwhile.</summary>
    /// <param name="target">A new, empty file, which gets the size of the memory.</param>
    /// <param name="ranges">The ranges.</param>
    /// <param name="advance">Told of bytes that are done with.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="IOException">The target cannot be written.</exception>
    public void CopyTo(SafeFileHandle target, IReadOnlyList<PageRange> ranges, Action<long> advance, CancellationToken cancellation) =>
        WithCopier(
            copier =>
            {
                copier.CopyRanges(target, ranges, advance, cancellation);
                return true;
            },
            cancellation);

    /// <summary>Fills ranges of the memory from the same places in a file.</summary>
    /// <param name="source">The file.</param>
    /// <param name="ranges">The ranges.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="IOException">The file cannot be read, or ends before.</exception>
    public void Fill(SafeFileHandle source, IReadOnlyList<PageRange> ranges, CancellationToken cancellation) => Change(
        () => Copy(copier =>
        {
            copier.Fill(source, ranges, cancellation);
            return true;
        }),
        cancellation);

    /// <summary>Another descriptor of the open file behind the memory: the one that is mapped, whatever has its name now.</summary>
    /// <returns>Null: there is no file.</returns>
    /// <exception cref="IOException">The process has too many open files.</exception>
    public SafeFileHandle? DuplicateFile()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isLeaving, this);
            return _plan.File?.Duplicate();
        }
    }

    /// <summary>
    /// Lets others map the file that only this backend could write until now, for a template that takes it over: the guest has ended, and
    /// nobody writes it any more.
    /// </summary>
    public void HandOverFile()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_unmapped, this);
            if (HasNamedFile)
            {
                _handedOver = true;
                _ = (RamFileLock.For(Options) with { Exclusive = false }).Take(_plan.File!.Fd);
            }
        }
    }

    /// <summary>Takes the name of the file away that this backend made, unless another file has it now.</summary>
    public void UnlinkCreated()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isLeaving, this);
            _plan.File?.UnlinkCreated();
        }
    }

    /// <summary>Checks, when a guest is put together, that a consumer can use this backend (memory-backends rules, section 6).</summary>
    /// <param name="consumer">Who wants to use it.</param>
    /// <exception cref="MemoryBackendException">It cannot; the error names backend, option and consumer.</exception>
    public void CheckConsumer(MemoryConsumer consumer)
    {
        if (ConsumerRules.Check(Id, consumer, _plan) is { } error)
        {
            throw MemoryBackends.ToException(error, Id);
        }
    }

    /// <summary>Takes the backend for one guest: it cannot be removed, nor taken by another, until the lease is disposed.</summary>
    /// <param name="consumerName">The guest's name.</param>
    /// <exception cref="MemoryBackendException">
    /// Another guest has it (<see cref="MemoryErrorIds.BackendInUse"/>), or a page of it could not be had
    /// (<see cref="MemoryErrorIds.RamFault"/>).
    /// </exception>
    public IDisposable Attach(string consumerName)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            ThrowIfInUse("attached to a second guest");
            ThrowIfFaulted();
            _consumer = consumerName;
            return new Release(GiveBack);
        }
    }

    /// <summary>
    /// Forgets the backend and unmaps it. Memory that a guest is attached to stays mapped until its lease is disposed, and memory that is
    /// being measured, copied or discarded until that is over.
    /// </summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            if (_consumer is null)
            {
                Unmap();
            }
        }

        _owner.Forget(this);
    }

    /// <summary>Disposes unless a guest is attached.</summary>
    internal void Remove()
    {
        lock (_lock)
        {
            ThrowIfInUse("removed");
            _disposed = true;
            Unmap();
        }

        _owner.Forget(this);
    }

    private T WithCopier<T>(Func<RamCopier, T> work, CancellationToken cancellation)
    {
        using IDisposable kept = KeepUnchanged(cancellation);
        return OnRam(() => Copy(work));
    }

    private T Copy<T>(Func<RamCopier, T> work)
    {
        RamCopier copier = new(Id, _plan, _mapping, _discarder.Layout);
        T result = work(copier);
        copier.NoteTruncation();
        return result;
    }

    /// <summary>Does something that changes the memory, after whoever else does.</summary>
    /// <exception cref="MemoryBackendException">It must stay as it is for now (<see cref="MemoryErrorIds.BackendBusy"/>).</exception>
    private T Change<T>(Func<T> work, CancellationToken cancellation) => Use(() =>
    {
        ThrowIfKept();
        return OnRam(() =>
        {
            _change.Wait(cancellation);
            try
            {
                // Again: who wants it kept says so, and then waits for the change that is under way.
                ThrowIfKept();
                return work();
            }
            finally
            {
                _change.Release();
            }
        });
    });

    private void ThrowIfKept()
    {
        lock (_lock)
        {
            if (_keepers > 0)
            {
                throw new MemoryBackendException(
                    MemoryErrorIds.BackendBusy,
                    $"Expected that nobody copies backend '{Id}', found that {(_consumer is null ? "it" : $"guest '{_consumer}'")} is being checkpointed.",
                    Id,
                    "Discard when the checkpoint has ended.");
            }
        }
    }

    /// <summary>Does something for which the memory must stay mapped.</summary>
    private T Use<T>(Func<T> work)
    {
        lock (_lock)
        {
            Enter();
        }

        try
        {
            return work();
        }
        finally
        {
            Leave(keeper: false);
        }
    }

    /// <summary>Counts a user. Under the lock.</summary>
    private void Enter()
    {
        ObjectDisposedException.ThrowIf(_isLeaving, this);
        _users++;
    }

    private void Leave(bool keeper)
    {
        lock (_lock)
        {
            _keepers -= keeper ? 1 : 0;
            _users--;
            if (_isLeaving)
            {
                Unmap();
            }
        }
    }

    /// <summary>Does something with the memory; what it gives counts only when every page could be had.</summary>
    /// <exception cref="MemoryBackendException">A page could not be had, now or before (<see cref="MemoryErrorIds.RamFault"/>).</exception>
    private T OnRam<T>(Func<T> work)
    {
        if (Fault is null)
        {
            try
            {
                T result = work();
                if (Fault is null)
                {
                    return result;
                }
            }
            catch (Exception failure) when (failure is IOException or MemoryBackendException && Fault is not null)
            {
                // The fault says why.
            }
        }

        // With no lock held: whoever uses the RAM ends now, and may give its lease back.
        Faulted?.Invoke(Fault!);
        ThrowIfFaulted();
        throw new UnreachableException();
    }

    private void ThrowIfFaulted()
    {
        if (Fault is { } fault)
        {
            throw new MemoryBackendException(
                MemoryErrorIds.RamFault, fault.ToString(), Id, "Mend the file or its file system, then remove the backend and make it anew.");
        }
    }

    private RamFault DescribeFault(RamFaultNote note)
    {
        RamFault fault = RamFaultCauses.Describe(Id, _plan, note);
        return Interlocked.CompareExchange(ref _fault, fault, null) ?? fault;
    }

    private void ThrowIfInUse(string action)
    {
        if (_consumer is not null)
        {
            throw new MemoryBackendException(
                MemoryErrorIds.BackendInUse,
                $"Backend '{Id}' cannot be {action}: guest '{_consumer}' uses it.",
                Id,
                $"Stop guest '{_consumer}' first.");
        }
    }

    private void GiveBack()
    {
        lock (_lock)
        {
            _consumer = null;
            if (_disposed)
            {
                Unmap();
            }
        }
    }

    /// <summary>Unmaps it now, or when its last user leaves. Under the lock.</summary>
    private void Unmap()
    {
        _isLeaving = true;
        if (!_unmapped && _users == 0)
        {
            _unmapped = true;
            _discarder.Dispose();
            _mapping.Dispose();
            _plan.File?.Dispose();
        }
    }

    private sealed class Release(Action release) : IDisposable
    {
        private Action? _release = release;

        public void Dispose() => Interlocked.Exchange(ref _release, null)?.Invoke();
    }
}
