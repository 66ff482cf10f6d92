using Microsoft.Win32.SafeHandles;
using PsVm.Memory.Native;

namespace PsVm.Memory.Files;

/// <summary>
/// An open file with ranges of a block of guest RAM in their places, one descriptor for all blocks that map it. It is locked as RAM files
/// are, so that nobody writes it.
/// </summary>
public sealed class LayerFile : HeldFile
{
    private readonly SafeFileHandle _file;
    private readonly RamFileLock _lock;

    private LayerFile(SafeFileHandle file, string path, RamFileLock taken)
    {
        _file = file;
        _lock = taken;
        Path = path;
    }

    /// <summary>The path that it was opened by.</summary>
    public string Path { get; }

    /// <summary>The open file, while it is held.</summary>
    public SafeFileHandle Handle => _file;

    /// <inheritdoc/>
    public override FileIdentity? Identity => FileFacts.Identify(Fd);

    /// <summary>It is on a file system that may not answer.</summary>
    internal bool IsServed { get; private init; }

    internal int Fd => (int)_file.DangerousGetHandle();

    /// <summary>Takes an open file, and locks it.</summary>
    /// <param name="file">The file, this object's from now on.</param>
    /// <param name="path">Its path.</param>
    /// <param name="size">Bytes of the block.</param>
    /// <exception cref="MemoryBackendException">Somebody writes it (<see cref="MemoryErrorIds.RamFileInUse"/>); it is closed.</exception>
    public static LayerFile Take(SafeFileHandle file, string path, long size)
    {
        ArgumentNullException.ThrowIfNull(file);
        RamFileLock wanted = new(Exclusive: false, 0, size);
        int fd = (int)file.DangerousGetHandle();
        if (wanted.Take(fd).Result == LockResult.InUse)
        {
            BackendError error = FileErrors.InUse(
                path, wanted, FileErrors.Holder(FileFacts.Identify(fd) is { } identity ? wanted.FindHolder(identity, fd) : null));
            file.Dispose();
            throw MemoryBackends.ToException(error, path);
        }

        return new LayerFile(file, path, wanted) { IsServed = FileFacts.Of(fd).FileSystem?.IsServed == true };
    }

    /// <summary>Whether its lock forbids another one of its file.</summary>
    internal bool IsLockedAgainst(FileIdentity file, RamFileLock wanted) =>
        IsOpenAnd(() => _lock.ConflictsWith(wanted) && Identity is { } own && own.IsSameFile(file));

    /// <inheritdoc/>
    protected override void Close() => _file.Dispose();
}
