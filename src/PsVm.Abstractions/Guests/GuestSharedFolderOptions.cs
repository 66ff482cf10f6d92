namespace PsVm;

/// <summary>
/// What an operator asks of a folder of the host's that a guest shares, by 9P over virtio. The guest's memory may be of any kind.
/// </summary>
public sealed record GuestSharedFolderOptions
{
    /// <summary>The folder.</summary>
    public required string Path { get; init; }

    /// <summary>
    /// What the guest mounts it by, and its templates know it by: 1 to 31 letters, digits, <c>-._</c>; null: <c>folder0</c> and so on, by
    /// its place.
    /// </summary>
    public string? Tag { get; init; }

    /// <summary>The guest changes nothing in the folder; else it reads and writes.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>Whose the guest sees that files are.</summary>
    public SharedFolderOwners Owners { get; init; }
}

/// <summary>
/// Whose a guest sees that files of a shared folder are. Whatever it says, what the guest does is done as who runs the host's process: it
/// reads and writes what that may, and what it makes belongs to that.
/// </summary>
public enum SharedFolderOwners
{
    /// <summary>
    /// Who they belong to on the host, by the same numbers; the guest gives files to others where the host's process may.
    /// </summary>
    Host,

    /// <summary>The guest's root; to give one to anybody else is refused.</summary>
    Root,
}
