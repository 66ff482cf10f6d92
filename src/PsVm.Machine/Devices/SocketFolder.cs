using Mono.Unix.Native;
using PsVm.Machine.State;
using PsVm.Memory.Native;

namespace PsVm.Machine.Devices;

/// <summary>
/// A folder for sockets, in the one for temporary files: this user alone may enter it, and it is locked as long as it is held. Those that
/// killed processes left are locked by nobody, and are removed before a process makes its first.
/// </summary>
internal sealed class SocketFolder : IDisposable
{
    private const string Prefix = "psvm-run-";
    private const int Letters = 6; // that are behind it, by mkdtemp(3)
    private const int MostTries = 100;

    private static int s_hasSwept;

    private readonly HeldFolder _held;

    private SocketFolder(HeldFolder held) => _held = held;

    /// <summary>Its path.</summary>
    public string Path => _held.Path;

    /// <summary>Makes one.</summary>
    /// <exception cref="IOException">It cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be made.</exception>
    public static SocketFolder Make()
    {
        if (Interlocked.Exchange(ref s_hasSwept, 1) == 0)
        {
            Sweep(System.IO.Path.GetTempPath());
        }

        for (int tries = 0; tries < MostTries; tries++)
        {
            string path = Directory.CreateTempSubdirectory(Prefix).FullName;
            HeldFolder? held = HeldFolder.TryOpen(path, out Errno error);
            if (held is null && error != Errno.ENOENT)
            {
                throw new IOException($"'{path}': {Stdlib.strerror(error)}");
            }

            // Another process may have taken it for a left one before it was locked. File systems that lock no folders lock them for
            // nobody.
            if (held is not null && KernelCalls.Lock(held.Descriptor) != (int)Errno.EWOULDBLOCK && held.IsAt(path))
            {
                return new SocketFolder(held);
            }

            held?.Dispose();
        }

        throw new IOException("others remove each folder as soon as it is made");
    }

    /// <summary>Removes this user's that nobody holds.</summary>
    /// <param name="temporary">The folder that they are in.</param>
    public static void Sweep(string temporary)
    {
        foreach (string path in Find(temporary))
        {
            using HeldFolder? left = HeldFolder.TryOpen(path, out _);
            if (left is { IsOwn: true } && KernelCalls.Lock(left.Descriptor) == 0)
            {
                Empty(left);
                left.Remove(path);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Empty(_held);
        _held.Remove(Path);
        _held.Dispose();
    }

    private static string[] Find(string temporary)
    {
        try
        {
            return [.. Directory.GetDirectories(temporary, $"{Prefix}*").Where(
                path => System.IO.Path.GetFileName(path).Length == Prefix.Length + Letters)];
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>Removes what is in it; a folder stays, and this one with it.</summary>
    private static void Empty(HeldFolder folder)
    {
        try
        {
            foreach (FileSystemInfo entry in folder.Entries())
            {
                _ = Syscall.unlink(folder.In(entry.Name));
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // It is of no use, and in nobody's way.
        }
    }
}
