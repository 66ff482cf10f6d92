using Mono.Unix.Native;
using PsVm.Machine.State;
using PsVm.Machine.Templates;

namespace PsVm.Machine.Tests.Templates;

/// <summary>A file system as NFS, 9p or FUSE are: no flags of renameat2, nothing to sync of folders.</summary>
/// <param name="answer">What it answers.</param>
internal sealed class PlainFileSystem(Errno answer = Errno.EINVAL) : FolderCalls
{
    public override int RenameNew(string from, string to) => (int)answer;

    public override int Swap(string one, string other) => (int)answer;

    public override int SyncFolder(HeldFolder folder) => (int)answer;
}
