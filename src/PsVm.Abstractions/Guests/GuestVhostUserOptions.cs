namespace PsVm;

/// <summary>What an operator asks of a device of a guest whose work another process does (vhost-user): a shared folder or a disk.</summary>
/// <remarks>
/// The process maps the guest's memory, so all of that has to be shared (memory-backends rules, section 6). Either it is there and listens
/// at <see cref="Socket"/>, or it is started for the guest on <see cref="Path"/>, and again when it ends.
/// </remarks>
public sealed record GuestVhostUserOptions
{
    /// <summary>What the guest gets.</summary>
    public required VhostUserKind Kind { get; init; }

    /// <summary>
    /// What the guest mounts the folder by, and operators know the device by: 1 to 36 letters, digits, <c>-._</c>; null: <c>vhost0</c> and
    /// so on.
    /// </summary>
    public string? Tag { get; init; }

    /// <summary>The socket at which a daemon listens; null: one is started.</summary>
    public string? Socket { get; init; }

    /// <summary>The folder, or the image, on which a daemon is started; null: there is one at <see cref="Socket"/>.</summary>
    public string? Path { get; init; }

    /// <summary>The image's format, by QEMU's name for it; null: qcow2.</summary>
    public string? Format { get; init; }

    /// <summary>
    /// The guest cannot write the disk; null or false: it can. Folders are not taken read-only: their daemons differ in that.
    /// </summary>
    public bool ReadOnly { get; init; }

    /// <summary>The program that is started; null: virtiofsd or qemu-storage-daemon, where systems have them.</summary>
    public string? Daemon { get; init; }

    /// <summary>More arguments for it, such as <c>-o</c> and <c>cache=always</c>.</summary>
    public IReadOnlyList<string> Arguments { get; init => field = ValueList.Of(value); } = ValueList.Of<string>([]);
}

/// <summary>What a process does for a guest by vhost-user.</summary>
public enum VhostUserKind
{
    /// <summary>A shared folder (virtiofs), as virtiofsd has.</summary>
    FileSystem,

    /// <summary>A disk, as an export of type vhost-user-blk of qemu-storage-daemon.</summary>
    Block,
}
