using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Machine.State;
using PsVm.Memory;
using PsVm.Memory.Native;

namespace PsVm.Machine.Templates;

/// <summary>
/// What is asked of the kernel to put a template into its place. Each answers with errno, 0 for success; tests let it fail.
/// </summary>
internal class FolderCalls
{
    /// <summary>The kernel's.</summary>
    public static FolderCalls Kernel { get; } = new();

    /// <summary>Renames to a name that must be free.</summary>
    public virtual int RenameNew(string from, string to) => KernelCalls.RenameNew(from, to);

    /// <summary>Lets two names change places.</summary>
    public virtual int Swap(string one, string other) => KernelCalls.Swap(one, other);

    /// <summary>Renames; an empty folder that has the new name goes.</summary>
    public virtual int Rename(string from, string to) => ErrnoOf(Stdlib.rename(from, to));

    /// <summary>Takes what a folder says to the disk.</summary>
    public virtual int SyncFolder(HeldFolder folder) => ErrnoOf(Syscall.fsync(folder.Descriptor));

    /// <summary>Changes the permissions of an open file.</summary>
    public virtual int ChangeMode(SafeFileHandle file, FilePermissions mode) =>
        ErrnoOf(Syscall.fchmod((int)file.DangerousGetHandle(), mode));

    /// <summary>Locks a folder against all others, as long as it is held.</summary>
    public virtual int Lock(HeldFolder folder) => KernelCalls.Lock(folder.Descriptor);

    /// <summary>Whether files of a folder cannot be written to, only mapped.</summary>
    public virtual bool IsHugetlbfs(string path) => MemoryBackends.IsHugetlbfs(path);

    private static int ErrnoOf(int result) => result < 0 ? Marshal.GetLastPInvokeError() : 0;
}
