using Mono.Unix.Native;
using PsVm.Memory.Native;

namespace PsVm.Memory.Files;

/// <summary>What kind of thing a path names.</summary>
internal enum FileKind
{
    Missing,
    Regular,
    Directory,
    Fifo,
    Socket,
    CharacterDevice,
    BlockDevice,
}

/// <summary>What statx(2) and statfs(2) say about a path or an open file.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="IsLink">The path is a symbolic link to nothing.</param>
/// <param name="Identity">Device, inode, size and time; default for what is missing.</param>
/// <param name="AllocatedBytes">Bytes it occupies on its file system.</param>
/// <param name="IsExecutable">Somebody may execute it.</param>
/// <param name="FileSystem">Its file system, or the one it would be created on; null when that is missing too.</param>
/// <param name="Error">Why it could not be looked at; 0 when it could, or is missing.</param>
internal sealed record FileFacts(
    FileKind Kind, bool IsLink, FileIdentity Identity, long AllocatedBytes, bool IsExecutable, FileSystemFacts? FileSystem, Errno Error)
{
    private const int StatBlockSize = 512;
    private const long NanosecondsPerSecond = 1_000_000_000;

    public long Size => Identity.Size;

    /// <summary>Looks at a path and changes nothing.</summary>
    public static FileFacts Of(string path)
    {
        var unseen = LookAt(path, follow: true, out var stat);
        if (unseen == 0)
        {
            var error = Errors.Of(LibC.StatFs(path, out var statFs));
            return From(stat, false, error == 0 ? FileSystemFacts.From(statFs) : null, error);
        }

        var isLink = LookAt(path, follow: false, out var link) == 0 && TypeOf(link) == FilePermissions.S_IFLNK;
        var missing = new FileFacts(FileKind.Missing, isLink, default, 0, false, null, unseen);
        if (missing.Error != Errno.ENOENT)
        {
            return missing;
        }

        var directoryError = Errors.Of(LibC.StatFs(DirectoryOf(path), out var directory));
        return missing with { FileSystem = directoryError == 0 ? FileSystemFacts.From(directory) : null, Error = 0 };
    }

    /// <summary>Looks at an open file.</summary>
    public static FileFacts Of(int fd)
    {
        var error = LookAt(fd, out var stat);
        if (error == 0)
        {
            error = Errors.Of(LibC.FStatFs(fd, out var statFs));
            if (error == 0)
            {
                return From(stat, false, FileSystemFacts.From(statFs), 0);
            }
        }

        return new(FileKind.Missing, false, default, 0, false, null, error);
    }

    /// <summary>The directory that holds, or would hold, the path's last name.</summary>
    public static string DirectoryOf(string path) => Path.GetDirectoryName(path) ?? "/";

    private static FileFacts From(in LibC.StatxResult stat, bool isLink, FileSystemFacts? fileSystem, Errno error)
    {
        const FilePermissions anyExecute = FilePermissions.S_IXUSR | FilePermissions.S_IXGRP | FilePermissions.S_IXOTH;
        return new(
            KindOf(stat),
            isLink,
            IdentityOf(stat),
            stat.Blocks * StatBlockSize,
            ((FilePermissions)stat.Mode & anyExecute) != 0,
            fileSystem,
            error);
    }

    /// <summary>Which regular file a path names. Asks for less than <see cref="Of(string)"/>: starts of guests ask often.</summary>
    /// <param name="path">The path.</param>
    /// <param name="follow">It may be a symbolic link to the file.</param>
    public static FileIdentity? Identify(string path, bool follow = true) =>
        LookAt(path, follow, out var stat) == 0 && KindOf(stat) == FileKind.Regular ? IdentityOf(stat) : null;

    /// <summary>What a path names, be it what it may; null: nothing, or it cannot be looked at.</summary>
    public static FileIdentity? IdentifyAny(string path) => LookAt(path, follow: true, out var stat) == 0 ? IdentityOf(stat) : null;

    /// <summary>Which regular file is open.</summary>
    public static FileIdentity? Identify(int fd) =>
        LookAt(fd, out var stat) == 0 && KindOf(stat) == FileKind.Regular ? IdentityOf(stat) : null;

    private static Errno LookAt(string path, bool follow, out LibC.StatxResult stat) =>
        Errors.Of(LibC.Statx(LibC.AtFdCwd, path, follow ? 0 : LibC.AtSymlinkNoFollow, LibC.StatxBasicStats, out stat));

    private static Errno LookAt(int fd, out LibC.StatxResult stat) =>
        Errors.Of(LibC.Statx(fd, string.Empty, LibC.AtEmptyPath, LibC.StatxBasicStats, out stat));

    private static FileIdentity IdentityOf(in LibC.StatxResult stat) => new(
        DeviceOf(stat.DeviceMajor, stat.DeviceMinor),
        stat.Inode,
        stat.Size,
        (stat.Modified.Seconds * NanosecondsPerSecond) + stat.Modified.Nanoseconds,
        (stat.Changed.Seconds * NanosecondsPerSecond) + stat.Changed.Nanoseconds);

    /// <summary>The number of a device, as stat(2) tells it (makedev(3)).</summary>
    private static ulong DeviceOf(ulong major, ulong minor) =>
        ((major & 0xffff_f000) << 32) | ((major & 0xfff) << 8) | ((minor & 0xffff_ff00) << 12) | (minor & 0xff);

    private static FilePermissions TypeOf(in LibC.StatxResult stat) => (FilePermissions)stat.Mode & FilePermissions.S_IFMT;

    private static FileKind KindOf(in LibC.StatxResult stat) => TypeOf(stat) switch
    {
        FilePermissions.S_IFREG => FileKind.Regular,
        FilePermissions.S_IFDIR => FileKind.Directory,
        FilePermissions.S_IFIFO => FileKind.Fifo,
        FilePermissions.S_IFSOCK => FileKind.Socket,
        FilePermissions.S_IFCHR => FileKind.CharacterDevice,
        _ => FileKind.BlockDevice,
    };
}
