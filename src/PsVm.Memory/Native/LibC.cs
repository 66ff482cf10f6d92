using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PsVm.Memory.Native;

/// <summary>
/// What Mono.Posix lacks of libc. Layouts and numbers are those of 64-bit Linux with the generic ABI: x86-64, arm64 and riscv64 agree on
/// all of them but the number of mbind(2).
/// </summary>
internal static partial class LibC
{
    public const int AtFdCwd = -100;
    public const int AtEAccess = 0x200;
    public const int ReadOk = 4;
    public const int WriteOk = 2;
    public const int ExecuteOk = 1;

    public const int FallocKeepSize = 1;
    public const int FallocPunchHole = 2;

    public const int MadvDontNeed = 4;
    public const int MadvRemove = 9;
    public const int MadvMergeable = 12;
    public const int MadvDontDump = 16;
    public const int MadvPopulateRead = 22;
    public const int MadvPopulateWrite = 23;

    public const int SeekData = 3;
    public const int SeekHole = 4;

    public const ulong FiClone = 0x40049409;

    public const uint MfdCloexec = 1;

    public const int DuplicateCloexec = 1030; // F_DUPFD_CLOEXEC

    public const int OfdGetLock = 36; // F_OFD_GETLK
    public const int OfdSetLock = 37; // F_OFD_SETLK
    public const short ReadLock = 0; // F_RDLCK
    public const short WriteLock = 1; // F_WRLCK
    public const short Unlock = 2; // F_UNLCK

    public const int StatxAttrImmutable = 0x10;
    public const int StatxAttrAppend = 0x20;
    public const int StatxAttrVerity = 0x100000;

    public const ulong PagemapScanRequest = 0xc060_6610; // PAGEMAP_SCAN

    public const long HugetlbfsMagic = 0x958458f6;

    [LibraryImport("libc", EntryPoint = "statfs", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int StatFs(string path, out StatFsResult result);

    [LibraryImport("libc", EntryPoint = "fstatfs", SetLastError = true)]
    public static partial int FStatFs(int fd, out StatFsResult result);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Statx(int directory, string path, int flags, uint mask, out StatxResult result);

    [LibraryImport("libc", EntryPoint = "faccessat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int FAccessAt(int directory, string path, int mode, int flags);

    [LibraryImport("libc", EntryPoint = "fallocate", SetLastError = true)]
    public static partial int Fallocate(int fd, int mode, long offset, long length);

    [LibraryImport("libc", EntryPoint = "madvise", SetLastError = true)]
    public static partial int Madvise(nint address, nuint length, int advice);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    public static partial int Fcntl(int fd, int command, int argument);

    // fcntl(2) takes its third argument like any other on the ABIs above.
    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    public static partial int FcntlLock(int fd, int command, ref FileLock range);

    [LibraryImport("libc", EntryPoint = "memfd_create", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int MemfdCreate(string name, uint flags);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    public static partial long LSeek(int fd, long offset, int whence);

    // ioctl(2) takes its third argument like any other on the ABIs above.
    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int IoctlFiClone(int target, ulong request, int source);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int PageMapScan(int pageMap, ulong request, ref PageScanArguments arguments);

    // glibc and musl agree on the layout of struct sigaction on x86-64, where alone it is used.
    [LibraryImport("libc", EntryPoint = "sigaction", SetLastError = true)]
    public static unsafe partial int SigAction(int signal, SignalAction* action, SignalAction* previous);

    // glibc has no mbind(2); libnuma would be one more thing to install.
    public static unsafe int Mbind(nint address, nuint length, int mode, ReadOnlySpan<ulong> nodeMask, uint flags)
    {
        nint number = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 237 : 235;
        fixed (ulong* mask = nodeMask)
        {
            // The kernel reads one bit less than it is told.
            return (int)Syscall6(number, address, (nint)length, mode, (nint)mask, (nodeMask.Length * 64) + 1, (nint)flags);
        }
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint Syscall6(nint number, nint a, nint b, nint c, nint d, nint e, nint f);

    /// <summary>struct sigaction.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct SignalAction
    {
        public nint Handler;
        public SignalMask Mask;
        public int Flags;
        public nint Restorer;
    }

    /// <summary>sigset_t.</summary>
    [InlineArray(16)]
    public struct SignalMask
    {
        private ulong _word;
    }

    /// <summary>struct flock; Whence is SEEK_SET, and the process must be 0 for locks of open files.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 32)]
    public struct FileLock
    {
        public short Type;
        public short Whence;
        public long Start;
        public long Length;
        public int Process;
    }

    /// <summary>struct statfs.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 120)]
    public struct StatFsResult
    {
        public long Type;
        public long BlockSize;
        public ulong Blocks;
        public ulong FreeBlocks;
        public ulong AvailableBlocks;
        public ulong Files;
        public ulong FreeFiles;
        public ulong Id;
        public long NameLength;
        public long FragmentSize;
        public long Flags;
    }

    /// <summary>struct pm_scan_arg; categories are bits.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct PageScanArguments
    {
        public ulong Size;
        public ulong Flags;
        public ulong Start;
        public ulong End;
        public ulong WalkEnd;
        public ulong Vector;
        public ulong VectorLength;
        public ulong MaxPages;
        public ulong Inverted;
        public ulong AllOf;
        public ulong AnyOf;
        public ulong Returned;
    }

    /// <summary>struct page_region.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct PageRegion
    {
        public ulong Start;
        public ulong End;
        public ulong Categories;
    }

    /// <summary>struct statx, as far as it is used.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 256)]
    public struct StatxResult
    {
        public uint Mask;
        public uint BlockSize;
        public ulong Attributes;
    }
}
