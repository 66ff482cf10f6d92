namespace PsVm;

/// <summary>Which file it was, and in what state: what a template records to know its file again.</summary>
/// <param name="Device">Device number of the file system.</param>
/// <param name="Inode">Inode number.</param>
/// <param name="Size">Bytes.</param>
/// <param name="ModifiedNanoseconds">Time of the last change of content, in nanoseconds since 1970 (UTC).</param>
/// <param name="ChangedNanoseconds">
/// Time of the last change of content or of what the file system knows of the file, which nobody can set (st_ctime); 0: not known.
/// </param>
public readonly record struct FileIdentity(ulong Device, ulong Inode, long Size, long ModifiedNanoseconds, long ChangedNanoseconds = 0)
{
    /// <summary>The same file, whatever happened to its content.</summary>
    /// <param name="other">The file to compare with.</param>
    public bool IsSameFile(FileIdentity other) => Device == other.Device && Inode == other.Inode;
}
