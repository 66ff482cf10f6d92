namespace PsVm;

/// <summary>Something an operator should know that is not an error.</summary>
/// <param name="Id">Stable id of the cause.</param>
/// <param name="Message">What was found and what follows from it.</param>
public sealed record BackendWarning(string Id, string Message)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Id}: {Message}";
}

/// <summary>What a <see cref="BackendReport"/> foretells and a <see cref="MappingOutcome"/> repeats in the same words.</summary>
/// <remarks>Source: memory-backends rules, section 8. Sizes and offsets are bytes.</remarks>
public record BackendDescription
{
    /// <summary>The file or directory; null without one.</summary>
    public string? Path { get; init; }

    /// <summary>What backs the RAM.</summary>
    public BackendKind Kind { get; init; }

    /// <summary>Bytes mapped.</summary>
    public long Size { get; init; }

    /// <summary>Bytes into the file.</summary>
    public long Offset { get; init; }

    /// <summary>MAP_SHARED or MAP_PRIVATE.</summary>
    public bool Share { get; init; }

    /// <summary>The memory is ROM.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>How the guest has the memory, in words: <c>shared</c> or <c>private</c>, and <c>ROM</c> when it may not write it.</summary>
    public string Mapping => $"{(Share ? "shared" : "private")}{(ReadOnly ? " ROM" : string.Empty)}";

    /// <summary>The mode that was asked for.</summary>
    public FileAccessMode RequestedMode { get; init; }

    /// <summary>The file system's name, such as <c>ext4</c>, <c>tmpfs</c> or <c>hugetlbfs</c>; null without a file.</summary>
    public string? FileSystem { get; init; }

    /// <summary>Backing page size in bytes.</summary>
    public long PageSize { get; init; }

    /// <summary>The backing pages are huge pages from hugetlbfs.</summary>
    public bool HugeTlb { get; init; }

    /// <summary>Flags of open(2), such as <c>O_RDONLY, O_CLOEXEC</c>.</summary>
    public string OpenFlags { get; init; } = string.Empty;

    /// <summary>Protection of mmap(2), such as <c>PROT_READ, PROT_WRITE</c>.</summary>
    public string Protection { get; init; } = string.Empty;

    /// <summary>Flags of mmap(2), such as <c>MAP_PRIVATE, MAP_FIXED</c>.</summary>
    public string MapFlags { get; init; } = string.Empty;

    /// <summary>The discard policy that was asked for.</summary>
    public DiscardPolicy RequestedDiscardPolicy { get; init; }

    /// <summary>Every page was faulted in.</summary>
    public bool Prealloc { get; init; }

    /// <summary>Warnings, each with a stable id.</summary>
    public IReadOnlyList<BackendWarning> Warnings { get; init => field = ValueList.Of(value); } = ValueList.Of<BackendWarning>([]);
}
