using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Memory.Native;

namespace PsVm.Memory.Files;

/// <summary>The open file behind a backend.</summary>
internal sealed class RamFile : IDisposable
{
    private readonly string? _unlinkOnFailure;
    private readonly bool _created;
    private bool _grown;

    /// <param name="fd">Owned from here on.</param>
    /// <param name="created">This backend made the file.</param>
    /// <param name="unlinkOnFailure">The name that the file was created with and still has; null for none.</param>
    public RamFile(int fd, bool created, string? unlinkOnFailure)
    {
        Fd = fd;
        _created = created;
        _unlinkOnFailure = unlinkOnFailure;
    }

    public int Fd { get; private set; }

    /// <summary>Makes an unnamed file in memory.</summary>
    public static (RamFile? File, Errno Error) Memfd(string id)
    {
        var fd = LibC.MemfdCreate(id, LibC.MfdCloexec);
        return fd == -1 ? (null, Errors.Last) : (new RamFile(fd, created: true, unlinkOnFailure: null), 0);
    }

    /// <summary>Grows an empty file.</summary>
    public Errno Grow(long length)
    {
        var error = Retry.WhileInterrupted(() => Syscall.ftruncate(Fd, length));
        _grown = error == 0;
        return error;
    }

    /// <summary>Allocates blocks for a range.</summary>
    public Errno Allocate(long offset, long length) => Retry.WhileInterrupted(() => LibC.Fallocate(Fd, 0, offset, length));

    /// <summary>Undoes what was done to the file system, for a backend that did not come to be.</summary>
    public void Abandon()
    {
        if (_grown && !_created)
        {
            _ = Syscall.ftruncate(Fd, 0);
        }

        UnlinkCreated();
        Dispose();
    }

    /// <summary>Takes the file's name away, if this backend made the file and it still has it.</summary>
    public void UnlinkCreated()
    {
        // Somebody else's file may have taken the name meanwhile.
        if (_unlinkOnFailure is { } path
            && Syscall.fstat(Fd, out var own) == 0 && Syscall.lstat(path, out var named) == 0
            && own.st_dev == named.st_dev && own.st_ino == named.st_ino)
        {
            _ = Syscall.unlink(path);
        }
    }

    /// <summary>Another descriptor of the open file.</summary>
    /// <exception cref="IOException">The process has too many.</exception>
    public SafeFileHandle Duplicate()
    {
        var fd = LibC.Fcntl(Fd, LibC.DuplicateCloexec, 0);
        return fd >= 0 ? new SafeFileHandle(fd, ownsHandle: true) : throw new IOException($"F_DUPFD_CLOEXEC: {Errors.Describe(Errors.Last)}");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Fd >= 0)
        {
            _ = Syscall.close(Fd);
            Fd = -1;
        }
    }
}
