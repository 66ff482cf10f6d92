using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Memory;

namespace PsVm.Machine.Templates;

/// <summary>Opens files of templates: regular ones only, and without waiting for whatever else has the name.</summary>
internal static class TemplateFile
{
    private const int TooManyLinks = 40; // ELOOP, which O_NOFOLLOW gives

    /// <summary>Opens a file to read.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="follow">The path may be a symbolic link.</param>
    /// <exception cref="IOException">There is none, or it is something else, or it cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static SafeFileHandle Open(string path, bool follow)
    {
        // Not even opened is what does something when it is, as some devices do.
        if (Syscall.stat(path, out Stat stat) == 0 && (stat.st_mode & FilePermissions.S_IFMT) != FilePermissions.S_IFREG)
        {
            throw new IOException($"it is {Describe(stat)}");
        }

        OpenFlags flags = OpenFlags.O_RDONLY | OpenFlags.O_CLOEXEC | OpenFlags.O_NONBLOCK | (follow ? 0 : OpenFlags.O_NOFOLLOW);
        int descriptor = Syscall.open(path, flags);
        if (descriptor < 0)
        {
            int error = System.Runtime.InteropServices.Marshal.GetLastPInvokeError();
            throw error switch
            {
                (int)Errno.ENOENT or (int)Errno.ENOTDIR => new FileNotFoundException($"there is no '{path}'", path),
                (int)Errno.EACCES or (int)Errno.EPERM => new UnauthorizedAccessException($"access to '{path}' is denied"),
                TooManyLinks => new IOException("it is a symbolic link"),
                _ => new IOException(System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage(error)),
            };
        }

        SafeFileHandle file = new(descriptor, ownsHandle: true);
        if (MemoryBackends.Identify(file) is null)
        {
            file.Dispose();
            throw new IOException("it is no regular file");
        }

        return file;
    }

    /// <summary>Reads a small file.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="limit">Most bytes that it may have.</param>
    /// <exception cref="GuestException">It is not there, is none, has more, or cannot be read.</exception>
    public static byte[] ReadAll(string path, int limit)
    {
        try
        {
            using SafeFileHandle file = Open(path, follow: false);
            return ReadAll(file, limit);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw TemplateErrors.Unreadable(path, failure);
        }
    }

    /// <summary>As the other, of an open file.</summary>
    /// <exception cref="IOException">It has more, or cannot be read.</exception>
    public static byte[] ReadAll(SafeFileHandle file, int limit)
    {
        long length = RandomAccess.GetLength(file);
        byte[] bytes = length <= limit
            ? new byte[length]
            : throw new IOException($"{length} bytes, more than the {limit} that it may have");
        int done = 0;
        while (done < bytes.Length && RandomAccess.Read(file, bytes.AsSpan(done), done) is var read and > 0)
        {
            done += read;
        }

        return bytes[..done];
    }

    /// <summary>The SHA-256 of an open file, lower-case hexadecimal.</summary>
    /// <param name="file">The file.</param>
    /// <param name="hashed">Told now and then how many bytes have been read.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static string Sha256(SafeFileHandle file, Action<long>? hashed, CancellationToken cancellation)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[1 << 20];
        for (long position = 0; RandomAccess.Read(file, buffer, position) is var read and > 0; position += read)
        {
            cancellation.ThrowIfCancellationRequested();
            hash.AppendData(buffer, 0, read);
            hashed?.Invoke(position + read);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>An open file's permissions.</summary>
    /// <exception cref="IOException">It cannot be looked at.</exception>
    public static FilePermissions ModeOf(SafeFileHandle file) =>
        Syscall.fstat((int)file.DangerousGetHandle(), out Stat stat) == 0
            ? stat.st_mode & FilePermissions.ALLPERMS
            : throw new IOException($"fstat: {Stdlib.GetLastError()}");

    private static string Describe(in Stat stat) => (stat.st_mode & FilePermissions.S_IFMT) switch
    {
        FilePermissions.S_IFDIR => "a folder",
        FilePermissions.S_IFIFO => "a FIFO",
        FilePermissions.S_IFSOCK => "a socket",
        FilePermissions.S_IFCHR => "a character device",
        FilePermissions.S_IFBLK => "a block device",
        _ => "no regular file",
    };
}
