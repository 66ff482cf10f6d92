using System.Globalization;
using Mono.Unix.Native;
using PsVm.Memory.Native;

namespace PsVm.Memory.Files;

/// <summary>How an attempt to lock a file's range went.</summary>
internal enum LockResult
{
    /// <summary>The range is locked, or could be.</summary>
    Free,

    /// <summary>Somebody has a lock that forbids it.</summary>
    InUse,

    /// <summary>The file system has no such locks.</summary>
    Unavailable,
}

/// <summary>
/// The advisory lock on the range of a file that guest RAM is mapped from: exclusive for who writes the file through a shared mapping,
/// shared for all others (memory-backends rules, section 3). An open file description lock (fcntl_locking(2), Linux 3.15): it belongs to
/// the open file and its duplicates, ends with the last of them, and counts between backends of one process, too. Whoever is let in
/// beside a lock that forbids it leaves a mark instead: a shared lock of bytes far behind the file's, one stretch for those who write.
/// </summary>
/// <param name="Exclusive">Whoever has it writes the file.</param>
/// <param name="Offset">First byte.</param>
/// <param name="Length">Bytes.</param>
internal readonly record struct RamFileLock(bool Exclusive, long Offset, long Length)
{
    // Where marks begin; no file system has files that reach there.
    private const long ReaderMarks = 1L << 61;
    private const long WriterMarks = 1L << 62;

    // The length of all that there may be, as fcntl_locking(2) has it.
    private const long ToEnd = 0;

    /// <summary>What to lock when others are let in and this lock cannot be had, so that whoever comes later learns of it.</summary>
    public RamFileLock Mark => new(false, Offset + (Exclusive ? WriterMarks : ReaderMarks), Length);

    /// <summary>
    /// Marks that forbid this lock, as locks that conflict with them: those of writers, and of readers too when this one writes.
    /// </summary>
    private RamFileLock[] ForbiddingMarks
    {
        get
        {
            RamFileLock writers = new(true, Offset + WriterMarks, Length);
            return Exclusive ? [writers, writers with { Offset = Offset + ReaderMarks }] : [writers];
        }
    }

    /// <summary>Whether somebody else has locked or marked any part of an open file: it is theirs, too.</summary>
    public static bool IsLockedByOthers(int fd) => new RamFileLock(true, 0, ToEnd).ProbeRange(fd).Result == LockResult.InUse;

    /// <summary>Whether somebody else was let in beside a lock that is held like this one, and has left a mark that forbids it.</summary>
    public bool IsMarkedAgainst(int fd) => Array.Exists(ForbiddingMarks, mark => mark.ProbeRange(fd).Result == LockResult.InUse);

    public static RamFileLock For(MemoryBackendOptions options) =>
        new(options is { Share: true, ReadOnly: false }, options.Offset, options.Size);

    public bool ConflictsWith(RamFileLock other) =>
        (Exclusive || other.Exclusive) && Offset < other.Offset + other.Length && other.Offset < Offset + Length;

    /// <summary>Locks an open file, or makes the lock that it has this one.</summary>
    public (LockResult Result, Errno Error) Take(int fd)
    {
        LibC.FileLock wanted = ToKernel();
        (LockResult Result, Errno Error) taken = Judge(Errors.Of(LibC.FcntlLock(fd, LibC.OfdSetLock, ref wanted)), false);

        // Looked at after the lock is there, as marks are left after one was seen: of two at one time at least one sees the other.
        return taken.Result == LockResult.Free && IsMarkedAgainst(fd) ? (LockResult.InUse, 0) : taken;
    }

    /// <summary>
    /// Takes all locks and marks of an open file away, from copies of the descriptor too, which a process that another thread is starting
    /// just now has.
    /// </summary>
    public static void Release(int fd)
    {
        LibC.FileLock none = new() { Type = LibC.Unlock, Length = ToEnd };
        _ = LibC.FcntlLock(fd, LibC.OfdSetLock, ref none);
    }

    /// <summary>
    /// Whether an open file could be locked. Locks nothing, and takes a descriptor for reading even for an exclusive lock.
    /// </summary>
    public (LockResult Result, Errno Error) Probe(int fd)
    {
        (LockResult Result, Errno Error) found = ProbeRange(fd);
        return found.Result == LockResult.Free && IsMarkedAgainst(fd) ? (LockResult.InUse, 0) : found;
    }

    private (LockResult Result, Errno Error) ProbeRange(int fd)
    {
        LibC.FileLock wanted = ToKernel();
        Errno error = Errors.Of(LibC.FcntlLock(fd, LibC.OfdGetLock, ref wanted));
        return Judge(error, error == 0 && wanted.Type != LibC.Unlock);
    }

    /// <summary>
    /// The process that has a lock which forbids this one, from what /proc/PID/fdinfo says of open files (the kernel gives no process for
    /// such locks); null: none that this user may look at.
    /// </summary>
    /// <param name="file">The file.</param>
    /// <param name="ownFd">The descriptor of this process that asks, whose locks do not count; negative: none.</param>
    public int? FindHolder(FileIdentity file, int ownFd)
    {
        string own = string.Create(CultureInfo.InvariantCulture, $"/proc/{Environment.ProcessId}/fd/{ownFd}");
        foreach (string process in Directory.EnumerateDirectories("/proc").Where(name => char.IsAsciiDigit(Path.GetFileName(name)[0])))
        {
            try
            {
                foreach (string open in Directory.EnumerateFiles(Path.Combine(process, "fd")))
                {
                    if (open != own && Syscall.stat(open, out Stat stat) == 0 && stat.st_dev == file.Device && stat.st_ino == file.Inode
                        && File.ReadLines(Path.Combine(process, "fdinfo", Path.GetFileName(open))).Any(Forbids))
                    {
                        return int.Parse(Path.GetFileName(process), CultureInfo.InvariantCulture);
                    }
                }
            }
            catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
            {
                // It ended meanwhile, or is somebody else's.
            }
        }

        return null;
    }

    // As in "lock:\t1: OFDLCK ADVISORY  WRITE -1 00:1b:17708 0 4095" (Documentation/filesystems/proc.rst).
    private bool Forbids(string line)
    {
        string[] words = line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        if (words is not ["lock:", _, "OFDLCK" or "POSIX", _, string type, _, _, string first, string last])
        {
            return false;
        }

        long start = long.Parse(first, CultureInfo.InvariantCulture);
        long end = last == "EOF" ? long.MaxValue : long.Parse(last, CultureInfo.InvariantCulture) + 1;
        RamFileLock held = new(type == "WRITE", start, end - start);
        return ConflictsWith(held) || Array.Exists(ForbiddingMarks, mark => mark.ConflictsWith(held));
    }

    private static (LockResult Result, Errno Error) Judge(Errno error, bool found) => error switch
    {
        0 => (found ? LockResult.InUse : LockResult.Free, 0),
        Errno.EAGAIN or Errno.EACCES => (LockResult.InUse, 0),
        _ => (LockResult.Unavailable, error),
    };

    private LibC.FileLock ToKernel() => new()
    {
        Type = Exclusive ? LibC.WriteLock : LibC.ReadLock,
        Start = Offset,
        Length = Length,
    };
}
