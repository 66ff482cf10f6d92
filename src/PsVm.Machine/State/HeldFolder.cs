using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;

namespace PsVm.Machine.State;

/// <summary>A folder that is open: what is done through it is done to this folder, whatever has its name by now.</summary>
internal sealed class HeldFolder : IDisposable
{
    private readonly SafeFileHandle _folder;
    private readonly Stat _identity;

    private HeldFolder(string path, SafeFileHandle folder, Stat identity)
    {
        Path = path;
        _folder = folder;
        _identity = identity;
    }

    /// <summary>The name that it was opened by.</summary>
    public string Path { get; }

    /// <summary>Its descriptor, as long as it is held.</summary>
    public int Descriptor => (int)_folder.DangerousGetHandle();

    /// <summary>Opens a folder that is no link.</summary>
    /// <param name="path">Its name.</param>
    /// <param name="error">Why not; 0 for success.</param>
    public static HeldFolder? TryOpen(string path, out Errno error) => TryOpen(path, path, out error);

    /// <summary>Opens a folder, or the one that a link leads to.</summary>
    /// <param name="path">Its name, or the link's.</param>
    /// <param name="error">Why not; 0 for success.</param>
    public static HeldFolder? TryFollow(string path, out Errno error) => TryOpen(path, path + "/.", out error);

    /// <summary>Makes a folder, and holds it.</summary>
    /// <param name="path">Its name, which must be free.</param>
    /// <param name="error">Why not; 0 for success.</param>
    public static HeldFolder? TryMake(string path, out Errno error)
    {
        error = Syscall.mkdir(path, FilePermissions.ACCESSPERMS) < 0 ? Stdlib.GetLastError() : 0;
        return error == 0 ? TryOpen(path, out error) : null;
    }

    /// <summary>Opens a folder in it that is no link.</summary>
    /// <param name="name">Its name, a single one.</param>
    /// <param name="error">Why not; 0 for success.</param>
    public HeldFolder? TryEnter(string name, out Errno error) => TryOpen(System.IO.Path.Combine(Path, name), In(name), out error);

    /// <summary>Opens a folder in it that is no link, and makes it where it is not there.</summary>
    /// <param name="name">Its name, a single one.</param>
    /// <param name="error">Why not; 0 for success.</param>
    public HeldFolder? TryMakeOrEnter(string name, out Errno error)
    {
        error = Syscall.mkdir(In(name), FilePermissions.ACCESSPERMS) < 0 ? Stdlib.GetLastError() : 0;
        return error is 0 or Errno.EEXIST ? TryEnter(name, out error) : null;
    }

    /// <summary>Whether it belongs to the user that this process runs as.</summary>
    public bool IsOwn => _identity.st_uid == Syscall.geteuid();

    /// <summary>Whether a name is this folder's now.</summary>
    public bool IsAt(string path) => Syscall.lstat(path, out Stat named) == 0 && IsSame(named, _identity);

    /// <summary>Whether it is the folder of an inode.</summary>
    public bool IsFolder(ulong device, ulong inode) => _identity.st_dev == device && _identity.st_ino == inode;

    /// <summary>The path of something in it, for this process, while it is held (proc_pid_fd(5)).</summary>
    public string In(string name) => $"/proc/self/fd/{Descriptor}/{name}";

    /// <summary>What is in it.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public FileSystemInfo[] Entries() => new DirectoryInfo(In(string.Empty)).GetFileSystemInfos();

    /// <summary>Removes a file from it, if it is an open one, which is closed.</summary>
    public void Remove(string name, SafeFileHandle file)
    {
        bool isIt = Syscall.fstat((int)file.DangerousGetHandle(), out Stat open) == 0
            && Syscall.lstat(In(name), out Stat named) == 0 && IsSame(open, named);
        file.Dispose(); // NFS keeps files that are open
        if (isIt)
        {
            _ = Syscall.unlink(In(name));
        }
    }

    /// <summary>Removes it, if it is empty and a name is still its own.</summary>
    /// <returns>It is gone.</returns>
    public bool Remove(string path) => IsAt(path) && Syscall.rmdir(path) == 0;

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();

    private static HeldFolder? TryOpen(string path, string name, out Errno error)
    {
        // .NET opens no folders.
        int descriptor = Syscall.open(name, OpenFlags.O_RDONLY | OpenFlags.O_DIRECTORY | OpenFlags.O_NOFOLLOW | OpenFlags.O_CLOEXEC);
        error = descriptor < 0 ? Stdlib.GetLastError() : 0;
        if (error != 0)
        {
            return null;
        }

        SafeFileHandle folder = new(descriptor, ownsHandle: true);
        if (Syscall.fstat(descriptor, out Stat identity) == 0)
        {
            return new HeldFolder(path, folder, identity);
        }

        error = Stdlib.GetLastError();
        folder.Dispose();
        return null;
    }

    private static bool IsSame(Stat one, Stat other) => one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}
