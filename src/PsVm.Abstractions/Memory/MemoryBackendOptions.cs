namespace PsVm;

/// <summary>What an operator asks of a backend: guest RAM in a file, a memfd or anonymous memory.</summary>
/// <remarks>Source: memory-backends rules, section 1. Sizes and offsets are bytes.</remarks>
public sealed record MemoryBackendOptions
{
    /// <summary>Unique among live backends; null: generated.</summary>
    public string? Id { get; init; }

    /// <summary>What backs the RAM; null: File when <see cref="Path"/> is given, else Anonymous.</summary>
    public BackendKind? Kind { get; init; }

    /// <summary>A file, or a directory in which a new, already unlinked file is made.</summary>
    public string? Path { get; init; }

    /// <summary>Bytes; a multiple of the backing page size.</summary>
    public long Size { get; init; }

    /// <summary>Bytes into the file; a multiple of the backing page size.</summary>
    public long Offset { get; init; }

    /// <summary>MAP_SHARED (true) or MAP_PRIVATE (false).</summary>
    public bool Share { get; init; }

    /// <summary>The memory is ROM: mapped PROT_READ, guest stores fault.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>How the file itself is opened.</summary>
    public FileAccessMode FileAccessMode { get; init; }

    /// <summary>What a discard does.</summary>
    public DiscardPolicy DiscardPolicy { get; init; }

    /// <summary>Fault every page in before the guest starts.</summary>
    public bool Prealloc { get; init; }

    /// <summary>Threads that preallocate; 0: the number of host CPUs.</summary>
    public int PreallocThreads { get; init; }

    /// <summary>Allows <see cref="Prealloc"/> on a private file mapping, which copies every page.</summary>
    public bool ForcePrealloc { get; init; }

    /// <summary>False: MAP_NORESERVE.</summary>
    public bool Reserve { get; init; } = true;

    /// <summary>Host alignment of the mapping in bytes, a power of two; 0: the page size.</summary>
    public long Align { get; init; }

    /// <summary>MADV_MERGEABLE.</summary>
    public bool Merge { get; init; }

    /// <summary>False: MADV_DONTDUMP.</summary>
    public bool Dump { get; init; } = true;

    /// <summary>Host NUMA nodes for <see cref="NumaPolicy"/>.</summary>
    public IReadOnlyList<int> HostNodes { get; init => field = ValueList.Of(value); } = ValueList.Of<int>([]);

    /// <summary>NUMA placement, applied before preallocation.</summary>
    public NumaPolicy NumaPolicy { get; init; }

    /// <summary>
    /// The machine type whose defaults apply: <c>virt</c>, <c>virt-1.0</c>, <c>virt-1.1</c>, <c>virt-1.2</c>, <c>virt-1.3</c> or
    /// <c>virt-1.4</c>.
    /// </summary>
    public string MachineType { get; init; } = "virt";

    /// <summary>
    /// Maps a file although another backend has a lock that forbids it: two write it, or one reads what the other writes. Their guests must
    /// know of each other.
    /// </summary>
    public bool AllowSharedWriters { get; init; }

    /// <summary>Denies discards of private file memory for this backend; false: the policy decides.</summary>
    public bool DenyPrivateDiscard { get; init; }

    /// <summary>Lifts the policy for this backend. Nothing else does, and not together with <see cref="DenyPrivateDiscard"/>.</summary>
    public bool AllowPrivateDiscard { get; init; }
}
