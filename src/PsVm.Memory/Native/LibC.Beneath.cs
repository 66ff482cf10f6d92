using System.Runtime.InteropServices;

namespace PsVm.Memory.Native;

/// <summary>Calls on files by their folder's descriptor and a name, which is bytes with a NUL behind them.</summary>
internal static partial class LibC
{
    public const int OpenWriteOnly = 1;
    public const int OpenCreate = 0x40; // O_CREAT
    public const int OpenExclusive = 0x80; // O_EXCL
    public const int OpenNoTerminal = 0x100; // O_NOCTTY
    public const int OpenPath = 0x20_0000; // O_PATH

    public const ulong ResolveNoCrossing = 1; // RESOLVE_NO_XDEV
    public const ulong ResolveNoMagicLinks = 2;
    public const ulong ResolveNoSymlinks = 4;
    public const ulong ResolveBeneath = 8;

    public const int AtSymlinkFollow = 0x400;

    public const int TimeNow = 0x3fff_ffff; // UTIME_NOW
    public const int TimeOmit = 0x3fff_fffe; // UTIME_OMIT

    private const long Openat2Call = 437; // on all architectures

    // These are the two flags of open(2) that arm64 has for itself.
    private static readonly bool s_isArm = RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    public static int OpenDirectory => s_isArm ? 0x4000 : 0x1_0000; // O_DIRECTORY

    public static int OpenNoFollow => s_isArm ? 0x8000 : 0x2_0000; // O_NOFOLLOW

    // glibc has no openat2(2).
    public static unsafe int OpenAt2(int folder, byte* path, OpenHow* how) =>
        (int)Syscall6((nint)Openat2Call, folder, (nint)path, (nint)how, sizeof(OpenHow), 0, 0);

    // musl has another name for it.
    public static unsafe int GetDents64(int fd, void* buffer, nuint count)
    {
        nint number = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 217 : 61;
        return (int)Syscall6(number, fd, (nint)buffer, (nint)count, 0, 0, 0);
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true)]
    public static unsafe partial int OpenBytes(byte* path, int flags);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    public static partial int Close(int fd);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true)]
    public static unsafe partial int StatxBytes(int folder, byte* path, int flags, uint mask, StatxResult* result);

    [LibraryImport("libc", EntryPoint = "pread", SetLastError = true)]
    public static unsafe partial nint PRead(int fd, void* buffer, nuint count, long offset);

    [LibraryImport("libc", EntryPoint = "pwrite", SetLastError = true)]
    public static unsafe partial nint PWrite(int fd, void* buffer, nuint count, long offset);

    [LibraryImport("libc", EntryPoint = "ftruncate", SetLastError = true)]
    public static partial int FTruncate(int fd, long length);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    public static partial int FSync(int fd);

    [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
    public static partial int FDataSync(int fd);

    [LibraryImport("libc", EntryPoint = "chmod", SetLastError = true)]
    public static unsafe partial int ChMod(byte* path, uint mode);

    [LibraryImport("libc", EntryPoint = "fchownat", SetLastError = true)]
    public static unsafe partial int FChOwnAt(int folder, byte* path, uint user, uint group, int flags);

    [LibraryImport("libc", EntryPoint = "utimensat", SetLastError = true)]
    public static unsafe partial int UTimeNsAt(int folder, byte* path, Timespec* times, int flags);

    [LibraryImport("libc", EntryPoint = "mkdirat", SetLastError = true)]
    public static unsafe partial int MkDirAt(int folder, byte* path, uint mode);

    [LibraryImport("libc", EntryPoint = "mknodat", SetLastError = true)]
    public static unsafe partial int MkNodAt(int folder, byte* path, uint mode, ulong device);

    [LibraryImport("libc", EntryPoint = "symlinkat", SetLastError = true)]
    public static unsafe partial int SymlinkAt(byte* target, int folder, byte* path);

    [LibraryImport("libc", EntryPoint = "readlinkat", SetLastError = true)]
    public static unsafe partial nint ReadLinkAt(int folder, byte* path, byte* buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "linkat", SetLastError = true)]
    public static unsafe partial int LinkAt(int oldFolder, byte* oldPath, int newFolder, byte* newPath, int flags);

    [LibraryImport("libc", EntryPoint = "renameat", SetLastError = true)]
    public static unsafe partial int RenameAt(int oldFolder, byte* oldPath, int newFolder, byte* newPath);

    [LibraryImport("libc", EntryPoint = "unlinkat", SetLastError = true)]
    public static unsafe partial int UnlinkAt(int folder, byte* path, int flags);

    /// <summary>struct open_how.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct OpenHow
    {
        public ulong Flags;
        public ulong Mode;
        public ulong Resolve;
    }
}
