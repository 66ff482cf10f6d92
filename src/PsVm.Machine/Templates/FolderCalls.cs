using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Memory;

namespace PsVm.Machine.Templates;

/// <summary>What is asked of the kernel to put a template into its place. Each answers with errno, 0 for success; tests let it fail.</summary>
internal partial class FolderCalls
{
    private const int CurrentDirectory = -100; // AT_FDCWD
    private const uint NoReplace = 1; // RENAME_NOREPLACE
    private const uint Exchange = 2; // RENAME_EXCHANGE
    private const int LockExclusive = 2; // LOCK_EX
    private const int LockNonBlocking = 4; // LOCK_NB

    /// <summary>The kernel's.</summary>
    public static FolderCalls Kernel { get; } = new();

    /// <summary>Renames to a name that must be free.</summary>
    public virtual int RenameNew(string from, string to) => ErrnoOf(RenameAt2(CurrentDirectory, from, CurrentDirectory, to, NoReplace));

    /// <summary>Lets two names change places.</summary>
    public virtual int Swap(string one, string other) => ErrnoOf(RenameAt2(CurrentDirectory, one, CurrentDirectory, other, Exchange));

    /// <summary>Renames; an empty folder that has the new name goes.</summary>
    public virtual int Rename(string from, string to) => ErrnoOf(Stdlib.rename(from, to));

    /// <summary>Takes what a folder says to the disk.</summary>
    public virtual int SyncFolder(string path)
    {
        using SafeFileHandle? folder = OpenFolder(path, out int error);
        return folder is null ? error : ErrnoOf(Syscall.fsync((int)folder.DangerousGetHandle()));
    }

    /// <summary>Changes the permissions of an open file.</summary>
    public virtual int ChangeMode(SafeFileHandle file, FilePermissions mode) => ErrnoOf(Syscall.fchmod((int)file.DangerousGetHandle(), mode));

    /// <summary>Opens a folder and locks it against all others, until the handle is disposed or the process ends.</summary>
    /// <param name="path">The folder; no link.</param>
    /// <param name="error">Why not; 0 for success.</param>
    public virtual SafeFileHandle? Lock(string path, out int error)
    {
        SafeFileHandle? folder = OpenFolder(path, out error);
        if (folder is not null && (error = ErrnoOf(FLock((int)folder.DangerousGetHandle(), LockExclusive | LockNonBlocking))) != 0)
        {
            folder.Dispose();
            folder = null;
        }

        return folder;
    }

    /// <summary>Whether files of a folder cannot be written to, only mapped.</summary>
    public virtual bool IsHugetlbfs(string path) => MemoryBackends.IsHugetlbfs(path);

    private static SafeFileHandle? OpenFolder(string path, out int error)
    {
        // .NET opens no folders.
        int folder = Syscall.open(path, OpenFlags.O_RDONLY | OpenFlags.O_DIRECTORY | OpenFlags.O_NOFOLLOW | OpenFlags.O_CLOEXEC);
        error = ErrnoOf(folder);
        return error == 0 ? new SafeFileHandle(folder, ownsHandle: true) : null;
    }

    private static int ErrnoOf(int result) => result < 0 ? Marshal.GetLastPInvokeError() : 0;

    [LibraryImport("libc", EntryPoint = "renameat2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RenameAt2(int oldFolder, string oldPath, int newFolder, string newPath, uint flags);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int FLock(int descriptor, int operation);
}
