using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Memory.Copying;
using PsVm.Memory.Mapping;
using PsVm.Memory.Native;

namespace PsVm.Memory.Files;

/// <summary>
/// An open image of a disk, locked as RAM files are: who writes it has it alone, and who reads it keeps writers off. Safe from any thread.
/// </summary>
public sealed class DiskFile : IDisposable
{
    /// <summary>Bytes of a sector, of which an image has a whole number.</summary>
    public const int SectorSize = 512;

    private readonly SafeFileHandle _file;

    private DiskFile(SafeFileHandle file, string path, FileIdentity identity, bool isWritable) =>
        (_file, Path, Identity, IsWritable) = (file, path, identity, isWritable);

    /// <summary>The path that it was opened by.</summary>
    public string Path { get; }

    /// <summary>Which file it was when it was opened; its size is the disk's.</summary>
    public FileIdentity Identity { get; }

    /// <summary>Which file it is now; null: it cannot be looked at.</summary>
    public FileIdentity? Now => FileFacts.Identify(Descriptor);

    /// <summary>It is open for writing.</summary>
    public bool IsWritable { get; }

    private int Descriptor => (int)_file.DangerousGetHandle();

    /// <summary>Opens an image and locks it.</summary>
    /// <param name="path">Its full path.</param>
    /// <param name="write">It is to be written.</param>
    /// <exception cref="GuestException">
    /// <see cref="GuestErrorIds.DiskNotFound"/>, <see cref="GuestErrorIds.DiskNotOpened"/>, <see cref="GuestErrorIds.DiskSizeInvalid"/>,
    /// <see cref="GuestErrorIds.DiskInUse"/>.
    /// </exception>
    public static DiskFile Open(string path, bool write)
    {
        // A FIFO would have whoever opens it wait.
        int fd = Syscall.open(path, (write ? OpenFlags.O_RDWR : OpenFlags.O_RDONLY) | OpenFlags.O_CLOEXEC | OpenFlags.O_NONBLOCK);
        if (fd < 0)
        {
            throw NotOpened(path, write, Errors.Last);
        }

        SafeFileHandle file = new(fd, ownsHandle: true);
        try
        {
            if (FileFacts.Identify(fd) is not { } identity)
            {
                throw new GuestException(
                    GuestErrorIds.DiskNotOpened,
                    $"Expected at '{path}' a raw image of a disk, found no regular file.",
                    path,
                    "Name a regular file.");
            }

            if (identity.Size == 0 || identity.Size % SectorSize != 0)
            {
                throw new GuestException(
                    GuestErrorIds.DiskSizeInvalid,
                    $"Expected of '{path}' a size of whole sectors of {SectorSize} bytes, found {ByteSize.ToExactText(identity.Size)}.",
                    path,
                    "Is it a raw image? If so, bring it to a multiple of 512 bytes with truncate -s.");
            }

            Lock(path, fd, identity, write);
            return new DiskFile(file, path, identity, write);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Takes an open file that is read and never written, and locks it.</summary>
    /// <param name="file">The file, this object's from now on.</param>
    /// <param name="path">Its path.</param>
    /// <exception cref="GuestException">
    /// Somebody writes it (<see cref="GuestErrorIds.DiskInUse"/>), or it is none; it is closed.
    /// </exception>
    public static DiskFile Take(SafeFileHandle file, string path)
    {
        ArgumentNullException.ThrowIfNull(file);
        try
        {
            int fd = (int)file.DangerousGetHandle();
            FileIdentity identity = FileFacts.Identify(fd) ?? throw NotOpened(path, write: false, Errno.EINVAL);
            Lock(path, fd, identity, write: false);
            return new DiskFile(file, path, identity, isWritable: false);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Opens the file of an overlay, to write it alone; where there is none, it is made, empty.</summary>
    /// <param name="path">Its full path.</param>
    /// <param name="isNew">It was made.</param>
    /// <exception cref="GuestException">
    /// <see cref="GuestErrorIds.DiskOverlayNotOpened"/>, <see cref="GuestErrorIds.DiskInUse"/>.
    /// </exception>
    public static DiskFile OpenOverlay(string path, out bool isNew)
    {
        const OpenFlags flags = OpenFlags.O_RDWR | OpenFlags.O_CLOEXEC | OpenFlags.O_NONBLOCK;
        const FilePermissions own = FilePermissions.S_IRUSR | FilePermissions.S_IWUSR; // what a guest wrote is nobody else's
        int fd = Syscall.open(path, flags | OpenFlags.O_CREAT | OpenFlags.O_EXCL, own);
        isNew = fd >= 0;
        return TakeOverlay(path, isNew || Errors.Last != Errno.EEXIST ? fd : Syscall.open(path, flags));
    }

    /// <summary>Finds out whether <see cref="OpenOverlay"/> would open or make one; nothing changes.</summary>
    /// <returns>The file; null: there is none, and one can be made.</returns>
    /// <exception cref="GuestException">
    /// <see cref="GuestErrorIds.DiskOverlayNotOpened"/>, <see cref="GuestErrorIds.DiskInUse"/>.
    /// </exception>
    public static DiskFile? CheckOverlay(string path)
    {
        int fd = Syscall.open(path, OpenFlags.O_RDWR | OpenFlags.O_CLOEXEC | OpenFlags.O_NONBLOCK);
        string folder = System.IO.Path.GetDirectoryName(path)!;
        return fd < 0 && Errors.Last == Errno.ENOENT
            && LibC.FAccessAt(LibC.AtFdCwd, folder, LibC.WriteOk | LibC.ExecuteOk, LibC.AtEAccess) == 0
            ? null
            : TakeOverlay(path, fd);
    }

    private static DiskFile TakeOverlay(string path, int fd)
    {
        if (fd < 0)
        {
            throw new GuestException(
                GuestErrorIds.DiskOverlayNotOpened,
                $"Expected to write the overlay '{path}', found: {Errors.Describe(Errors.Last)}.",
                path,
                "Name a file in a folder that this user may write to.");
        }

        SafeFileHandle file = new(fd, ownsHandle: true);
        try
        {
            if (FileFacts.Identify(fd) is not { } identity)
            {
                throw new GuestException(
                    GuestErrorIds.DiskOverlayNotOpened,
                    $"Expected at '{path}' the file of an overlay, found no regular file.",
                    path,
                    "Name a regular file.");
            }

            RamFileLock wanted = new(true, 0, 1);
            if (wanted.Take(fd).Result == LockResult.InUse)
            {
                throw new GuestException(
                    GuestErrorIds.DiskInUse,
                    $"Expected an overlay that nobody else has, found that {FileErrors.Holder(wanted.FindHolder(identity, fd))} has "
                        + $"'{path}' locked.",
                    path,
                    "Give each guest an overlay of its own.");
            }

            return new DiskFile(file, path, identity, isWritable: true);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The same file open for writing, and locked for that, in place of this one's lock, which comes back when the other is disposed of by
    /// <see cref="TakeBack"/>.
    /// </summary>
    /// <exception cref="GuestException">Somebody else has the image, or it may not be written.</exception>
    public DiskFile HandOut()
    {
        int fd = Syscall.open($"/proc/self/fd/{Descriptor}", OpenFlags.O_RDWR | OpenFlags.O_CLOEXEC);
        if (fd < 0)
        {
            throw NotOpened(Path, write: true, Errors.Last);
        }

        SafeFileHandle file = new(fd, ownsHandle: true);
        RamFileLock reads = new(false, 0, Identity.Size), writes = new(true, 0, Identity.Size);
        try
        {
            if (writes.Probe(Descriptor).Result == LockResult.InUse)
            {
                throw InUse(writes);
            }

            RamFileLock.Release(Descriptor);
            if (writes.Take(fd).Result == LockResult.InUse)
            {
                _ = reads.Take(Descriptor);
                throw InUse(writes);
            }

            return new DiskFile(file, Path, Identity, isWritable: true);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Closes what <see cref="HandOut"/> gave; this one has its lock again, and nobody can come between.</summary>
    public void TakeBack(DiskFile writer)
    {
        RamFileLock reads = new(false, 0, Identity.Size);
        _ = reads.Take(writer.Descriptor);
        _ = reads.Take(Descriptor);
        writer.Dispose();
    }

    /// <summary>What its content is known by, as that of RAM files; reads all of it that is no hole.</summary>
    public string Digest(CancellationToken cancellation) => RamDigest.Of(_file, cancellation);

    /// <summary>Reads.</summary>
    /// <exception cref="IOException">It cannot be read, or has become too short.</exception>
    public void Read(long offset, Span<byte> to)
    {
        while (!to.IsEmpty)
        {
            int count = RandomAccess.Read(_file, to, offset);
            if (count == 0)
            {
                throw new IOException($"'{Path}' ends at {offset}, where {to.Length} bytes more were expected: it has shrunk");
            }

            to = to[count..];
            offset += count;
        }
    }

    /// <summary>Reads what the kernel has in memory, without waiting for a disk (preadv2(2), RWF_NOWAIT).</summary>
    /// <returns>False: not all of it is there.</returns>
    /// <remarks>Safety: the span is pinned and the descriptor held for the call.</remarks>
    public unsafe bool TryReadNow(long offset, Span<byte> to)
    {
        bool isHeld = false;
        try
        {
            _file.DangerousAddRef(ref isHeld);
            fixed (byte* start = to)
            {
                LibC.IoVector vector = new() { Start = (ulong)start, Length = (ulong)to.Length };
                return LibC.PReadV2(Descriptor, &vector, 1, offset, LibC.ReadNoWait) == to.Length;
            }
        }
        finally
        {
            if (isHeld)
            {
                _file.DangerousRelease();
            }
        }
    }

    /// <summary>Writes.</summary>
    /// <exception cref="IOException">It cannot be written: its file system is full, for one.</exception>
    public void Write(long offset, ReadOnlySpan<byte> from) => RandomAccess.Write(_file, from, offset);

    /// <summary>Returns when all that was written is on the disk (fsync(2)).</summary>
    /// <exception cref="IOException">It is not.</exception>
    public void Flush() => RandomAccess.FlushToDisk(_file);

    /// <summary>Returns when the content is on the disk, and of what describes the file what it takes to read it (fdatasync(2)).</summary>
    /// <exception cref="IOException">It is not.</exception>
    public void FlushData()
    {
        Errno error = Retry.WhileInterrupted(() => Syscall.fdatasync(Descriptor));
        if (error != 0)
        {
            throw new IOException($"fdatasync: {Errors.Describe(error)}", (int)error);
        }
    }

    /// <summary>Gives it another length; what is added reads zeros and takes no room.</summary>
    /// <exception cref="IOException">It cannot.</exception>
    public void SetLength(long length) => RandomAccess.SetLength(_file, length);

    /// <summary>Has room kept for a range, where the file system can (fallocate(2)).</summary>
    /// <exception cref="IOException">There is none.</exception>
    public void Allocate(long offset, long length) => TryAllocate(0, offset, length);

    /// <summary>Gives back the blocks of a range, which reads zeros then (fallocate(2)).</summary>
    /// <returns>False: the file system cannot.</returns>
    /// <exception cref="IOException">It failed.</exception>
    public bool TryPunch(long offset, long length) => TryAllocate(LibC.FallocPunchHole, offset, length);

    /// <summary>Has a range read zeros, its blocks kept (fallocate(2)).</summary>
    /// <returns>False: the file system cannot.</returns>
    /// <exception cref="IOException">It failed.</exception>
    public bool TryZero(long offset, long length) => TryAllocate(LibC.FallocZeroRange, offset, length);

    /// <summary>Lets another file have the same blocks at a range (ioctl_ficlonerange(2)).</summary>
    /// <param name="range">The range.</param>
    /// <param name="target">The other file.</param>
    /// <param name="offset">Where in it.</param>
    /// <returns>False: the file system cannot, and nothing has changed.</returns>
    public bool TryShare(PageRange range, SafeFileHandle target, long offset) => SparseFile.TryClone(Descriptor, range, target, offset);

    /// <summary>Who may do what with it, as its permissions are now.</summary>
    public FilePermissions Mode => Syscall.fstat(Descriptor, out Stat stat) == 0 ? stat.st_mode & FilePermissions.ACCESSPERMS : 0;

    /// <summary>Ends its locks and closes it.</summary>
    public void Dispose()
    {
        if (!_file.IsClosed)
        {
            // A program that is being started has a copy of the descriptor until it runs.
            RamFileLock.Release(Descriptor);
        }

        _file.Dispose();
    }

    private bool TryAllocate(int mode, long offset, long length)
    {
        Errno error = Retry.WhileInterrupted(() => LibC.Fallocate(Descriptor, mode | LibC.FallocKeepSize, offset, length));
        return error switch
        {
            0 => true,
            Errno.EOPNOTSUPP or Errno.ENOSYS => false,
            _ => throw new IOException($"fallocate: {Errors.Describe(error)}", (int)error),
        };
    }

    private static void Lock(string path, int fd, FileIdentity identity, bool write)
    {
        RamFileLock wanted = new(write, 0, identity.Size);
        if (wanted.Take(fd).Result == LockResult.InUse)
        {
            throw InUse(path, fd, identity, wanted);
        }
    }

    private GuestException InUse(RamFileLock wanted) => InUse(Path, Descriptor, Identity, wanted);

    private static GuestException InUse(string path, int fd, FileIdentity identity, RamFileLock wanted) => new(
        GuestErrorIds.DiskInUse,
        $"Expected that nobody else {(wanted.Exclusive ? "has" : "writes")} the disk image '{path}', found that "
        + $"{FileErrors.Holder(wanted.FindHolder(identity, fd))} has it locked.",
        path,
        wanted.Exclusive ? "Use an overlay, or ReadOnly where the other only reads, another image, or stop the other first."
            : "Stop who writes it first, or use another image.");

    private static GuestException NotOpened(string path, bool write, Errno error)
    {
        if (error is Errno.ENOENT or Errno.ENOTDIR)
        {
            return new GuestException(
                GuestErrorIds.DiskNotFound,
                $"Expected a disk image at '{path}', found no such file.",
                path,
                "Make one with truncate -s SIZE, or name another.");
        }

        BackendError found = FileErrors.ForOpen(
            new FileOpening(error),
            path,
            write,
            isDanglingLink: false,
            write ? "Use an overlay in memory, which leaves the image as it is, or ReadOnly." : null);
        return new GuestException(GuestErrorIds.DiskNotOpened, found.Message, path, found.RecommendedAction);
    }
}
