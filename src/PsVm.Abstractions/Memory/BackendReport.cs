namespace PsVm;

/// <summary>An error that New-MemoryBackend would give.</summary>
/// <param name="Id">Stable id of the cause.</param>
/// <param name="Message">What was expected and what was found.</param>
/// <param name="RecommendedAction">What to do; null where there is nothing to advise.</param>
public sealed record BackendError(string Id, string Message, string? RecommendedAction)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Id}: {Message}";
}

/// <summary>What New-MemoryBackend would do with the same options, found out without changing anything.</summary>
/// <remarks>Source: memory-backends rules, section 8. Names as in <see cref="MappingOutcome"/> where they apply.</remarks>
public sealed record BackendReport
{
    /// <summary>New-MemoryBackend would succeed.</summary>
    public bool IsValid => Errors.Count == 0;

    /// <summary>The backend's id; null: it would be generated.</summary>
    public string? Id { get; init; }

    /// <summary>The file or directory; null without one.</summary>
    public string? Path { get; init; }

    /// <summary>What would back the RAM.</summary>
    public BackendKind Kind { get; init; }

    /// <summary>Bytes that would be mapped.</summary>
    public long Size { get; init; }

    /// <summary>Bytes into the file.</summary>
    public long Offset { get; init; }

    /// <summary>MAP_SHARED or MAP_PRIVATE.</summary>
    public bool Share { get; init; }

    /// <summary>The memory would be ROM.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>The mode that was asked for.</summary>
    public FileAccessMode RequestedMode { get; init; }

    /// <summary>The mode the file would be opened with; null where the options contradict each other.</summary>
    public FileAccessMode? EffectiveMode { get; init; }

    /// <summary>Why, in one line.</summary>
    public string? Reason { get; init; }

    /// <summary>The versioned machine type whose defaults apply; null when it is unknown.</summary>
    public string? MachineType { get; init; }

    /// <summary>The file system's name; null without a file.</summary>
    public string? FileSystem { get; init; }

    /// <summary>Backing page size in bytes.</summary>
    public long PageSize { get; init; }

    /// <summary>The backing pages are huge pages from hugetlbfs.</summary>
    public bool HugeTlb { get; init; }

    /// <summary>The file would be created.</summary>
    public bool WouldCreate { get; init; }

    /// <summary>Auto would choose ReadWrite, not get it, and open ReadOnly.</summary>
    public bool WouldFallBack { get; init; }

    /// <summary>Flags of open(2).</summary>
    public string? OpenFlags { get; init; }

    /// <summary>Protection of mmap(2).</summary>
    public string? Protection { get; init; }

    /// <summary>Flags of mmap(2).</summary>
    public string? MapFlags { get; init; }

    /// <summary>The discard policy that was asked for.</summary>
    public DiscardPolicy RequestedDiscardPolicy { get; init; }

    /// <summary>The discard policy that would be in force; null where it is in error.</summary>
    public DiscardPolicy? EffectiveDiscardPolicy { get; init; }

    /// <summary>Every page would be faulted in.</summary>
    public bool Prealloc { get; init; }

    /// <summary>Warnings, each with a stable id.</summary>
    public IReadOnlyList<BackendWarning> Warnings { get; init; } = [];

    /// <summary>Errors, each with a stable id.</summary>
    public IReadOnlyList<BackendError> Errors { get; init; } = [];
}
