using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PsVm.Memory.Native;

/// <summary>
/// What Mono.Posix lacks of libc. Layouts and numbers are those of 64-bit Linux with the generic ABI: x86-64, arm64 and riscv64 agree on
/// all of them but the numbers of mbind(2) and futex(2).
/// </summary>
internal static partial class LibC
{
    public const int AtFdCwd = -100;
    public const int AtEAccess = 0x200;
    public const int AtSymlinkNoFollow = 0x100;
    public const int AtEmptyPath = 0x1000;
    public const int ReadOk = 4;
    public const int WriteOk = 2;
    public const int ExecuteOk = 1;

    public const int OpenReadOnly = 0;
    public const int OpenReadWrite = 2;
    public const int OpenCloexec = 0x80000;

    public const int FallocKeepSize = 1;
    public const int FallocPunchHole = 2;
    public const int FallocZeroRange = 0x10;

    public const int MadvWillNeed = 3;
    public const int MadvDontNeed = 4;
    public const int MadvRemove = 9;
    public const int MadvMergeable = 12;
    public const int MadvDontDump = 16;
    public const int MadvPopulateRead = 22;
    public const int MadvPopulateWrite = 23;

    public const int ReadNoWait = 8; // RWF_NOWAIT

    public const int SeekData = 3;
    public const int SeekHole = 4;

    public const ulong FiClone = 0x40049409;
    public const ulong FiCloneRange = 0x4020940d;
    public const uint SyncFileRangeWriteAndWait = 1 | 2 | 4;

    public const uint MfdCloexec = 1;
    public const uint MfdNoexecSeal = 8;

    public const int DuplicateCloexec = 1030; // F_DUPFD_CLOEXEC

    public const int OfdGetLock = 36; // F_OFD_GETLK
    public const int OfdSetLock = 37; // F_OFD_SETLK
    public const short ReadLock = 0; // F_RDLCK
    public const short WriteLock = 1; // F_WRLCK
    public const short Unlock = 2; // F_UNLCK

    public const uint StatxBasicStats = 0x7ff;
    public const int StatxAttrImmutable = 0x10;
    public const int StatxAttrAppend = 0x20;
    public const int StatxAttrVerity = 0x100000;

    public const ulong PagemapScanRequest = 0xc060_6610; // PAGEMAP_SCAN

    public const int OpenNonBlocking = 0x800;

    public const int EventNonBlocking = 0x800; // EFD_NONBLOCK
    public const int EventCloexec = OpenCloexec; // EFD_CLOEXEC

    public const int ScmRights = 1; // SCM_RIGHTS
    public const int SolSocket = 1; // SOL_SOCKET
    public const int MsgDontWait = 0x40;
    public const int MsgNoSignal = 0x4000;
    public const int MsgCmsgCloexec = 0x4000_0000;
    public const int MsgControlTruncated = 8; // MSG_CTRUNC

    public const int FamilyUnix = 1; // AF_UNIX
    public const int SocketStream = 1; // SOCK_STREAM
    public const int SocketCloexec = OpenCloexec; // SOCK_CLOEXEC
    public const int SoSendBuffer = 7; // SO_SNDBUF
    public const int SetDescriptorFlags = 2; // F_SETFD
    public const int ShutBoth = 2; // SHUT_RDWR

    public const int EpollAdd = 1;
    public const int EpollDelete = 2;
    public const int EpollModify = 3;
    public const uint EpollOneShot = 1u << 30;

    public const short PollIn = 1;
    public const short PollOut = 4;

    public const long HugetlbfsMagic = 0x958458f6;

    // open(2) takes its third argument like any other on the ABIs above, and none for a file that must be there.
    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags);

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

    [LibraryImport("libc", EntryPoint = "preadv2", SetLastError = true)]
    public static unsafe partial nint PReadV2(int fd, IoVector* vectors, int count, long offset, int flags);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    public static partial long LSeek(int fd, long offset, int whence);

    // ioctl(2) takes its third argument like any other on the ABIs above.
    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int IoctlFiClone(int target, ulong request, int source);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int IoctlFiCloneRange(int target, ulong request, ref CloneRange range);

    [LibraryImport("libc", EntryPoint = "sync_file_range", SetLastError = true)]
    public static partial int SyncFileRange(int fd, long offset, long length, uint flags);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int PageMapScan(int pageMap, ulong request, ref PageScanArguments arguments);

    // glibc and musl agree on the layout of struct sigaction on x86-64, where alone it is used.
    [LibraryImport("libc", EntryPoint = "sigaction", SetLastError = true)]
    public static unsafe partial int SigAction(int signal, SignalAction* action, SignalAction* previous);

    [LibraryImport("libc", EntryPoint = "renameat2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int RenameAt2(int oldFolder, string oldPath, int newFolder, string newPath, uint flags);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    public static partial int FLock(int descriptor, int operation);

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    [SuppressGCTransition]
    public static partial int ClockGetTime(int clock, out Timespec time);

    [LibraryImport("libc", EntryPoint = "getrusage", SetLastError = true)]
    public static partial int GetResourceUsage(int who, out ResourceUsage usage);

    [LibraryImport("libc", EntryPoint = "getrandom", SetLastError = true)]
    public static partial nint GetRandom(Span<byte> buffer, nuint length, uint flags);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    public static partial int EventFd(uint count, int flags);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    public static unsafe partial int Poll(PollDescriptor* descriptors, nuint count, int milliseconds);

    [LibraryImport("libc", EntryPoint = "sendmsg", SetLastError = true)]
    public static unsafe partial nint SendMsg(int socket, MessageHeader* message, int flags);

    [LibraryImport("libc", EntryPoint = "recvmsg", SetLastError = true)]
    public static unsafe partial nint RecvMsg(int socket, MessageHeader* message, int flags);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    public static unsafe partial nint Read(int fd, void* buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    public static unsafe partial nint Write(int fd, void* buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    public static partial nint ReadFrom(SafeHandle fd, Span<byte> buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    public static partial nint WriteTo(SafeHandle fd, ReadOnlySpan<byte> buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "sendmsg", SetLastError = true)]
    public static unsafe partial nint SendMsgTo(SafeHandle socket, MessageHeader* message, int flags);

    [LibraryImport("libc", EntryPoint = "recv", SetLastError = true)]
    public static partial nint Receive(SafeHandle socket, Span<byte> buffer, nuint count, int flags);

    [LibraryImport("libc", EntryPoint = "socketpair", SetLastError = true)]
    public static partial int SocketPair(int family, int type, int protocol, Span<int> sockets);

    [LibraryImport("libc", EntryPoint = "setsockopt", SetLastError = true)]
    public static partial int SetSocketOption(SafeHandle socket, int level, int option, in int value, uint length);

    [LibraryImport("libc", EntryPoint = "shutdown", SetLastError = true)]
    public static partial int Shutdown(SafeHandle socket, int how);

    // fcntl(2) and ioctl(2) take their third argument like any other on the ABIs above.
    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    public static partial int FcntlOf(SafeHandle fd, int command, int argument);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int IoctlBytes(SafeHandle fd, ulong request, Span<byte> argument);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int IoctlNumber(SafeHandle fd, ulong request, nint argument);

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    public static partial int EpollCreate(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    public static partial int EpollControl(SafeHandle epoll, int operation, SafeHandle fd, Span<byte> happening);

    [LibraryImport("libc", EntryPoint = "epoll_wait", SetLastError = true)]
    public static partial int EpollWait(SafeHandle epoll, Span<byte> happenings, int count, int milliseconds);

    // glibc has it since 2.41, musl not at all. The number is the same on all architectures.
    public static unsafe nint ProcessMadvise(IoVector* vector, nuint count, int advice)
    {
        const int processMadvise = 440, pidfdSelf = -10_000;
        return Syscall6(processMadvise, pidfdSelf, (nint)vector, (nint)count, advice, 0, 0);
    }

    // glibc has no futex(2).
    [LibraryImport("libc", EntryPoint = "syscall")]
    public static unsafe partial nint Futex(nint number, int* address, int operation, int value, Timespec* timeout);

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

    /// <summary>struct iovec.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct IoVector
    {
        public ulong Start;
        public ulong Length;
    }

    /// <summary>struct pollfd.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct PollDescriptor
    {
        public int Descriptor;
        public short Wanted;
        public short Found;
    }

    /// <summary>struct msghdr.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public unsafe struct MessageHeader
    {
        public void* Name;
        public uint NameLength;
        public IoVector* Vectors;
        public nuint VectorCount;
        public void* Control;
        public nuint ControlLength;
        public int Flags;
    }

    /// <summary>struct cmsghdr, as far as its data.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct ControlHeader
    {
        public nuint Length;
        public int Level;
        public int Type;
    }

    /// <summary>struct timespec.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Timespec
    {
        public long Seconds;
        public long Nanoseconds;
    }

    /// <summary>struct rusage, as far as it is used.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 144)]
    public struct ResourceUsage
    {
        [FieldOffset(64)]
        public long MinorFaults;

        [FieldOffset(72)]
        public long MajorFaults;
    }

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

    /// <summary>struct file_clone_range.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct CloneRange
    {
        public long Source;
        public ulong SourceOffset;
        public ulong Length;
        public ulong TargetOffset;
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
        public uint Links;
        public uint User;
        public uint Group;
        public ushort Mode;
        public ushort Unused;
        public ulong Inode;
        public long Size;
        public long Blocks;
        public ulong KnownAttributes;
        public StatxTime Accessed;
        public StatxTime Born;
        public StatxTime Changed;
        public StatxTime Modified;
        public uint OfDeviceMajor;
        public uint OfDeviceMinor;
        public uint DeviceMajor;
        public uint DeviceMinor;
    }

    /// <summary>struct statx_timestamp.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 16)]
    public struct StatxTime
    {
        public long Seconds;
        public uint Nanoseconds;
    }
}
