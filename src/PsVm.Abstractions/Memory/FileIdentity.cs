namespace PsVm;

/// <summary>Which file it was, and in what state: what a template records to know its file again.</summary>
/// <param name="Device">Device number of the file system.</param>
/// <param name="Inode">Inode number.</param>
/// <param name="Size">Bytes.</param>
/// <param name="ModifiedNanoseconds">Time of the last change of content, in nanoseconds since 1970 (UTC).</param>
public readonly record struct FileIdentity(ulong Device, ulong Inode, long Size, long ModifiedNanoseconds)
{
    /// <summary>The same file, whatever happened to its content.</summary>
    /// <param name="other">The file to compare with.</param>
    public bool IsSameFile(FileIdentity other) => Device == other.Device && Inode == other.Inode;
}
