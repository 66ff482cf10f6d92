using System.Runtime.InteropServices;

namespace PsVm.Riscv.Memory;

/// <summary>
/// Memory of the host for the tables of harts, straight from the kernel: zeros, of which a page takes memory once it is touched. What
/// malloc gives back a second time is all there. And what of libc the memory of translated code takes: all calls of this project are bound
/// here.
/// </summary>
/// <remarks>Safety: whoever maps gives back the same address and size, once, when nobody uses it any more.</remarks>
internal static unsafe partial class HostPages
{
    private const int ProtRead = 1, ProtWrite = 2, MapPrivate = 2, MapAnonymous = 0x20;

    /// <summary>What mmap(2) answers when it fails.</summary>
    public static readonly nint MapFailed = -1;

    /// <summary>Maps zeros.</summary>
    /// <param name="size">Bytes.</param>
    /// <exception cref="InsufficientMemoryException">There are none.</exception>
    public static byte* Map(nuint size)
    {
        void* address = mmap(null, size, ProtRead | ProtWrite, MapPrivate | MapAnonymous, -1, 0);
        return (nint)address != MapFailed ? (byte*)address : throw new InsufficientMemoryException($"mmap of {size} bytes");
    }

    /// <summary>Gives them back.</summary>
    public static void Unmap(void* address, nuint size) => _ = munmap(address, size);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial void* mmap(void* address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc")]
    private static partial int munmap(void* address, nuint length);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int memfd_create(string name, uint flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int ftruncate(int file, nint length);

    [LibraryImport("libc")]
    internal static partial int close(int file);
}
