using Mono.Unix.Native;
using PsVm.Memory.Native;

namespace PsVm.Memory.Files;

/// <summary>Opens files for real.</summary>
internal sealed class FileOpener : IFileOpener
{
    private const FilePermissions ReadableByAll =
        FilePermissions.S_IRUSR | FilePermissions.S_IWUSR | FilePermissions.S_IRGRP | FilePermissions.S_IROTH;

    private const OpenFlags CreateFlags = OpenFlags.O_RDWR | OpenFlags.O_CREAT | OpenFlags.O_EXCL | OpenFlags.O_CLOEXEC;

    public FileOpening Open(string path, bool write) =>
        Attempt(LibC.Open(path, (write ? LibC.OpenReadWrite : LibC.OpenReadOnly) | LibC.OpenCloexec), creating: false);

    public FileOpening Create(string path) => Attempt(Syscall.open(path, CreateFlags, ReadableByAll), creating: true);

    public FileOpening CreateUnlinked(string directory)
    {
        // O_TMPFILE would do in one call, but hugetlbfs has it on newer kernels only.
        var path = Path.Combine(directory, $".psvm-ram-{Guid.NewGuid():n}");
        var opening = Attempt(Syscall.open(path, CreateFlags, FilePermissions.S_IRUSR | FilePermissions.S_IWUSR), creating: true);
        if (opening.Error == 0 && Errors.Of(Syscall.unlink(path)) is var error and not 0)
        {
            _ = Syscall.close(opening.Fd);
            return new(error, Creating: true);
        }

        return opening;
    }

    public (LockResult Result, Errno Error) Lock(string path, int fd, RamFileLock wanted) => wanted.Take(fd);

    private static FileOpening Attempt(int fd, bool creating) => new(Errors.Of(fd), fd, creating);
}
