using System.Runtime.InteropServices;
using Mono.Unix.Native;
using PsVm.Machine.State;

namespace PsVm.Machine.Templates;

/// <summary>
/// How a folder takes its place on the same file system, whole and at once: with renameat2's flags, or with plain renames where there are
/// none.
/// </summary>
internal sealed class FolderPlacing
{
    private readonly string _folder;
    private readonly string _target;
    private readonly bool _hasFlags;
    private readonly FolderCalls _calls;

    private FolderPlacing(string folder, string target, bool hasFlags, FolderCalls calls)
    {
        _folder = folder;
        _target = target;
        _hasFlags = hasFlags;
        _calls = calls;
    }

    /// <summary>Finds out, before there is anything to lose, in which way a folder can take its place.</summary>
    /// <param name="folder">Where it is: a folder that nobody else uses by this name, since it is tried.</param>
    /// <param name="target">Where it will be.</param>
    /// <param name="replace">It is to take the place of a template that is there.</param>
    /// <param name="calls">The kernel.</param>
    /// <exception cref="IOException">The file system refuses something else.</exception>
    public static FolderPlacing Of(string folder, string target, bool replace, FolderCalls calls) =>
        new(folder, target, HasFlags(folder, target, replace, calls), calls);

    /// <summary>The same way for another folder.</summary>
    public FolderPlacing For(string folder) => new(folder, _target, _hasFlags, _calls);

    /// <summary>Takes the place; when that fails, what was there is there again.</summary>
    /// <param name="replace">What is there, a template, goes; else there must be nothing.</param>
    /// <param name="isExpected">Whether a template that would go is the one that may; null: any is.</param>
    /// <returns>False: there is something else, which stays.</returns>
    /// <exception cref="IOException">The file system cannot.</exception>
    public bool Take(bool replace, Func<HeldFolder, bool>? isExpected = null)
    {
        string parent = Path.GetDirectoryName(_target)!;
        if (replace)
        {
            return Replace(parent, isExpected);
        }

        int error = _hasFlags ? _calls.RenameNew(_folder, _target)
            : Path.Exists(_target) ? (int)Errno.EEXIST
            : _calls.Rename(_folder, _target);
        if ((Errno)error is Errno.EEXIST or Errno.ENOTEMPTY or Errno.ENOTDIR)
        {
            return false;
        }

        ThrowIfFailed(error, "rename");
        _ = TrySync(parent, () => _hasFlags ? _calls.RenameNew(_target, _folder) : _calls.Rename(_target, _folder));
        return true;
    }

    /// <summary>Takes what a folder says to the disk; some file systems have nothing to sync of a folder, and say so.</summary>
    /// <exception cref="IOException">It cannot be.</exception>
    public static void Sync(HeldFolder folder, FolderCalls calls)
    {
        int error = calls.SyncFolder(folder);
        if ((Errno)error is not (Errno.EINVAL or Errno.EPERM or Errno.EOPNOTSUPP or Errno.ENOSYS))
        {
            ThrowIfFailed(error, "fsync");
        }
    }

    /// <summary>As the other, of a path.</summary>
    public static void SyncFolder(string path, FolderCalls calls)
    {
        using HeldFolder? folder = HeldFolder.TryFollow(path, out Errno error);
        ThrowIfFailed((int)error, "open");
        Sync(folder!, calls);
    }

    /// <summary>Throws what a call of the kernel answered.</summary>
    /// <param name="error">errno; 0: nothing is wrong.</param>
    /// <param name="call">The call.</param>
    public static void ThrowIfFailed(int error, string call)
    {
        if (error != 0)
        {
            throw new IOException($"{call}: {Marshal.GetPInvokeErrorMessage(error)}", error);
        }
    }

    /// <summary>Changes places with what is there, looks at it, and changes back if it is no template.</summary>
    private bool Replace(string parent, Func<HeldFolder, bool>? isExpected)
    {
        // Without an exchange there is a moment without a template. What was there has a name then that no sweep takes and every list
        // shows.
        string old = _hasFlags ? _folder : TemplateLeftovers.NewAside(_target);
        if (_hasFlags)
        {
            ThrowIfFailed(_calls.Swap(_folder, _target), "renameat2");
        }
        else
        {
            ThrowIfFailed(_calls.Rename(_target, old), "rename");
            if (_calls.Rename(_folder, _target) is var error and not 0)
            {
                bool isBack = _calls.Rename(old, _target) == 0;
                throw isBack ? new IOException($"rename: {Marshal.GetPInvokeErrorMessage(error)}", error) : Stays(old, error);
            }
        }

        using HeldFolder? replaced = HeldFolder.TryOpen(old, out _);
        if (replaced is null || !TemplateLeftovers.IsTemplate(replaced) || isExpected?.Invoke(replaced) == false)
        {
            return Undo(old) is var error and not 0 ? throw Stays(KeepFromSweeps(old), error) : false;
        }

        if (!TrySync(parent, () => Undo(old)))
        {
            _ = KeepFromSweeps(old); // what a crash would leave, if it took the new one
            return true;
        }

        // Half of it must not be found where a whole template was: it gets a leftover's name first.
        string left = TemplateLeftovers.IsHidden(old) ? old : TemplateLeftovers.NewPath(old);
        TemplateLeftovers.TryDelete(replaced, left == old || _calls.Rename(old, left) == 0 ? left : old);
        return true;
    }

    /// <summary>Changes places back.</summary>
    /// <param name="old">Where what was there is.</param>
    /// <returns>errno; when that is not 0, what came is there.</returns>
    /// <exception cref="IOException">Nothing is there any more; the error says where what was there is.</exception>
    private int Undo(string old)
    {
        int error = _hasFlags ? _calls.Swap(_folder, _target) : _calls.Rename(_target, _folder);
        if (_hasFlags || error != 0)
        {
            return error;
        }

        error = _calls.Rename(old, _target);
        return error != 0 && _calls.Rename(_folder, _target) != 0 ? throw Stays(old, error) : error;
    }

    /// <summary>Gives what was there, and could not be put back, a name that no sweep takes.</summary>
    /// <returns>Where it is.</returns>
    private string KeepFromSweeps(string old)
    {
        string aside = TemplateLeftovers.IsHidden(old) ? TemplateLeftovers.NewAside(_target) : old;
        return aside == old || _calls.Rename(old, aside) == 0 ? aside : old;
    }

    private IOException Stays(string old, int error) =>
        new($"rename: {Marshal.GetPInvokeErrorMessage(error)}; what was at '{_target}' is whole, at '{old}'", error);

    /// <summary>Syncs the folder that the template is in now. When that fails it is taken out again.</summary>
    /// <returns>False: neither can be done. There is a template, so nobody may act as if there were none; a crash might lose it.</returns>
    /// <exception cref="IOException">It cannot be synced, and is not there any more.</exception>
    private bool TrySync(string parent, Func<int> undo)
    {
        try
        {
            SyncFolder(parent, _calls);
            return true;
        }
        catch (IOException)
        {
            if (undo() == 0)
            {
                throw;
            }

            return false;
        }
    }

    /// <summary>Whether the file system knows renameat2's flags that will be needed. It is tried, on names of our own.</summary>
    private static bool HasFlags(string folder, string target, bool replace, FolderCalls calls)
    {
        string other = TemplateLeftovers.NewPath(target);
        if (calls.RenameNew(folder, other) != 0)
        {
            return false;
        }

        ThrowIfFailed(calls.RenameNew(other, folder), "rename");
        if (!replace)
        {
            return true;
        }

        using HeldFolder? empty = HeldFolder.TryMake(other, out Errno error);
        ThrowIfFailed((int)error, "mkdir");
        try
        {
            return calls.Swap(folder, other) == 0 && calls.Swap(folder, other) == 0;
        }
        finally
        {
            empty!.Remove(other);
        }
    }
}
