using Microsoft.Win32.SafeHandles;
using PsVm.Memory.Native;
using PsVm.Memory.Options;

namespace PsVm.Memory.Files;

/// <summary>The file of a backend, and what locks it against others.</summary>
/// <param name="opened">How it was opened.</param>
internal sealed class BackendFile(OpenedBackend opened)
{
    private bool _handedOver;

    /// <summary>Which file it was when it was opened; null without a named file.</summary>
    public FileIdentity? Identity =>
        opened.Decision is { Kind: BackendKind.File, IsDirectory: false } ? opened.Facts!.Identity : null;

    /// <summary>What the file that is open is now; null: there is none, or it cannot be looked at.</summary>
    public FileIdentity? Now => opened.File is { } file ? FileFacts.Identify(file.Fd) : null;

    /// <summary>Others may map it: it is only read, or was handed over.</summary>
    private RamFileLock ReaderLock => RamFileLock.For(opened.Options) with { Exclusive = false };

    /// <summary>It is a file that the backend writes through a shared mapping.</summary>
    public bool IsMappedSharedWritable(FileIdentity file) =>
        opened.Decision is { Kind: BackendKind.File, Options: { Share: true, ReadOnly: false } } && opened.Facts!.Identity.IsSameFile(file);

    /// <summary>It is a file that the backend keeps others from locking so.</summary>
    public bool IsLockedAgainst(FileIdentity file, RamFileLock wanted) => Identity is { } own && own.IsSameFile(file)
        && (_handedOver ? ReaderLock : RamFileLock.For(opened.Options)).ConflictsWith(wanted);

    /// <summary>Another descriptor of the open file; null: there is no file.</summary>
    public SafeFileHandle? Duplicate() => opened.File?.Duplicate();

    /// <summary>The file opened once more, to be written; null: there is no file.</summary>
    public SafeFileHandle? Reopen() => opened.File?.Reopen();

    /// <summary>Lets others map what only this backend could write until now: nobody writes it any more.</summary>
    public void HandOver()
    {
        if (Identity is not null)
        {
            _handedOver = true;
            _ = ReaderLock.Take(opened.File!.Fd);
        }
    }

    /// <summary>Who else writes it through a mapping, as locks and marks on it tell; null: nobody.</summary>
    public string? FindOtherWriter()
    {
        if (Identity is not { } own)
        {
            return null;
        }

        int fd = opened.File!.Fd;
        return ReaderLock.Probe(fd).Result == LockResult.InUse ? FileErrors.Holder(ReaderLock.FindHolder(own, fd)) : null;
    }

    /// <summary>Takes its name away if this backend made it, unless another file has the name now.</summary>
    public void UnlinkCreated() => opened.File?.UnlinkCreated();

    /// <summary>Closes it.</summary>
    public void Close() => opened.File?.Dispose();
}
