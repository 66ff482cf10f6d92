using Microsoft.Win32.SafeHandles;
using PsVm.Memory.Copying;
using PsVm.Memory.Discarding;
using PsVm.Memory.Files;
using PsVm.Memory.Mapping;
using PsVm.Memory.Native;
using PsVm.Memory.Options;

namespace PsVm.Memory;

/// <summary>Live guest RAM, mapped, and described by its outcome. Safe to use from several threads.</summary>
/// <remarks>
/// <para>Made by <see cref="MemoryBackends.Create(MemoryBackendOptions, CancellationToken)"/>.</para>
/// <para>
/// One guest may have it (<see cref="Attach"/>). Whoever measures, copies or changes the memory is counted as a user, and the last user of
/// a backend that has gone unmaps it. Changes wait for one another, and are refused while somebody needs the memory to stay as it is
/// (<see cref="KeepUnchanged"/>).
/// </para>
/// </remarks>
public sealed class MemoryBackend : IDisposable
{
    private readonly MemoryBackends _owner;
    private readonly OpenedBackend _opened;
    private readonly RamMapping _mapping;
    private readonly Discarder _discarder;
    private bool _discardBegan;
    private readonly BackendFile _file;
    private readonly BackendLease _lease;
    private readonly RamUsers _users;
    private readonly RamFaultWatch _faults;

    internal MemoryBackend(MemoryBackends owner, OpenedBackend opened, RamMapping mapping, Discarder discarder, MappingOutcome outcome)
    {
        _owner = owner;
        _opened = opened;
        _mapping = mapping;
        _discarder = discarder;
        Outcome = outcome;
        Options = opened.Options with { Id = outcome.Id };
        _file = new BackendFile(opened);
        _users = new RamUsers(this, Unmap);
        _lease = new BackendLease(this, _users.Dispose);
        _faults = new RamFaultWatch(outcome.Id, opened, mapping);
    }

    /// <summary>
    /// Raised when a discard, copy or the like finds that a page could not be had, on the thread that found out. Whoever touches the memory
    /// by its address looks at <see cref="Fault"/> itself, when <see cref="MemoryBackends.RamFaultCount"/> has changed.
    /// </summary>
    public event Action<RamFault>? Faulted
    {
        add => _faults.Faulted += value;
        remove => _faults.Faulted -= value;
    }

    /// <summary>
    /// Raised when bytes of the memory, from an offset on, may have become others by a discard, also by one that failed or was refused.
    /// </summary>
    public event Action<long, long>? Discarded;

    /// <summary>A discard has begun, whatever came of it.</summary>
    public bool DiscardBegan => Volatile.Read(ref _discardBegan);

    /// <summary>Unique among live backends, but for <see cref="MemoryBackends.DefaultRamId"/>, which each guest may have one of.</summary>
    public string Id => Outcome.Id;

    /// <summary>It as a value.</summary>
    public MemoryBackendInfo Info =>
        new() { Id = Id, InstanceId = InstanceId, Guest = _lease.Holder, Options = Options, Outcome = Outcome, File = File };

    /// <summary>Its place in the order in which backends were made.</summary>
    internal long Sequence { get; set; }

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
    public FileIdentity? File => _file.Identity;

    /// <summary>
    /// The first page that could not be had when somebody touched it, because the file was truncated, its file system is full, or the like;
    /// null: all is well. The RAM reads as zeros there; it cannot be used any more, only removed. Cheap while there is none.
    /// </summary>
    public RamFault? Fault => _faults.Fault;

    internal bool IsMappedSharedWritable(FileIdentity file) => _file.IsMappedSharedWritable(file);

    internal bool IsLockedAgainst(FileIdentity file, RamFileLock wanted) => _file.IsLockedAgainst(file, wanted)
        || _mapping.Layers?.Files.Any(layer => layer.IsLockedAgainst(file, wanted)) == true;

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
            () => Told(offset, length, () => _discarder.Discard(offset, length, policy)),
            cancellation);

    /// <summary>
    /// Gives a range of guest memory back to the host because its guest asks for that, by the backend's policy. Harts may run meanwhile.
    /// How many mappings the ranges of one backend add to the process is bounded; past that they are zeroed or filled in place.
    /// </summary>
    /// <param name="offset">Bytes from the start of the block; a multiple of the backing page size.</param>
    /// <param name="length">Bytes; a multiple of the backing page size.</param>
    /// <returns>Null: the memory is being copied, and stays as it is for now.</returns>
    /// <exception cref="MemoryBackendException">
    /// The range is misaligned or outside the block, discards are denied, a page could not be had, or the kernel refused.
    /// </exception>
    public DiscardOutcome? TryDiscardForGuest(long offset, long length) => _users.Use(() => _users.IsKept ? null : _faults.Whole(
        () => _users.Change(
            () => _users.IsKept ? null : Told(offset, length, () => _discarder.DiscardForGuest(offset, length)),
            CancellationToken.None)));

    /// <summary>Finds out what is wrong with a discard without doing it.</summary>
    /// <exception cref="MemoryBackendException">
    /// The range or policy is impossible or denied, or the memory is being copied (<see cref="MemoryErrorIds.BackendBusy"/>).
    /// </exception>
    public void CheckDiscard(long offset, long length, DiscardPolicy? policy)
    {
        ThrowIfKept();
        ThrowIfFaulted();
        _discarder.Check(offset, length, policy);
    }

    /// <summary>What the backend costs the host now, from the kernel's accounting. Walks the process's page tables.</summary>
    public MemoryUsage Measure() => Measure(null);

    /// <summary>What the backend costs the host, from the kernel's accounting.</summary>
    /// <param name="mappings">A reading of all mappings to take it from; null: a new one.</param>
    /// <param name="cancellation">Gives up.</param>
    public MemoryUsage Measure(ProcessMappings? mappings, CancellationToken cancellation = default) =>
        _users.Use(
            () => MappingUsage.Measure(Id, _opened, _mapping, _discarder.Layout, mappings, cancellation) with { Guest = _lease.Holder });

    /// <summary>
    /// Bytes in memory or swap that only this mapping has: anonymous pages, private copies included. Cheaper than <see cref="Measure()"/>:
    /// since Linux 6.7 it costs what is in memory of this backend, before that what is mapped.
    /// </summary>
    /// <param name="cancellation">Gives up.</param>
    public long MeasureOwn(CancellationToken cancellation = default) => _users.Use(
        () => PageScan.AnonymousBytes(Address, Size, cancellation) ?? PageMap.PrivateBytes(Address, Size, cancellation));

    /// <summary>
    /// Bytes of the host's memory that would be free without this backend: <see cref="MeasureOwn"/>, or of shared memory that is in no file
    /// on a disk (memfd, tmpfs) what of it is there.
    /// </summary>
    /// <param name="cancellation">Gives up.</param>
    public long MeasureHeld(CancellationToken cancellation = default) => !IsSharedInMemory ? MeasureOwn(cancellation) : _users.Use(
        () => _opened.File is { } file ? Math.Min(Size, FileFacts.Of(file.Fd).AllocatedBytes) : _mapping.ResidentBytes(0, Size));

    /// <summary>
    /// Bytes that an ordinary user may still fill on the file system of the backend's file; null: it has none, or no limit.
    /// </summary>
    public long? FreeDiskBytes => _users.Use(() => _opened.File is { } file ? FileFacts.Of(file.Fd).FileSystem?.AvailableBytes : null);

    /// <summary>The most bytes of the host's memory that one page fault brings.</summary>
    public long MostBytesPerFault => _opened.Decision.HugeTlb ? _opened.Decision.PageSize
        : IsAnonymousSomewhere ? TransparentHugePages.BytesPerFault : Environment.SystemPageSize;

    /// <summary>A part of it is of a file that is a server's, or a process's: a page that is not in memory may take for ever.</summary>
    public bool IsServed => _opened.Decision is { Kind: BackendKind.File, FileSystem.IsServed: true }
        || _mapping.Layers?.Files.Any(layer => layer.IsServed) == true;

    /// <summary>
    /// Sees to it that pages are in memory, as far as the kernel can. Takes as long as their file does; the thread waits in a call of the
    /// kernel then, and so does not keep the runtime from collecting garbage, as it would in a page fault.
    /// </summary>
    /// <param name="offset">First byte, at a page's start.</param>
    /// <param name="length">Bytes, whole pages inside the block. Whoever asks holds a lease.</param>
    public void Populate(long offset, long length) => _ = _mapping.Advise(offset, length, LibC.MadvPopulateRead);

    private bool IsSharedInMemory => Options.Share && !Options.ReadOnly
        && (_opened.Decision.Kind != BackendKind.File || _opened.Decision.FileSystem!.IsInMemory);

    private bool IsAnonymousSomewhere =>
        _opened.Decision.Kind == BackendKind.Anonymous || (!Options.Share && _discarder.Layout.OverlayCount > 0);

    /// <summary>Ranges that have been touched: read, written, or mapped beside what was. Costs what is in memory of this backend.</summary>
    /// <param name="cancellation">Gives up.</param>
    public IReadOnlyList<PageRange> TouchedRanges(CancellationToken cancellation = default) => _users.Use(
        () => PageScan.TouchedRanges(Address, Size, cancellation) ?? PageMap.TouchedRanges(Address, Size, cancellation));

    /// <summary>
    /// Has the kernel read ranges from their files, in that order, so that they are in memory when they are touched. Returns before they
    /// are.
    /// </summary>
    /// <param name="ranges">Ranges of whole pages inside the block.</param>
    /// <param name="cancellation">Gives up.</param>
    public void Prefetch(IEnumerable<PageRange> ranges, CancellationToken cancellation = default) => _users.Use(() =>
    {
        // The kernel takes the start of what it is asked for at once, as much as the device takes in one request, and forgets the rest.
        const long piece = 128 << 10;
        foreach (PageRange range in ranges)
        {
            for (long done = 0; done < range.Length; done += piece)
            {
                cancellation.ThrowIfCancellationRequested();
                _ = _mapping.Advise(range.Offset + done, Math.Min(piece, range.Length - done), LibC.MadvWillNeed);
            }
        }

        return true;
    });

    /// <summary>Whether a page is in memory, or will soon be: what this process may not know counts as if it were.</summary>
    /// <param name="offset">Bytes from the start of the block.</param>
    public bool IsCached(long offset) =>
        _users.Use(() => _mapping.ResidentBytes(offset & -Environment.SystemPageSize, Environment.SystemPageSize) != 0);

    /// <summary>What its pages are now, by cells. Costs 8 bytes read for each page that is mapped.</summary>
    /// <param name="cellSize">Bytes of a cell; a multiple of the system's page size.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is no multiple of the page size.</exception>
    public RamMap Map(long cellSize, CancellationToken cancellation = default) =>
        _users.Use(() => MappingUsage.Map(Id, _mapping, _discarder.Layout, cellSize, cancellation));

    /// <summary>Has discards refused until it is disposed; returns once one that is under way has ended.</summary>
    /// <param name="cancellation">Gives up.</param>
    public IDisposable KeepUnchanged(CancellationToken cancellation) => _users.Keep(cancellation);

    /// <summary>Ranges whose content is in no file, but in memory that only this mapping sees; none in a shared mapping.</summary>
    /// <remarks>Walks the process's page tables. Nothing may write to the memory meanwhile.</remarks>
    /// <param name="cancellation">Gives up.</param>
    public IReadOnlyList<PageRange> OwnRanges(CancellationToken cancellation = default) =>
        WithCopier(copier => copier.OwnRanges(cancellation), cancellation);

    /// <summary>Gets ready to copy the memory as it is at one moment, and copies what its file has if that does not change.</summary>
    /// <param name="target">A new, empty file, which gets the size of the memory.</param>
    /// <param name="kept">Where pieces wait that cannot wait for their turn.</param>
    /// <param name="ownOnly">Only <see cref="OwnRanges"/>.</param>
    /// <param name="advance">Told of bytes of the file that are done with.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="IOException">The target cannot be written.</exception>
    /// <exception cref="MemoryBackendException">The backend's file cannot be read (<see cref="MemoryErrorIds.CopyFailed"/>).</exception>
    internal BlockCopy BeginCopy(
        SafeFileHandle target, KeptPieces kept, bool ownOnly, Action<long> advance, CancellationToken cancellation) => Whole(() =>
    {
        RamCopier copier = new(Id, _opened, _mapping, _discarder.Layout);
        if (_opened.File is not null && !Options.Share && !ownOnly)
        {
            copier.CopyBase(target, advance, cancellation);
            copier.NoteTruncation();
        }
        else
        {
            RandomAccess.SetLength(target, Size);
        }

        return new BlockCopy(_opened, _mapping, copier, target, kept, ownOnly);
    });

    /// <summary>Does something with the memory; what it gives counts only when every page could be had.</summary>
    /// <exception cref="MemoryBackendException">A page could not be had (<see cref="MemoryErrorIds.RamFault"/>).</exception>
    internal T Whole<T>(Func<T> work) => _faults.Whole(work);

    /// <summary>
    /// Lays ranges of other files over the block's own, mapped and shared like it, for good. Nobody uses the memory yet; when it fails, it
    /// is good for nothing but to be disposed.
    /// </summary>
    /// <remarks>
    /// Copied, and so memory of its own, is what cannot be mapped: all over huge pages, and the smallest ranges where layers have added
    /// half of the mappings that they and overlays may add to the process.
    /// </remarks>
    /// <param name="pieces">Which file shows where.</param>
    /// <param name="files">The files, the lowest layer first. They are released with the memory, or when this fails.</param>
    /// <exception cref="MemoryBackendException">They cannot be mapped or read.</exception>
    public void Lay(RamPieces pieces, IReadOnlyList<LayerFile> files)
    {
        bool taken = false;
        try
        {
            Change(
                () =>
                {
                    taken = true;
                    _discarder.Lay(pieces, files);
                    return true;
                },
                CancellationToken.None);
        }
        finally
        {
            if (!taken)
            {
                foreach (LayerFile file in files)
                {
                    file.Release();
                }
            }
        }
    }

    /// <summary>
    /// Puts all of the memory back to the file that it is a private mapping of: what was written and what was discarded is as if it had not
    /// been. No policy of discards has a say. Nothing may write to the memory meanwhile, and who knows it by content is not told.
    /// </summary>
    /// <exception cref="MemoryBackendException">
    /// The memory is being copied (<see cref="MemoryErrorIds.BackendBusy"/>), a page could not be had, or the kernel refused
    /// (<see cref="MemoryErrorIds.DiscardFailed"/>).
    /// </exception>
    public void ShowFile(CancellationToken cancellation) => Change(
        () =>
        {
            _discarder.ShowFile();
            return true;
        },
        cancellation);

    /// <summary>The open files behind the memory as they are now, whatever has their names: its own, and those of layers.</summary>
    public IReadOnlyList<MappedFile> LookAtFiles() => _users.Use<IReadOnlyList<MappedFile>>(() =>
    {
        MappedFile own = new(Outcome.Path, _file.Now);
        return _mapping.Layers is { } layers ? [own, .. layers.Files.Select(file => new MappedFile(file.Path, file.Identity))] : [own];
    });

    /// <summary>Another descriptor of the open file behind the memory: the one that is mapped, whatever has its name now.</summary>
    /// <returns>Null: there is no file.</returns>
    /// <exception cref="IOException">The process has too many open files.</exception>
    public SafeFileHandle? DuplicateFile() => _users.Use(_file.Duplicate);

    /// <summary>
    /// The file behind the memory, opened once more: for another process, which has no part in the locks on it then, however long it keeps
    /// it.
    /// </summary>
    /// <returns>Null: there is no file.</returns>
    /// <exception cref="IOException">It cannot be opened.</exception>
    public SafeFileHandle? ReopenFile() => _users.Use(_file.Reopen);

    /// <summary>
    /// Lets others map the file that only this backend could write until now, for a template that takes it over: the guest has ended, and
    /// nobody writes it any more.
    /// </summary>
    public void HandOverFile() => _users.WhileMapped(_file.HandOver);

    /// <summary>
    /// Who else writes the file through a mapping, in this process or another, as locks and marks on it tell; null: nobody.
    /// </summary>
    public string? FindOtherWriter() => _users.Use(_file.FindOtherWriter);

    /// <summary>Takes the name of the file away that this backend made, unless another file has it now.</summary>
    public void UnlinkCreated() => _users.WhileMapped(_file.UnlinkCreated);

    /// <summary>Checks, when a guest is put together, that a consumer can use this backend (memory-backends rules, section 6).</summary>
    /// <param name="consumer">Who wants to use it.</param>
    /// <exception cref="MemoryBackendException">It cannot; the error names backend, option and consumer.</exception>
    public void CheckConsumer(MemoryConsumer consumer)
    {
        if (ConsumerRules.Check(Id, consumer, _opened.Decision) is { } error)
        {
            throw MemoryBackends.ToException(error, Id);
        }
    }

    /// <summary>Takes the backend for one guest: it cannot be removed, nor taken by another, until the lease is disposed.</summary>
    /// <param name="consumerName">The guest's name.</param>
    /// <exception cref="MemoryBackendException">
    /// Another guest has it (<see cref="MemoryErrorIds.BackendInUse"/>), it was removed (<see cref="MemoryErrorIds.BackendNotFound"/>), or
    /// a page of it could not be had (<see cref="MemoryErrorIds.RamFault"/>).
    /// </exception>
    public IDisposable Attach(string consumerName) => _lease.Take(consumerName);

    /// <summary>Finds out whether a guest could be attached now.</summary>
    /// <exception cref="MemoryBackendException">It is in use, or a page of it could not be had.</exception>
    public void CheckFree() => _lease.CheckFree();

    /// <summary>Finds out whether it could be removed now.</summary>
    /// <exception cref="MemoryBackendException">A guest uses it.</exception>
    public void CheckUnused() => _lease.CheckUnused();

    /// <summary>The guest that has it got another name.</summary>
    /// <param name="consumerName">The name.</param>
    public void RenameConsumer(string consumerName) => _lease.Rename(consumerName);

    /// <summary>
    /// Forgets the backend and unmaps it. Memory that a guest is attached to stays mapped until its lease is disposed, and memory that is
    /// being measured, copied or discarded until that is over.
    /// </summary>
    public void Dispose()
    {
        _lease.Close();
        _owner.Forget(this);
    }

    /// <summary>Disposes unless a guest is attached.</summary>
    internal void Remove()
    {
        _lease.CloseIfUnused();
        _owner.Forget(this);
    }

    /// <summary>Throws when a page of it could not be had.</summary>
    /// <exception cref="MemoryBackendException">One could not (<see cref="MemoryErrorIds.RamFault"/>).</exception>
    internal void ThrowIfFaulted() => _faults.ThrowIfAny();

    /// <summary>Does a discard and tells of it, whatever comes of it.</summary>
    private T Told<T>(long offset, long length, Func<T> discard)
    {
        Volatile.Write(ref _discardBegan, true);
        try
        {
            return discard();
        }
        finally
        {
            _lease.Tell(() => Discarded?.Invoke(offset, length));
        }
    }

    private T WithCopier<T>(Func<RamCopier, T> work, CancellationToken cancellation)
    {
        using IDisposable kept = KeepUnchanged(cancellation);
        return _faults.Whole(() => Copy(work));
    }

    private T Copy<T>(Func<RamCopier, T> work)
    {
        RamCopier copier = new(Id, _opened, _mapping, _discarder.Layout);
        T result = work(copier);
        copier.NoteTruncation();
        return result;
    }

    /// <summary>Does something that changes the memory, after whoever else does.</summary>
    /// <exception cref="MemoryBackendException">It must stay as it is for now (<see cref="MemoryErrorIds.BackendBusy"/>).</exception>
    private T Change<T>(Func<T> work, CancellationToken cancellation) => _users.Use(() =>
    {
        ThrowIfKept();
        return _faults.Whole(() => _users.Change(
            () =>
            {
                ThrowIfKept();
                return work();
            },
            cancellation));
    });

    private void ThrowIfKept()
    {
        if (_users.IsKept)
        {
            throw new MemoryBackendException(
                MemoryErrorIds.BackendBusy,
                $"Expected that nobody copies backend '{Id}', found that {(_lease.Holder is { } guest ? $"guest '{guest}'" : "it")} is "
                    + "being checkpointed.",
                Id,
                "Discard when the checkpoint has ended.");
        }
    }

    private void Unmap()
    {
        _discarder.Dispose();
        _mapping.Dispose();
        _file.Close();
    }
}
