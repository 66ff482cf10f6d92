namespace PsVm.Memory.Options;

/// <summary>What can be said against options without looking at the host. Pure; errors come in the order of the checks.</summary>
internal static class OptionChecks
{
    /// <summary>Bytes of address space that every 64-bit Linux process has.</summary>
    public const long AddressSpace = 1L << 47;

    public static BackendKind KindOf(MemoryBackendOptions options) =>
        options.Kind ?? (options.Path is null ? BackendKind.Anonymous : BackendKind.File);

    /// <summary>Options that contradict each other, whatever backs the RAM.</summary>
    public static IEnumerable<BackendError> Contradictions(MemoryBackendOptions options)
    {
        var kind = KindOf(options);
        if (options.Id is not null && string.IsNullOrWhiteSpace(options.Id))
        {
            yield return new(MemoryErrorIds.InvalidId, "The id is blank; expected a name or none.", "Leave out Id for a generated one.");
        }

        if (kind == BackendKind.File && string.IsNullOrEmpty(options.Path))
        {
            yield return new(
                MemoryErrorIds.PathRequired,
                options.Path is null ? "Kind File without Path." : "Path was given and is empty.",
                "Give the Path of a file or directory.");
        }

        if (kind != BackendKind.File && options.Path is not null)
        {
            yield return new(
                MemoryErrorIds.PathNotAllowed,
                $"Kind {kind} with Path '{options.Path}': it has no file.",
                "Use Kind File or leave out Path.");
        }

        if (kind != BackendKind.File && options.Offset != 0)
        {
            yield return new(
                MemoryErrorIds.OffsetNeedsFile,
                $"Kind {kind} with Offset {options.Offset}: only a file has an offset.",
                "Leave out Offset.");
        }

        if (kind != BackendKind.File && options.ReadOnly)
        {
            yield return new(
                MemoryErrorIds.ReadOnlyNeedsFile,
                $"Kind {kind} with ReadOnly: its memory would hold zeros for ever.",
                "Give the Path of a file with the content.");
        }

        if (kind != BackendKind.File && options.FileAccessMode != FileAccessMode.Auto)
        {
            yield return new(
                MemoryErrorIds.FileAccessModeNeedsFile,
                $"Kind {kind} with FileAccessMode {options.FileAccessMode}: there is no file to open.",
                "Leave FileAccessMode at Auto.");
        }

        if (MachineTypes.Resolve(options.MachineType) is null)
        {
            yield return MachineTypes.Unknown(options.MachineType);
        }

        if (options is { DenyPrivateDiscard: true, AllowPrivateDiscard: true })
        {
            yield return new(
                MemoryErrorIds.PrivateDiscardConflict,
                "DenyPrivateDiscard together with AllowPrivateDiscard.",
                "Give one of them, or neither to follow the policy.");
        }

        if (options.PreallocThreads < 0)
        {
            yield return new(
                MemoryErrorIds.InvalidPreallocThreads,
                $"PreallocThreads is {options.PreallocThreads}; expected 0 (the host's CPUs) or more.",
                null);
        }

        if (HostNodes(options) is { } hostNodes)
        {
            yield return hostNodes;
        }
    }

    // Who writes 64, as for other tools, means mebibytes.
    private const long MostTakenForMebibytes = 4096;

    /// <summary>Size, offset and alignment against the backing page size, in that order.</summary>
    public static IEnumerable<BackendError> Geometry(MemoryBackendOptions options, long pageSize)
    {
        if (options.Size <= 0)
        {
            yield return new(
                MemoryErrorIds.InvalidSize, $"Size is {ByteSize.ToExactText(options.Size)}; expected a positive multiple of "
                    + $"{ByteSize.ToExactText(pageSize)}.", null);
        }
        else if (options.Size % pageSize != 0)
        {
            yield return new(
                MemoryErrorIds.SizeMisaligned,
                $"Size is {ByteSize.ToExactText(options.Size)}; expected a multiple of the backing page size, "
                    + $"{ByteSize.ToExactText(pageSize)}.",
                options.Size < MostTakenForMebibytes
                    ? $"Sizes are in bytes: write {options.Size}MB for {options.Size} MiB."
                    : $"Use {ByteSize.ToExactText((long)Int128.Min(RoundUp(options.Size, pageSize), long.MaxValue))}.");
        }

        if (options.Offset < 0 || options.Offset % pageSize != 0)
        {
            yield return new(
                MemoryErrorIds.OffsetMisaligned,
                $"Offset is {ByteSize.ToExactText(options.Offset)}; expected 0 or a positive multiple of the backing page size, "
                    + $"{ByteSize.ToExactText(pageSize)}.",
                null);
        }

        var align = options.Align;
        if (align != 0 && (align < pageSize || !long.IsPow2(align)))
        {
            yield return new(
                MemoryErrorIds.AlignMisaligned,
                $"Align is {ByteSize.ToExactText(align)}; expected a power of two of at least the backing page size, "
                    + $"{ByteSize.ToExactText(pageSize)}.",
                null);
        }

        // Int128: the sum of two longs may not fit in one.
        if (options.Size > 0 && (Int128)options.Size + Math.Max(align, pageSize) + pageSize > AddressSpace)
        {
            yield return new(
                MemoryErrorIds.SizeTooLarge,
                $"Size {ByteSize.ToExactText(options.Size)} and Align {ByteSize.ToExactText(Math.Max(align, pageSize))}; a "
                    + $"process has {ByteSize.ToExactText(AddressSpace)} of address space.",
                null);
        }
        else if ((Int128)options.Offset + options.Size > long.MaxValue)
        {
            yield return new(
                MemoryErrorIds.SizeTooLarge,
                $"Offset {ByteSize.ToExactText(options.Offset)} and Size {ByteSize.ToExactText(options.Size)} reach beyond a "
                    + $"file's largest offset, {ByteSize.ToExactText(long.MaxValue)}.",
                null);
        }
    }

    /// <summary>Preallocation that would copy a private file by surprise (memory-backends rules, section 4).</summary>
    public static BackendError? Prealloc(MemoryBackendOptions options, MappingKind mapping) =>
        options.Prealloc && !options.ForcePrealloc && !options.ReadOnly
            && mapping == MappingKind.PrivateFile && options.FileAccessMode != FileAccessMode.Auto
        ? new(
            MemoryErrorIds.PreallocCopiesFile,
            $"Prealloc on a private file mapping copies all {ByteSize.ToExactText(options.Size)} and defeats the sharing of the file.",
            "Leave out Prealloc, leave FileAccessMode at Auto to read the pages in without a copy, or allow it with Force.")
        : null;

    private static BackendError? HostNodes(MemoryBackendOptions options)
    {
        var nodes = options.HostNodes;
        var found = $"NumaPolicy is {options.NumaPolicy} and HostNodes is {{{string.Join(", ", nodes)}}}";
        if (options.NumaPolicy == NumaPolicy.Default)
        {
            return nodes.Count == 0 ? null : new(
                MemoryErrorIds.InvalidHostNodes, $"{found}; expected no nodes with Default.", "Give a NumaPolicy or leave out HostNodes.");
        }

        if (nodes.Count == 0 || nodes.Any(n => n < 0))
        {
            return new(
                MemoryErrorIds.InvalidHostNodes,
                $"{found}; expected the numbers of one or more nodes.",
                "Give HostNodes or leave out NumaPolicy.");
        }

        return options.NumaPolicy == NumaPolicy.Preferred && nodes.Count > 1
            ? new(MemoryErrorIds.InvalidHostNodes, $"{found}; expected one node with Preferred.", "Use Interleave for several nodes.")
            : null;
    }

    private static Int128 RoundUp(long value, long multiple) => ((Int128)value + multiple - 1) / multiple * multiple;
}
