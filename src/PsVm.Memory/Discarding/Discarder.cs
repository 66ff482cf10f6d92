using System.Diagnostics;
using Mono.Unix.Native;
using PsVm.Memory.Files;
using PsVm.Memory.Mapping;
using PsVm.Memory.Native;
using PsVm.Memory.Options;

namespace PsVm.Memory.Discarding;

/// <summary>Gives ranges of one mapping back to the host (memory-backends rules, section 5). Not thread-safe; the backend is.</summary>
internal sealed class Discarder(string id, OpenedBackend opened, RamMapping mapping, MappingBudget budget) : IDisposable
{
    // What a guest cuts up comes out of what all blocks of the process may be cut into: one block gets a part of that.
    private const int GuestsPart = 16;

    private bool _warnedOfHoles = opened.Warnings.Contains(DiscardPolicyResolver.PunchHoleChangesFile);
    private long _mostSegments = long.MaxValue;

    /// <summary>Which parts of the block are overlays.</summary>
    public MappingLayout Layout { get; } = new(opened.Options.Size, fileMerges: !opened.Decision.HugeTlb);

    /// <exception cref="MemoryBackendException">See <see cref="MemoryBackend.Discard"/>.</exception>
    public DiscardOutcome Discard(long offset, long length, DiscardPolicy? requested)
    {
        (DiscardPolicy policy, BackendWarning? warning) = Check(offset, length, requested);
        var done = policy switch
        {
            DiscardPolicy.ZeroOverlay => LayZeros(offset, length),
            DiscardPolicy.RestoreTemplate => ShowFile(offset, length),
            DiscardPolicy.PunchHole => PunchHole(offset, length),
            _ => DropPages(offset, length),
        };
        return new(id, offset, length, done.Freed, policy, done.How, done.WhyNot, WarnOnce(warning));
    }

    /// <summary>
    /// As <see cref="Discard"/> by the block's own policy, for a guest: its overlays are bounded apart, so that what others lay is not
    /// refused for them.
    /// </summary>
    /// <exception cref="MemoryBackendException">See <see cref="MemoryBackend.TryDiscardForGuest"/>.</exception>
    public DiscardOutcome DiscardForGuest(long offset, long length)
    {
        _mostSegments = (mapping.Layers?.Pieces.All.Count ?? 1) + (budget.Limit / GuestsPart);
        try
        {
            return Discard(offset, length, null);
        }
        finally
        {
            _mostSegments = long.MaxValue;
        }
    }

    /// <summary>What a discard would do, and what it would warn of.</summary>
    /// <exception cref="MemoryBackendException">The range or policy is impossible or denied.</exception>
    public (DiscardPolicy Policy, BackendWarning? Warning) Check(long offset, long length, DiscardPolicy? requested)
    {
        ThrowIfAny(CheckRange(offset, length));
        var resolution = DiscardPolicyResolver.Resolve(
            requested ?? opened.Decision.DiscardPolicy!.Value,
            opened.Decision.MappingKind,
            opened.Decision.Mode!.Value,
            opened.Decision.DenyPrivateDiscard);
        ThrowIfAny(resolution.Error);
        return opened.Decision.DiscardPolicy == DiscardPolicy.Deny || resolution.Policy == DiscardPolicy.Deny
            ? throw new MemoryBackendException(
                MemoryErrorIds.DiscardDenied, Denial(), id, "Use another DiscardPolicy, or lift DenyPrivateDiscard.")
            : (resolution.Policy!.Value, resolution.Warning);
    }

    /// <summary>Maps layers over the block's own file, or copies what cannot be mapped. Nobody uses the memory yet.</summary>
    /// <param name="pieces">What shows where.</param>
    /// <param name="files">The layers' files, the lowest first; they are released with the mapping.</param>
    /// <exception cref="MemoryBackendException">They cannot be mapped or read; the memory is good for nothing.</exception>
    public void Lay(RamPieces pieces, IReadOnlyList<LayerFile> files)
    {
        (RamPieces planned, int taken) = RamLayers.Plan(pieces, opened.Decision.HugeTlb, budget);
        Errno error = mapping.Lay(new RamLayers(planned, files));
        if (error != 0)
        {
            budget.TryTake(-taken);
            throw new MemoryBackendException(
                error == Errno.ENOMEM ? MemoryErrorIds.TooManyMappings : MemoryErrorIds.MapFailed,
                $"{planned.LayeredCount} pieces of {files.Count} layers cannot be mapped over backend '{id}': {Errors.Describe(error)}.",
                id,
                "Merge the layers, or raise vm.max_map_count.");
        }

        Layout.Lay(planned);
        budget.TryTake(Layout.SegmentCount - 1 - taken);
        Debug.Assert(Layout.SegmentCount - 1 <= taken, "more mappings than were planned");
        _ = mapping.ApplyAdvice(0, mapping.Size);
        FillCopies(planned);
    }

    private void FillCopies(RamPieces pieces)
    {
        RamPiece[] copied = [.. pieces.All.Where(piece => piece.IsCopied)];
        if (copied.Length == 0)
        {
            return;
        }

        if (opened.Options.ReadOnly)
        {
            ThrowIfFailed(mapping.LetFill(true), "mprotect", 0, mapping.Size);
        }

        foreach (RamPiece piece in copied)
        {
            Fill(piece);
        }

        if (opened.Options.ReadOnly)
        {
            _ = mapping.LetFill(false);
        }
    }

    /// <summary>
    /// Puts the whole block of a private file mapping back to its file and layers: overlays and private copies go. It is no discard, so no
    /// policy has a say, and nothing is counted, which would cost more than the rest.
    /// </summary>
    /// <exception cref="MemoryBackendException">The kernel refused (<see cref="MemoryErrorIds.DiscardFailed"/>).</exception>
    public void ShowFile()
    {
        Debug.Assert(opened.Decision.MappingKind == MappingKind.PrivateFile, "only a private mapping has a file to go back to");
        foreach (Segment part in Layout.Within(0, mapping.Size).Where(part => !part.IsOverlay))
        {
            ThrowIfFailed(mapping.DropCopies(part.Start, part.Length), "madvise(MADV_DONTNEED)", part.Start, part.Length);
        }

        foreach (Segment part
            in Layout.OverlayCount == 0 ? [] : FileParts(0, mapping.Size).Select(file => file.Part).Where(part => part.IsOverlay).ToArray())
        {
            if (!TryFlip(part, mapping.MapFile, out _))
            {
                CopyFromFile(part);
            }
        }

        if (mapping.Layers is { } layers)
        {
            FillCopies(layers.Pieces);
        }
    }

    /// <summary>Gives the overlays' share of the budget back; the mapping itself is not this object's.</summary>
    public void Dispose() => budget.TryTake(1 - Layout.SegmentCount);

    private Done LayZeros(long offset, long length) => Replace(
        offset, length, isOverlay: true, mapping.MapOverlay, ZeroInPlace, "anonymous zeros laid over the range", "zeroed in place");

    private Done ShowFile(long offset, long length) => Replace(
        offset,
        length,
        isOverlay: false,
        mapping.MapFile,
        CopyFromFile,
        "private copies dropped, the file's content shows again",
        "filled from the file");

    /// <summary>Drops pages where the range is what it should be, maps over it where not, and writes in place past the bound.</summary>
    private Done Replace(
        long offset, long length, bool isOverlay, Func<long, long, Errno> map, Action<Segment> writeInPlace, string how, string inPlace)
    {
        long freed = 0, written = 0, copied = 0;
        foreach ((Segment part, bool isCopied)
            in isOverlay ? Layout.Within(offset, offset + length).Select(part => (part, false)) : FileParts(offset, length))
        {
            if (isCopied)
            {
                writeInPlace(part);
                copied += part.Length;
            }
            else if (part.IsOverlay == isOverlay)
            {
                freed += DropPrivatePages(part);
            }
            else if (TryFlip(part, map, out var held))
            {
                freed += held;
            }
            else
            {
                writeInPlace(part);
                written += part.Length;
            }
        }

        return written + copied == 0 ? new(freed, how, null) : new(
            freed,
            written + copied == length ? inPlace : $"{how}; {ByteSize.ToExactText(written + copied)} {inPlace}",
            (copied == 0 ? string.Empty : $"{ByteSize.ToExactText(copied)} were {inPlace}: the layer that has them was copied. ")
                + (written == 0
                    ? string.Empty
                    : $"{ByteSize.ToExactText(written)} were {inPlace}: overlays have added {budget.Used} of at most {budget.Limit} "
                        + "mappings to this process."));
    }

    /// <summary>The parts of a range that one file has the content of; overlays among them say which it is.</summary>
    private IEnumerable<(Segment Part, bool IsCopied)> FileParts(long offset, long length)
    {
        foreach (RamPiece piece in mapping.PiecesWithin(offset, offset + length))
        {
            foreach (Segment part in Layout.Within(piece.Start, piece.End))
            {
                yield return (part.IsOverlay ? part with { Layer = piece.MappedLayer } : part, piece.IsCopied);
            }
        }
    }

    private Done PunchHole(long offset, long length)
    {
        var file = opened.File!;
        var isPrivate = opened.Decision.MappingKind == MappingKind.PrivateFile;

        // Counted first: a hole in a file on hugetlbfs takes the private copies with it.
        var copies = isPrivate ? HeldBy(new(offset, offset + length, false)) : 0;
        var before = FileFacts.Of(file.Fd).AllocatedBytes;
        var error = Retry.WhileInterrupted(() => LibC.Fallocate(
            file.Fd, LibC.FallocPunchHole | LibC.FallocKeepSize, opened.Options.Offset + offset, length));
        if (error == Errno.EOPNOTSUPP && !isPrivate)
        {
            ZeroInPlace(new(offset, offset + length, false));
            return new(0, "zeroed in place", $"{opened.Decision.FileSystem?.Name ?? "the file system"} cannot punch holes.");
        }

        ThrowIfFailed(error, "fallocate(PUNCH_HOLE)", offset, length);

        // Others may store into the file meanwhile, so the difference is bounded by what was asked.
        var freed = Math.Clamp(before - FileFacts.Of(file.Fd).AllocatedBytes, 0, length);
        ThrowIfFailed(mapping.Advise(offset, length, LibC.MadvDontNeed), "madvise(MADV_DONTNEED)", offset, length);
        return new(freed + copies, isPrivate ? "hole punched into the file, private copies dropped" : "hole punched into the file", null);
    }

    private Done DropPages(long offset, long length)
    {
        if (!opened.Options.Share)
        {
            return new(DropPrivatePages(new(offset, offset + length, false)), "pages dropped", null);
        }

        // Shared anonymous memory outlives MADV_DONTNEED.
        var before = mapping.ResidentBytes(offset, length);
        ThrowIfFailed(mapping.Advise(offset, length, LibC.MadvRemove), "madvise(MADV_REMOVE)", offset, length);
        return new(Math.Max(0, before - mapping.ResidentBytes(offset, length)), "pages dropped", null);
    }

    /// <summary>Maps the other kind over a part; false when the bound, or the kernel's own, is reached.</summary>
    private bool TryFlip(Segment part, Func<long, long, Errno> map, out long held)
    {
        held = HeldBy(part);
        var cost = Layout.CostOfFlipping(part);
        bool isForGuest = _mostSegments != long.MaxValue;
        if (Layout.SegmentCount + cost > _mostSegments || !(isForGuest ? budget.TryTakeForGuest(cost) : budget.TryTake(cost)))
        {
            return false;
        }

        var error = map(part.Start, part.Length);
        if (error == 0)
        {
            Layout.Flip(part);
            _ = mapping.ApplyAdvice(part.Start, part.Length);
            return true;
        }

        budget.TryTake(-cost);
        return mapping.Restore(part.Start, part.Length, part.IsOverlay) && error == Errno.ENOMEM
            ? false
            : throw Failed(error, "mmap(MAP_FIXED)", part.Start, part.Length);
    }

    private void ZeroInPlace(Segment part)
    {
        ThrowIfReadOnly();
        var pageSize = Environment.SystemPageSize;
        for (var position = part.Start; position < part.End; position += pageSize)
        {
            // A store to a page that is zero already would only cost memory.
            var page = mapping.Bytes(position, pageSize);
            if (page.ContainsAnyExcept((byte)0))
            {
                page.Clear();
            }
        }
    }

    private void CopyFromFile(Segment part)
    {
        ThrowIfReadOnly();
        foreach (RamPiece piece in mapping.PiecesWithin(part.Start, part.End))
        {
            Fill(piece);
        }
    }

    /// <summary>Fills a part from the file that has its content.</summary>
    private void Fill(RamPiece part)
    {
        (int fd, long offset) = mapping.FileOf(part);
        for (var position = part.Start; position < part.End;)
        {
            var read = Syscall.pread(fd, mapping.Address + (nint)position, (ulong)(part.End - position), offset + position);
            var error = Errors.Of(read);
            if (error == Errno.EFAULT)
            {
                mapping.Touch(position, write: true);
            }

            if (error != Errno.EINTR)
            {
                ThrowIfFailed(read == 0 ? Errno.EIO : error, "pread", position, part.End - position);
                position += read;
            }
        }
    }

    private long DropPrivatePages(Segment part)
    {
        var held = HeldBy(part);
        ThrowIfFailed(mapping.Advise(part.Start, part.Length, LibC.MadvDontNeed), "madvise(MADV_DONTNEED)", part.Start, part.Length);
        return held;
    }

    private long HeldBy(Segment part) => PageMap.PrivateBytes(mapping.Address + (nint)part.Start, part.Length);

    private BackendError? CheckRange(long offset, long length)
    {
        var pageSize = opened.Decision.PageSize;
        return offset % pageSize != 0 || length % pageSize != 0
            ? new(
                MemoryErrorIds.DiscardRangeMisaligned,
                $"Offset {ByteSize.ToExactText(offset)} and length {ByteSize.ToExactText(length)}; expected multiples of the "
                    + $"backing page size, {ByteSize.ToExactText(pageSize)}.",
                null)
            : offset < 0 || length <= 0 || offset > mapping.Size - length
            ? new(
                MemoryErrorIds.DiscardRangeOutside,
                $"Offset {ByteSize.ToExactText(offset)} and length {ByteSize.ToExactText(length)}; expected a range inside the "
                    + $"{ByteSize.ToExactText(mapping.Size)} of backend '{id}'.",
                null)
            : null;
    }

    private string Denial() => opened.Decision.DenyPrivateDiscard && opened.Decision.MappingKind == MappingKind.PrivateFile
        ? $"Backend '{id}' is a private file mapping under DenyPrivateDiscard, which refuses discards."
        : $"Backend '{id}' refuses discards: DiscardPolicy Deny.";

    private IReadOnlyList<BackendWarning> WarnOnce(BackendWarning? warning)
    {
        if (warning is null || _warnedOfHoles)
        {
            return [];
        }

        _warnedOfHoles = true;
        return [warning];
    }

    private void ThrowIfReadOnly()
    {
        if (opened.Options.ReadOnly)
        {
            throw new MemoryBackendException(
                MemoryErrorIds.OverlayLimitReached,
                $"Overlays and layers have added {budget.Used} of at most {budget.Limit} mappings, and read-only memory cannot be written "
                    + "in place.",
                id,
                "Discard larger ranges, or raise vm.max_map_count.");
        }
    }

    private void ThrowIfAny(BackendError? error)
    {
        if (error is not null)
        {
            throw MemoryBackends.ToException(error, id);
        }
    }

    private void ThrowIfFailed(Errno error, string call, long offset, long length)
    {
        if (error != 0)
        {
            throw Failed(error, call, offset, length);
        }
    }

    private MemoryBackendException Failed(Errno error, string call, long offset, long length) => new(
        MemoryErrorIds.DiscardFailed, $"{call} of {ByteSize.ToExactText(length)} at offset {ByteSize.ToExactText(offset)} of "
            + $"backend '{id}': {Errors.Describe(error)}.", id);

    private readonly record struct Done(long Freed, string How, string? WhyNot);
}
