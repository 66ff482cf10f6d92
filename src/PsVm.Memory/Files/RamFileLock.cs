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
/// the open file and its duplicates, ends with the last of them, and counts between backends of one process, too.
/// </summary>
/// <param name="Exclusive">Whoever has it writes the file.</param>
/// <param name="Offset">First byte.</param>
/// <param name="Length">Bytes.</param>
internal readonly record struct RamFileLock(bool Exclusive, long Offset, long Length)
{
    public static RamFileLock For(MemoryBackendOptions options) => new(options is { Share: true, ReadOnly: false }, options.Offset, options.Size);

    public bool ConflictsWith(RamFileLock other) =>
        (Exclusive || other.Exclusive) && Offset < other.Offset + other.Length && other.Offset < Offset + Length;

    /// <summary>Locks an open file, or makes the lock that it has this one.</summary>
    public (LockResult Result, Errno Error) Take(int fd)
    {
        LibC.FileLock wanted = ToKernel();
        return Judge(Errors.Of(LibC.FcntlLock(fd, LibC.OfdSetLock, ref wanted)), false);
    }

    /// <summary>Whether an open file could be locked. Locks nothing, and takes a descriptor for reading even for an exclusive lock.</summary>
    public (LockResult Result, Errno Error) Probe(int fd)
    {
        LibC.FileLock wanted = ToKernel();
        Errno error = Errors.Of(LibC.FcntlLock(fd, LibC.OfdGetLock, ref wanted));
        return Judge(error, error == 0 && wanted.Type != LibC.Unlock);
    }

    /// <summary>
    /// The process that has a lock which forbids this one, from what /proc/PID/fdinfo says of open files (the kernel gives no process for
    /// such locks); null: none that this user may look at.
    /// </summary>
    public int? FindHolder(FileIdentity file)
    {
        foreach (string process in Directory.EnumerateDirectories("/proc").Where(name => char.IsAsciiDigit(Path.GetFileName(name)[0])))
        {
            try
            {
                foreach (string open in Directory.EnumerateFiles(Path.Combine(process, "fd")))
                {
                    if (Syscall.stat(open, out Stat stat) == 0 && stat.st_dev == file.Device && stat.st_ino == file.Inode
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
        return ConflictsWith(new(type == "WRITE", start, end - start));
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
