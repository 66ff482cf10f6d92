using Mono.Unix.Native;
using PsVm.Memory.Files;
using PsVm.Memory.Mapping;
using PsVm.Memory.Native;
using PsVm.Memory.Options;

namespace PsVm.Memory.Discarding;

/// <summary>Gives ranges of one mapping back to the host (memory-backends rules, section 5). Not thread-safe; the backend is.</summary>
internal sealed class Discarder(string id, OpenedBackend plan, RamMapping mapping, MappingBudget budget) : IDisposable
{
    private bool _warnedOfHoles = plan.Warnings.Contains(DiscardPolicyResolver.PunchHoleChangesFile);

    /// <summary>Which parts of the block are overlays.</summary>
    public MappingLayout Layout { get; } = new(plan.Options.Size, fileMerges: !plan.HugeTlb);

    /// <exception cref="MemoryBackendException">See <see cref="MemoryBackend.Discard"/>.</exception>
    public DiscardOutcome Discard(long offset, long length, DiscardPolicy? requested)
    {
        ThrowIfAny(CheckRange(offset, length));
        var resolution = DiscardPolicyResolver.Resolve(
            requested ?? plan.DiscardPolicy!.Value, plan.MappingKind, plan.Mode!.Value, plan.DenyPrivateDiscard);
        ThrowIfAny(resolution.Error);
        var policy = resolution.Policy!.Value;
        if (plan.DiscardPolicy == DiscardPolicy.Deny || policy == DiscardPolicy.Deny)
        {
            throw new MemoryBackendException(
                MemoryErrorIds.DiscardDenied, Denial(), id, "Use another DiscardPolicy, or lift DenyPrivateDiscard.");
        }

        var done = policy switch
        {
            DiscardPolicy.ZeroOverlay => LayZeros(offset, length),
            DiscardPolicy.RestoreTemplate => ShowFile(offset, length),
            DiscardPolicy.PunchHole => PunchHole(offset, length),
            _ => DropPages(offset, length),
        };
        return new(id, offset, length, done.Freed, policy, done.How, done.WhyNot, WarnOnce(resolution.Warning));
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
        long freed = 0, written = 0;
        foreach (var part in Layout.Within(offset, offset + length))
        {
            if (part.IsOverlay == isOverlay)
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

        return written == 0 ? new(freed, how, null) : new(
            freed,
            written == length ? inPlace : $"{how}; {written} bytes {inPlace}",
            $"{written} bytes were {inPlace}: overlays have added {budget.Used} of at most {budget.Limit} mappings to this process.");
    }

    private Done PunchHole(long offset, long length)
    {
        var file = plan.File!;
        var isPrivate = plan.MappingKind == MappingKind.PrivateFile;

        // Counted first: a hole in a file on hugetlbfs takes the private copies with it.
        var copies = isPrivate ? HeldBy(new(offset, offset + length, false)) : 0;
        var before = FileFacts.Of(file.Fd).AllocatedBytes;
        var error = Retry.WhileInterrupted(() => LibC.Fallocate(
            file.Fd, LibC.FallocPunchHole | LibC.FallocKeepSize, plan.Options.Offset + offset, length));
        if (error == Errno.EOPNOTSUPP && !isPrivate)
        {
            ZeroInPlace(new(offset, offset + length, false));
            return new(0, "zeroed in place", $"{plan.FileSystem?.Name ?? "the file system"} cannot punch holes.");
        }

        ThrowIfFailed(error, "fallocate(PUNCH_HOLE)", offset, length);

        // Others may store into the file meanwhile, so the difference is bounded by what was asked.
        var freed = Math.Clamp(before - FileFacts.Of(file.Fd).AllocatedBytes, 0, length);
        ThrowIfFailed(mapping.Advise(offset, length, LibC.MadvDontNeed), "madvise(MADV_DONTNEED)", offset, length);
        return new(freed + copies, isPrivate ? "hole punched into the file, private copies dropped" : "hole punched into the file", null);
    }

    private Done DropPages(long offset, long length)
    {
        if (!plan.Options.Share)
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
        if (!budget.TryTake(cost))
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
        return mapping.Restore(part.Start, part.Length, part.IsOverlay) && error == Errno.ENOMEM ? false : throw Failed(error, "mmap(MAP_FIXED)", part.Start, part.Length);
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
        for (var position = part.Start; position < part.End;)
        {
            var read = Syscall.pread(
                plan.File!.Fd, mapping.Address + (nint)position, (ulong)(part.End - position), plan.Options.Offset + position);
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
        var pageSize = plan.PageSize;
        return offset % pageSize != 0 || length % pageSize != 0
            ? new(
                MemoryErrorIds.DiscardRangeMisaligned,
                $"Offset {offset} and length {length} bytes; expected multiples of the backing page size, {pageSize} bytes.",
                null)
            : offset < 0 || length <= 0 || offset > mapping.Size - length
            ? new(
                MemoryErrorIds.DiscardRangeOutside,
                $"Offset {offset} and length {length} bytes; expected a range inside the {mapping.Size} bytes of backend '{id}'.",
                null)
            : null;
    }

    private string Denial() => plan.DenyPrivateDiscard && plan.MappingKind == MappingKind.PrivateFile
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
        if (plan.Options.ReadOnly)
        {
            throw new MemoryBackendException(
                MemoryErrorIds.OverlayLimitReached,
                $"Overlays have added {budget.Used} of at most {budget.Limit} mappings, and read-only memory cannot be written in place.",
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
        MemoryErrorIds.DiscardFailed, $"{call} of {length} bytes at offset {offset} of backend '{id}': {Errors.Describe(error)}.", id);

    private readonly record struct Done(long Freed, string How, string? WhyNot);
}
