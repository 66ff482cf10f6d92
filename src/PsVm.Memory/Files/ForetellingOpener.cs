using Mono.Unix.Native;
using PsVm.Memory.Native;

namespace PsVm.Memory.Files;

/// <summary>Foretells how opening would go, from what can be asked without opening anything for writing.</summary>
internal sealed class ForetellingOpener : IFileOpener
{
    public FileOpening Open(string path, bool write)
    {
        var error = Access(path, write ? LibC.ReadOk | LibC.WriteOk : LibC.ReadOk);
        if (error == 0 && write)
        {
            error = IsProtected(path) ? Errno.EPERM : IsRunning(FileFacts.Of(path)) ? Errno.ETXTBSY : 0;
        }

        return new(error);
    }

    public FileOpening Create(string path) =>
        new(Syscall.lstat(path, out _) == 0 ? Errno.EEXIST : CreateIn(FileFacts.DirectoryOf(path)), Creating: true);

    public FileOpening CreateUnlinked(string directory) => new(CreateIn(directory), Creating: true);

    public (LockResult Result, Errno Error) Lock(string path, int fd, RamFileLock wanted)
    {
        var own = Syscall.open(path, OpenFlags.O_RDONLY | OpenFlags.O_NONBLOCK | OpenFlags.O_CLOEXEC);
        if (own < 0)
        {
            // Gone meanwhile; what could be opened is what this foretells.
            return (LockResult.Free, 0);
        }

        var result = wanted.Probe(own);
        _ = Syscall.close(own);
        return result;
    }

    private static Errno CreateIn(string directory) => Access(directory, LibC.WriteOk | LibC.ExecuteOk);

    private static Errno Access(string path, int mode) => Errors.Of(LibC.FAccessAt(LibC.AtFdCwd, path, mode, LibC.AtEAccess));

    // access(2) does not know of append-only files and of fs-verity; open(2) refuses both for writing.
    private static bool IsProtected(string path) =>
        LibC.Statx(LibC.AtFdCwd, path, 0, 0, out var result) == 0
        && (result.Attributes & (LibC.StatxAttrImmutable | LibC.StatxAttrAppend | LibC.StatxAttrVerity)) != 0;

    // Nothing but an attempt to write tells that a file is being executed, so look who executes what.
    private static bool IsRunning(FileFacts file)
    {
        if (!file.IsExecutable)
        {
            return false;
        }

        return Directory.EnumerateDirectories("/proc")
            .Where(process => char.IsAsciiDigit(Path.GetFileName(process)[0]))
            .Any(process => Syscall.stat(Path.Combine(process, "exe"), out var stat) == 0
                && stat.st_dev == file.Identity.Device && stat.st_ino == file.Identity.Inode);
    }
}
