using System.Diagnostics;
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
    private int _users = 1;

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

    /// <summary>The last who had it has disposed of it.</summary>
    public bool IsClosed => Volatile.Read(ref _users) == 0;

    /// <summary>Makes an unnamed file in memory, which nothing is run from.</summary>
    /// <remarks>Source: the kernel's admin-guide/sysctl/vm.rst, memfd_noexec: 2 refuses those that do not say so.</remarks>
    public static (RamFile? File, Errno Error) Memfd(string id)
    {
        int fd = LibC.MemfdCreate(id, LibC.MfdCloexec | LibC.MfdNoexecSeal);
        if (fd == -1 && Errors.Last == Errno.EINVAL)
        {
            fd = LibC.MemfdCreate(id, LibC.MfdCloexec); // before Linux 6.3 there is no such flag
        }

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

    /// <summary>Writes to its start.</summary>
    /// <remarks>Safety: the array is fixed for as long as the kernel reads it.</remarks>
    public unsafe Errno Write(byte[] bytes) => Retry.WhileInterrupted(() =>
    {
        fixed (byte* first = bytes)
        {
            return Syscall.pwrite(Fd, first, (ulong)bytes.Length, 0);
        }
    });

    /// <summary>Undoes what was done to the file system, for a backend that did not come to be.</summary>
    public void Abandon()
    {
        if (_grown && !_created && !RamFileLock.IsLockedByOthers(Fd))
        {
            _ = Syscall.ftruncate(Fd, 0);
        }

        UnlinkCreated();
        Dispose();
    }

    /// <summary>Takes the file's name away, if this backend made the file, it still has it, and nobody else has locked it by now.</summary>
    public void UnlinkCreated()
    {
        // Somebody else's file may have taken the name meanwhile.
        if (_unlinkOnFailure is { } path
            && Syscall.fstat(Fd, out var own) == 0 && Syscall.lstat(path, out var named) == 0
            && own.st_dev == named.st_dev && own.st_ino == named.st_ino && !RamFileLock.IsLockedByOthers(Fd))
        {
            _ = Syscall.unlink(path);
        }
    }

    /// <summary>Another descriptor of the open file.</summary>
    /// <exception cref="IOException">The process has too many.</exception>
    public SafeFileHandle Duplicate()
    {
        var fd = LibC.Fcntl(Fd, LibC.DuplicateCloexec, 0);
        return fd >= 0
            ? new SafeFileHandle(fd, ownsHandle: true)
            : throw new IOException($"F_DUPFD_CLOEXEC: {Errors.Describe(Errors.Last)}");
    }

    /// <summary>The file opened once more, to be written: locks are of an opening, and so not of this one.</summary>
    public SafeFileHandle Reopen()
    {
        int fd = LibC.Open($"/proc/self/fd/{Fd}", LibC.OpenReadWrite | LibC.OpenCloexec);
        return fd >= 0 ? new SafeFileHandle(fd, ownsHandle: true) : throw new IOException($"open: {Errors.Describe(Errors.Last)}");
    }

    /// <summary>Counts one more who has it, and disposes of it once.</summary>
    /// <returns>False: it is closed.</returns>
    public bool TryShare()
    {
        for (int users = Volatile.Read(ref _users); users > 0; users = Volatile.Read(ref _users))
        {
            if (Interlocked.CompareExchange(ref _users, users + 1, users) == users)
            {
                return true;
            }
        }

        return false;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Debug.Assert(!IsClosed, "disposed of more often than it was shared");
        if (Interlocked.Decrement(ref _users) == 0)
        {
            RamFileLock.Release(Fd);
            _ = Syscall.close(Fd);
            Fd = -1;
        }
    }
}
