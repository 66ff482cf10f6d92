using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Machine.State;
using PsVm.Memory.Native;

namespace PsVm.Machine.Templates.Travel;

/// <summary>A file that is being written: beside its place, which it takes whole and at once, or goes without a trace.</summary>
internal sealed class PartialFile : IDisposable
{
    private const int MostAttempts = 16;

    private readonly string _target;
    private readonly FolderCalls _calls;
    private readonly NewFolders _newFolders;
    private string _path = string.Empty;
    private HeldFolder? _folder;
    private SafeFileHandle? _file;
    private bool _isPlaced;

    /// <summary>Makes an empty file, and folders above it that are missing.</summary>
    /// <param name="target">Where it will be.</param>
    /// <param name="mode">Permissions that it has at most; the process's umask counts too.</param>
    /// <param name="calls">The kernel.</param>
    /// <exception cref="IOException">It cannot be made; nothing is left.</exception>
    public PartialFile(string target, FilePermissions mode, FolderCalls calls)
    {
        _target = target;
        _calls = calls;
        _newFolders = new NewFolders(calls);
        try
        {
            for (int attempt = 1; !TryMake(mode, isLast: attempt == MostAttempts); attempt++)
            {
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The open file.</summary>
    public SafeFileHandle File => _file!;

    /// <summary>Takes its place, on the disk.</summary>
    /// <param name="replace">A file that is there goes; else there must be nothing.</param>
    /// <returns>False: there is something, which stays.</returns>
    /// <exception cref="IOException">The file system cannot.</exception>
    public bool Commit(bool replace)
    {
        RandomAccess.FlushToDisk(File);
        int error = replace ? _calls.Rename(_path, _target) : RenameNew();
        if ((Errno)error is Errno.EEXIST or Errno.EISDIR)
        {
            return false;
        }

        FolderPlacing.ThrowIfFailed(error, "rename");
        _isPlaced = true;
        FolderPlacing.Sync(_folder!, _calls);
        return true;
    }

    /// <summary>Removes it when it has not taken its place.</summary>
    public void Dispose()
    {
        if (!_isPlaced)
        {
            if (_file is not null)
            {
                _folder!.Remove(Path.GetFileName(_path), _file);
            }

            _newFolders.Remove();
        }

        if (_file is { IsClosed: false })
        {
            _ = KernelCalls.Unlock((int)_file.DangerousGetHandle());
            _file.Dispose();
        }

        _folder?.Dispose();
        _newFolders.Dispose();
    }

    /// <summary>Makes an empty file and locks it.</summary>
    /// <param name="mode">Its permissions at most.</param>
    /// <param name="isLast">What keeps it from that is an error.</param>
    /// <returns>
    /// False: others were faster, who give up a folder above that they made, or take this file for a leftover before it is locked.
    /// </returns>
    private bool TryMake(FilePermissions mode, bool isLast)
    {
        string folder = Path.GetDirectoryName(_target)!;
        _newFolders.Make(folder);
        TemplateLeftovers.Sweep(_target, _calls);
        _path = TemplateLeftovers.NewPath(_target);
        _folder?.Dispose();
        _folder = HeldFolder.TryFollow(folder, out Errno error);
        int descriptor = error != 0 ? -1 : Syscall.open(
            _folder!.In(Path.GetFileName(_path)), OpenFlags.O_RDWR | OpenFlags.O_CREAT | OpenFlags.O_EXCL | OpenFlags.O_CLOEXEC, mode);
        int failure = error != 0 ? (int)error : descriptor < 0 ? Marshal.GetLastPInvokeError() : 0;
        if (failure == (int)Errno.ENOENT && !isLast)
        {
            return false;
        }

        FolderPlacing.ThrowIfFailed(failure, "open");
        _file = new SafeFileHandle(descriptor, ownsHandle: true);
        if (KernelCalls.Lock(descriptor) != (int)Errno.EWOULDBLOCK
            && Syscall.fstat(descriptor, out Stat stat) == 0 && stat.st_nlink > 0)
        {
            return true;
        }

        _file.Dispose();
        _file = null;
        return isLast ? throw new IOException("another export removed the file; try again") : false;
    }

    /// <summary>Renames to a name that must be free; a plain rename does where the file system has no flags.</summary>
    private int RenameNew()
    {
        int error = _calls.RenameNew(_path, _target);
        return (Errno)error is not (Errno.EINVAL or Errno.ENOSYS or Errno.EOPNOTSUPP) ? error
            : Path.Exists(_target) ? (int)Errno.EEXIST
            : _calls.Rename(_path, _target);
    }
}
