using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Machine.State;

namespace PsVm.Machine.Templates;

/// <summary>
/// A template that is being written: a folder beside its place, which it takes whole and at once, or goes without a trace.
/// </summary>
internal sealed class TemplateFolder : IDisposable
{
    private const int MostAttempts = 16;

    private readonly string _target;
    private readonly FilePermissions _mode;
    private readonly FolderCalls _calls;
    private readonly NewFolders _newParents;
    private readonly List<(string Name, SafeFileHandle File)> _files = [];
    private readonly HeldFolder? _folder;
    private readonly FolderPlacing? _placing;
    private bool _isPlaced;
    private bool _isOtherPlaced;

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
        _newParents = new NewFolders(calls);
        Path = string.Empty;
        try
        {
            for (int attempt = 1; (_folder = TryMake(isLast: attempt == MostAttempts)) is null; attempt++)
            {
            }

            _placing = FolderPlacing.Of(Path, target, replace, calls);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Makes an empty folder and locks it.</summary>
    /// <param name="isLast">What keeps it from that is an error.</param>
    /// <returns>
    /// Null: others were faster, who give up a folder above that they made, or take this one for a leftover before it is locked.
    /// </returns>
    private HeldFolder? TryMake(bool isLast)
    {
        _newParents.Make(System.IO.Path.GetDirectoryName(_target)!);
        TemplateLeftovers.Sweep(_target, _calls);
        Path = TemplateLeftovers.NewPath(_target);
        HeldFolder? made = HeldFolder.TryMake(Path, out Errno error);
        if (error == Errno.ENOENT && !isLast)
        {
            return null;
        }

        FolderPlacing.ThrowIfFailed((int)error, "mkdir");
        if ((Errno)_calls.Lock(made!) != Errno.EWOULDBLOCK && made!.IsAt(Path))
        {
            return made;
        }

        made!.Remove(Path); // where somebody only looked at it
        made.Dispose();
        return isLast ? throw new IOException("another checkpoint removed the folder; try again") : null;
    }

    /// <summary>Who may read a file that all may read.</summary>
    public const FilePermissions Readable = FilePermissions.S_IRUSR | FilePermissions.S_IRGRP | FilePermissions.S_IROTH;

    /// <summary>Where it is now.</summary>
    public string Path { get; private set; }

    /// <summary>Makes a file, which stays open until the folder is disposed. Nobody else can ever write to it.</summary>
    public SafeFileHandle CreateFile(string name)
    {
        string path = _folder!.In(name);
        int descriptor = Syscall.open(path, OpenFlags.O_RDWR | OpenFlags.O_CREAT | OpenFlags.O_EXCL | OpenFlags.O_CLOEXEC, _mode);
        if (descriptor < 0)
        {
            FolderPlacing.ThrowIfFailed(Marshal.GetLastPInvokeError(), "open");
        }

        SafeFileHandle file = new(descriptor, ownsHandle: true);
        _files.Add((name, file));
        return file;
    }

    /// <summary>Takes all that was written to the disk.</summary>
    public void Seal() => _files.ForEach(file => RandomAccess.FlushToDisk(file.File));

    /// <summary>Takes its place; when that fails, what was there is there again.</summary>
    /// <param name="replace">What is there, a template, goes; else there must be nothing.</param>
    /// <param name="isExpected">Whether a template that would go is the one that may; null: any is.</param>
    /// <returns>False: there is something else, which stays.</returns>
    /// <exception cref="IOException">The file system cannot.</exception>
    public bool Commit(bool replace, Func<HeldFolder, bool>? isExpected = null)
    {
        FolderPlacing.Sync(_folder!, _calls);
        if (!_folder!.IsAt(Path))
        {
            throw new IOException($"somebody moved '{Path}' away, in which the template was written");
        }

        return _isPlaced = _placing!.Take(replace && Directory.Exists(_target), isExpected);
    }

    /// <summary>Lets a template of the same file system take the place instead, as <see cref="Commit"/> does.</summary>
    /// <param name="template">Its folder.</param>
    /// <param name="replace">What is there, a template, goes; else there must be nothing.</param>
    /// <returns>
    /// False: there is something else, which stays. Null: the template is on another file system, so that only a copy can.
    /// </returns>
    /// <exception cref="IOException">The file system cannot.</exception>
    public bool? CommitOther(string template, bool replace)
    {
        try
        {
            return _isOtherPlaced = _placing!.For(template).Take(replace && Directory.Exists(_target));
        }
        catch (IOException failure) when (failure.HResult == (int)Errno.EXDEV)
        {
            return null;
        }
    }

    /// <summary>Removes what was made and has not taken its place: these files and folders, whatever has their names by now.</summary>
    public void Dispose()
    {
        foreach ((string name, SafeFileHandle file) in _files)
        {
            if (!_isPlaced)
            {
                _folder!.Remove(name, file);
            }

            file.Dispose();
        }

        if (!_isPlaced)
        {
            // What somebody else put there stays, and so does what it is in.
            _folder?.Remove(Path);
        }

        if (!_isPlaced && !_isOtherPlaced)
        {
            _newParents.Remove();
        }

        _folder?.Dispose(); // and its lock, which kept sweeps away
        _newParents.Dispose();
    }
}
