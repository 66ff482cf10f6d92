namespace PsVm;

/// <summary>A device of a guest whose work another process does, as it was when asked.</summary>
public sealed record GuestVhostUser
{
    /// <summary>What the guest mounts it by, and operators know it by.</summary>
    public required string Tag { get; init; }

    /// <summary>What the guest has.</summary>
    public VhostUserKind Kind { get; init; }

    /// <summary>Full path of the folder, the image or the socket.</summary>
    public required string Path { get; init; }

    /// <summary>The daemon is there; without it the guest's requests wait.</summary>
    public bool Connected { get; init; }

    /// <summary>The daemon's process, when this host started it; null: it did not, or the daemon does not run.</summary>
    public int? ProcessId { get; init; }

    /// <summary>How often the daemon was lost.</summary>
    public int Losses { get; init; }

    /// <summary>Why it was lost last, or could not be had; null: all is well.</summary>
    public string? LastFailure { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Tag;
}
