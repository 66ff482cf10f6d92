namespace PsVm;

/// <summary>A folder of the host's that a guest shares, as it was when asked.</summary>
public sealed record GuestSharedFolder
{
    /// <summary>Name of the guest.</summary>
    public required string Guest { get; init; }

    /// <summary>What the guest mounts it by, and its templates know it by.</summary>
    public required string Tag { get; init; }

    /// <summary>Full path of the folder; null: there is none in its slot, since the clone was given none, or it was taken.</summary>
    public string? Path { get; init; }

    /// <summary>The guest changes nothing in it.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>Whose the guest sees that files are.</summary>
    public SharedFolderOwners Owners { get; init; }

    /// <summary>Why it is as it is, in a line.</summary>
    public required string Reason { get; init; }

    /// <summary>What the guest has asked of it, of whatever kind.</summary>
    public long Requests { get; init; }

    /// <summary>Bytes that the guest has read.</summary>
    public long ReadBytes { get; init; }

    /// <summary>Bytes that the guest has written.</summary>
    public long WrittenBytes { get; init; }

    /// <summary>Requests that failed on the host's side: the file system is full or fails, or what the guest had open is gone.</summary>
    public long Failures { get; init; }

    /// <summary>How the last one failed; null: none has.</summary>
    public string? LastFailure { get; init; }

    /// <summary>What another guest is to be given to have the same folder; null: there is none.</summary>
    public GuestSharedFolderOptions? ToOptions() =>
        Path is null ? null : new() { Path = Path, Tag = Tag, ReadOnly = ReadOnly, Owners = Owners };

    /// <inheritdoc/>
    public override string ToString() => Tag;
}
