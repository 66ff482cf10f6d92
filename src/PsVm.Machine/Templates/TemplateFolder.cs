using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;

namespace PsVm.Machine.Templates;

/// <summary>A template that is being written: a folder beside its place, which it takes whole and at once, or goes without a trace.</summary>
internal sealed class TemplateFolder : IDisposable
{
    private readonly string _target;
    private readonly FilePermissions _mode;
    private readonly FolderCalls _calls;
    private readonly List<string> _newParents = []; // innermost first
    private readonly List<SafeFileHandle> _files = [];
    private readonly SafeFileHandle? _lock;
    private readonly bool _hasFlags;

    /// <summary>Makes an empty folder, and those above it that are missing, and finds out in which way it can take its place.</summary>
    /// <param name="target">Where it will be.</param>
    /// <param name="replace">It is to take the place of a template that is there.</param>
    /// <param name="mode">Permissions that its files may have at most; the process's umask counts too.</param>
    /// <param name="calls">The kernel.</param>
    /// <exception cref="IOException">It cannot be made; nothing is left.</exception>
    public TemplateFolder(string target, bool replace, FilePermissions mode, FolderCalls calls)
    {
        _target = target;
        _mode = mode & Readable;
        _calls = calls;
        Path = TemplateLeftovers.NewPath(target);
        for (string? parent = System.IO.Path.GetDirectoryName(target); !Directory.Exists(parent); parent = System.IO.Path.GetDirectoryName(parent))
        {
            _newParents.Add(parent!);
        }

        try
        {
            TemplateLeftovers.Sweep(target, calls);
            Directory.CreateDirectory(Path);
            _lock = calls.Lock(Path, out int error);
            if (_lock is null && (Errno)error is Errno.EWOULDBLOCK or Errno.ENOENT)
            {
                // A sweep took the folder for a leftover in the moment before it was locked.
                throw new IOException("another checkpoint removed the folder; try again");
            }

            foreach (string parent in _newParents)
            {
                SyncFolder(System.IO.Path.GetDirectoryName(parent)!);
            }

            _hasFlags = HasFlags(replace);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Who may read a file that all may read.</summary>
    public const FilePermissions Readable = FilePermissions.S_IRUSR | FilePermissions.S_IRGRP | FilePermissions.S_IROTH;

    /// <summary>Where it is now.</summary>
    public string Path { get; }

    /// <summary>Makes a file, which stays open until the folder is disposed. Nobody else can ever write to it.</summary>
    public SafeFileHandle CreateFile(string name)
    {
        string path = System.IO.Path.Combine(Path, name);
        int descriptor = Syscall.open(path, OpenFlags.O_RDWR | OpenFlags.O_CREAT | OpenFlags.O_EXCL | OpenFlags.O_CLOEXEC, _mode);
        if (descriptor < 0)
        {
            ThrowIfFailed(Marshal.GetLastPInvokeError(), "open");
        }

        SafeFileHandle file = new(descriptor, ownsHandle: true);
        _files.Add(file);
        return file;
    }

    /// <summary>Takes all that was written to the disk.</summary>
    public void Seal() => _files.ForEach(RandomAccess.FlushToDisk);

    /// <summary>Takes its place; when that fails, what was there is there again.</summary>
    /// <param name="replace">What is there, a template, goes; else there must be nothing.</param>
    /// <returns>False: there is something else, which stays.</returns>
    /// <exception cref="IOException">The file system cannot.</exception>
    public bool Commit(bool replace)
    {
        SyncFolder(Path);
        string parent = System.IO.Path.GetDirectoryName(_target)!;
        if (replace && Directory.Exists(_target))
        {
            return Replace(parent);
        }

        int error = _hasFlags ? _calls.RenameNew(Path, _target)
            : System.IO.Path.Exists(_target) ? (int)Errno.EEXIST
            : _calls.Rename(Path, _target);
        if ((Errno)error is Errno.EEXIST or Errno.ENOTEMPTY or Errno.ENOTDIR)
        {
            return false;
        }

        ThrowIfFailed(error, "rename");
        SyncOrUndo(parent, () => _hasFlags ? _calls.RenameNew(_target, Path) : _calls.Rename(_target, Path));
        return true;
    }

    /// <summary>Removes what is at the temporary place: the unfinished template, or the one that was replaced.</summary>
    public void Dispose()
    {
        _files.ForEach(file => file.Dispose());
        try
        {
            // When it has taken its place, there is nothing. What is not of a template is nobody's to delete, and gets no name either.
            if (!Directory.Exists(Path) || TemplateLeftovers.TryDelete(Path))
            {
                _newParents.ForEach(parent => _ = Syscall.rmdir(parent)); // those that are empty
            }
        }
        finally
        {
            _lock?.Dispose();
        }
    }

    /// <summary>Changes places with what is there, looks at it, and changes back if it is no template.</summary>
    private bool Replace(string parent)
    {
        // Without an exchange there is a moment without a template; what was there has a leftover's name then.
        string old = _hasFlags ? Path : TemplateLeftovers.NewPath(_target);
        if (_hasFlags)
        {
            ThrowIfFailed(_calls.Swap(Path, _target), "renameat2");
        }
        else
        {
            ThrowIfFailed(_calls.Rename(_target, old), "rename");
            if (_calls.Rename(Path, _target) is var error and not 0)
            {
                _ = _calls.Rename(old, _target);
                ThrowIfFailed(error, "rename");
            }
        }

        if (Directory.Exists(old) && !TemplateLeftovers.IsTemplate(old))
        {
            ThrowIfFailed(Undo(), "rename");
            return false;
        }

        SyncOrUndo(parent, Undo);
        if (!_hasFlags)
        {
            TemplateLeftovers.TryDelete(old);
        }

        return true;

        int Undo() => _hasFlags ? _calls.Swap(Path, _target)
            : _calls.Rename(_target, Path) is var error and not 0 ? error
            : _calls.Rename(old, _target);
    }

    /// <summary>Syncs the folder that the template is in now. When that fails it is taken out again, and when that fails too it is there.</summary>
    private void SyncOrUndo(string parent, Func<int> undo)
    {
        try
        {
            SyncFolder(parent);
        }
        catch (IOException) when (undo() != 0)
        {
            // There is a template, so nobody may act as if there were none; a crash might lose it.
        }
    }

    /// <summary>Whether the file system knows renameat2's flags that will be needed. It is tried, on names of our own.</summary>
    private bool HasFlags(bool replace)
    {
        string other = TemplateLeftovers.NewPath(_target);
        if (_calls.RenameNew(Path, other) != 0)
        {
            return false;
        }

        ThrowIfFailed(_calls.Rename(other, Path), "rename");
        if (!replace)
        {
            return true;
        }

        Directory.CreateDirectory(other);
        try
        {
            return _calls.Swap(Path, other) == 0 && _calls.Swap(Path, other) == 0;
        }
        finally
        {
            Directory.Delete(other);
        }
    }

    private void SyncFolder(string path)
    {
        // Some file systems have nothing to sync of a folder, and say so.
        int error = _calls.SyncFolder(path);
        if ((Errno)error is not (Errno.EINVAL or Errno.EPERM or Errno.EOPNOTSUPP or Errno.ENOSYS))
        {
            ThrowIfFailed(error, "fsync");
        }
    }

    private static void ThrowIfFailed(int error, string call)
    {
        if (error != 0)
        {
            throw new IOException($"{call}: {Marshal.GetPInvokeErrorMessage(error)}", error);
        }
    }
}
