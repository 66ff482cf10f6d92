namespace PsVm.Memory.Native;

/// <summary>What the kernel says of a file (statx(2)).</summary>
/// <param name="Device">The device that the file system is on.</param>
/// <param name="Inode">Its number there.</param>
/// <param name="Mode">Type and permissions (<c>st_mode</c>).</param>
/// <param name="Links">Names that it has.</param>
/// <param name="User">Its owner.</param>
/// <param name="Group">Its group.</param>
/// <param name="OfDevice">The device that it stands for, where it is one.</param>
/// <param name="Size">Bytes.</param>
/// <param name="BlockSize">Bytes that are read and written best at once.</param>
/// <param name="Blocks">Units of 512 bytes that it takes.</param>
/// <param name="Accessed">When it was read.</param>
/// <param name="Modified">When its content was written.</param>
/// <param name="Changed">When anything of it was changed.</param>
public readonly record struct FileStatus(
    ulong Device,
    ulong Inode,
    uint Mode,
    uint Links,
    uint User,
    uint Group,
    ulong OfDevice,
    long Size,
    uint BlockSize,
    long Blocks,
    FileTime Accessed,
    FileTime Modified,
    FileTime Changed)
{
    private const uint TypeMask = 0xf000, Folder = 0x4000, Regular = 0x8000, Link = 0xa000;

    /// <summary>It is a folder.</summary>
    public bool IsFolder => (Mode & TypeMask) == Folder;

    /// <summary>It is a file with content.</summary>
    public bool IsRegular => (Mode & TypeMask) == Regular;

    /// <summary>It is a symbolic link.</summary>
    public bool IsLink => (Mode & TypeMask) == Link;

    internal static FileStatus Of(in LibC.StatxResult result) => new(
        Number(result.DeviceMajor, result.DeviceMinor),
        result.Inode,
        result.Mode,
        result.Links,
        result.User,
        result.Group,
        Number(result.OfDeviceMajor, result.OfDeviceMinor),
        result.Size,
        result.BlockSize,
        result.Blocks,
        new FileTime(result.Accessed.Seconds, result.Accessed.Nanoseconds),
        new FileTime(result.Modified.Seconds, result.Modified.Nanoseconds),
        new FileTime(result.Changed.Seconds, result.Changed.Nanoseconds));

    // As makedev(3) does.
    private static ulong Number(uint major, uint minor) =>
        (minor & 0xff) | ((ulong)(major & 0xfff) << 8) | ((ulong)(minor & ~0xffu) << 12) | ((ulong)(major & ~0xfffu) << 32);
}

/// <summary>A file's time.</summary>
/// <param name="Seconds">Since 1970.</param>
/// <param name="Nanoseconds">And of a second.</param>
public readonly record struct FileTime(long Seconds, long Nanoseconds)
{
    /// <summary>As it is.</summary>
    public static FileTime Kept => new(0, LibC.TimeOmit);

    /// <summary>Now.</summary>
    public static FileTime Now => new(0, LibC.TimeNow);
}

/// <summary>What the kernel says of a file system (statfs(2)).</summary>
/// <param name="BlockSize">Bytes of a block.</param>
/// <param name="Blocks">Blocks that it has.</param>
/// <param name="FreeBlocks">Those that are free.</param>
/// <param name="AvailableBlocks">Those that ordinary users can get of these.</param>
/// <param name="Files">Files that it may have.</param>
/// <param name="FreeFiles">Those that may be made yet.</param>
/// <param name="Id">Its number.</param>
/// <param name="NameLength">Bytes of the longest name.</param>
public readonly record struct FileSystemStatus(
    long BlockSize,
    ulong Blocks,
    ulong FreeBlocks,
    ulong AvailableBlocks,
    ulong Files,
    ulong FreeFiles,
    ulong Id,
    long NameLength);
