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

/// <summary>What stat(2) and statfs(2) say about a path or an open file.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="IsLink">The path itself is a symbolic link.</param>
/// <param name="Identity">Device, inode, size and time; default for what is missing.</param>
/// <param name="AllocatedBytes">Bytes it occupies on its file system.</param>
/// <param name="IsExecutable">Somebody may execute it.</param>
/// <param name="FileSystem">Its file system, or the one it would be created on; null when that is missing too.</param>
/// <param name="Error">Why it could not be looked at; 0 when it could, or is missing.</param>
internal sealed record FileFacts(
    FileKind Kind, bool IsLink, FileIdentity Identity, long AllocatedBytes, bool IsExecutable, FileSystemFacts? FileSystem, Errno Error)
{
    private const int StatBlockSize = 512;

    public long Size => Identity.Size;

    /// <summary>Looks at a path and changes nothing.</summary>
    public static FileFacts Of(string path)
    {
        var isLink = Syscall.lstat(path, out var link) == 0 && TypeOf(link) == FilePermissions.S_IFLNK;
        if (Syscall.stat(path, out var stat) == 0)
        {
            var error = Errors.Of(LibC.StatFs(path, out var statFs));
            return From(stat, isLink, error == 0 ? FileSystemFacts.From(statFs) : null, error);
        }

        var missing = new FileFacts(FileKind.Missing, isLink, default, 0, false, null, Errors.Last);
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
        var error = Errors.Of(Syscall.fstat(fd, out var stat));
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

    private static FileFacts From(in Stat stat, bool isLink, FileSystemFacts? fileSystem, Errno error)
    {
        const FilePermissions anyExecute = FilePermissions.S_IXUSR | FilePermissions.S_IXGRP | FilePermissions.S_IXOTH;
        var identity = new FileIdentity(stat.st_dev, stat.st_ino, stat.st_size, (stat.st_mtime * 1_000_000_000) + stat.st_mtime_nsec);
        return new(KindOf(stat), isLink, identity, stat.st_blocks * StatBlockSize, (stat.st_mode & anyExecute) != 0, fileSystem, error);
    }

    private static FilePermissions TypeOf(in Stat stat) => stat.st_mode & FilePermissions.S_IFMT;

    private static FileKind KindOf(in Stat stat) => TypeOf(stat) switch
    {
        FilePermissions.S_IFREG => FileKind.Regular,
        FilePermissions.S_IFDIR => FileKind.Directory,
        FilePermissions.S_IFIFO => FileKind.Fifo,
        FilePermissions.S_IFSOCK => FileKind.Socket,
        FilePermissions.S_IFCHR => FileKind.CharacterDevice,
        _ => FileKind.BlockDevice,
    };
}
