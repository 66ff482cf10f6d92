using Mono.Unix.Native;
using PsVm.Memory.Native;

namespace PsVm.Memory.Files;

/// <summary>Words for what can be wrong with a file. Pure.</summary>
internal static class FileErrors
{
    /// <summary>stat(2) or statfs(2) failed.</summary>
    public static BackendError ForLook(Errno error, string path) => error switch
    {
        Errno.ENOTDIR => DirectoryNotFound(path),
        Errno.EACCES => AccessDenied(path, "looked at"),
        Errno.ENAMETOOLONG => new(
            MemoryErrorIds.OpenFailed,
            $"'{path}' cannot be looked at: {Errors.Describe(error)}.",
            "Choose a shorter path: most file systems take names of 255 bytes, and Linux takes paths of 4,095."),
        _ => new(MemoryErrorIds.OpenFailed, $"'{path}' cannot be looked at: {Errors.Describe(error)}.", null),
    };

    /// <summary>open(2) failed.</summary>
    public static BackendError ForOpen(FileOpening opening, string path, bool write, bool isDanglingLink, string? hint)
    {
        var how = opening.Creating ? "created" : write ? "opened for writing" : "opened for reading";
        return opening.Error switch
        {
            Errno.EEXIST when isDanglingLink => DanglingLink(path),
            Errno.EEXIST or Errno.EINTR => new(
                MemoryErrorIds.OpenRetriesExhausted,
                $"'{path}' could not be {how} in {RamFileOpening.MaxAttempts} attempts; the last gave {Errors.Describe(opening.Error)}.",
                "See what creates and deletes the file at the same time."),
            Errno.ENOENT when !opening.Creating => NotFound(path),
            Errno.ENOENT or Errno.ENOTDIR => DirectoryNotFound(path),
            Errno.EACCES or Errno.EROFS or Errno.EPERM when opening.Creating => new(
                MemoryErrorIds.DirectoryNotWritable,
                $"No file can be created for '{path}': {Errors.Describe(opening.Error)}.",
                "Use a directory in which this user may create files, or a file that exists."),
            Errno.EACCES when hint is not null => AccessDenied(path, how) with { RecommendedAction = hint },
            Errno.EACCES => AccessDenied(path, how),
            Errno.EROFS => new(
                MemoryErrorIds.ReadOnlyFileSystem,
                $"'{path}' cannot be {how}: its file system is mounted read-only ({Errors.Describe(opening.Error)}).",
                hint ?? "Use private memory, or a file on a writable file system."),
            Errno.EPERM => new(
                MemoryErrorIds.FileImmutable,
                $"'{path}' cannot be {how}: the file is immutable, append-only or sealed ({Errors.Describe(opening.Error)}).",
                hint ?? "Use private memory, or take the attribute off (chattr)."),
            Errno.ETXTBSY => new(
                MemoryErrorIds.FileIsRunning,
                $"'{path}' cannot be {how}: it is a running executable ({Errors.Describe(opening.Error)}).",
                hint ?? "Use another file."),
            Errno.ENOSPC or Errno.EDQUOT => new(
                MemoryErrorIds.FileSystemFull, $"'{path}' cannot be {how}: {Errors.Describe(opening.Error)}.", "Free some space."),
            _ => new(MemoryErrorIds.OpenFailed, $"'{path}' cannot be {how}: {Errors.Describe(opening.Error)}.", null),
        };
    }

    public static BackendError ForGrow(Errno error, string path, long length) => error is Errno.ENOSPC or Errno.EDQUOT
        ? new(MemoryErrorIds.FileSystemFull, $"'{path}' cannot be grown to {ByteSize.ToExactText(length)}: "
            + $"{Errors.Describe(error)}.", "Free some space.")
        : new(MemoryErrorIds.GrowFailed, $"'{path}' cannot be grown from 0 to {ByteSize.ToExactText(length)}: "
            + $"{Errors.Describe(error)}.", null);

    /// <summary>fallocate(2) failed.</summary>
    public static BackendError ForAllocate(Errno error, string path, long length) => new(
        error is Errno.ENOSPC or Errno.EDQUOT ? MemoryErrorIds.FileSystemFull : MemoryErrorIds.PreallocFailed,
        $"{ByteSize.ToExactText(length)} cannot be allocated to '{path}': {Errors.Describe(error)}.",
        "Free some space, or use a smaller Size.");

    public static BackendError NotFound(string path) => new(
        MemoryErrorIds.FileNotFound,
        $"'{path}' does not exist, and a file that is opened ReadOnly is not created.",
        "Create the file, or use Share or FileAccessMode ReadWrite to have it created.");

    public static BackendError DirectoryNotFound(string path) => new(
        MemoryErrorIds.DirectoryNotFound, $"The directory of '{path}' does not exist or is no directory.", "Create the directory.");

    public static BackendError DanglingLink(string path) => new(
        MemoryErrorIds.DanglingLink,
        $"'{path}' is a symbolic link to a file that does not exist.",
        "Create the file that it names, or name it itself.");

    public static BackendError NotRegular(string path, FileKind kind) => new(
        MemoryErrorIds.NotRegularFile, $"'{path}' is a {Describe(kind)}; expected a regular file or a directory.", null);

    public static BackendError DirectoryNeedsReadWrite(string path, string reason) => new(
        MemoryErrorIds.DirectoryNeedsReadWrite,
        $"'{path}' is a directory, in which a new file is made; that needs ReadWrite, but the mode is ReadOnly: {reason}.",
        "Use Share or FileAccessMode ReadWrite, or name a file.");

    private static string Needed(long offset, long size) => offset == 0
        ? $"Size {ByteSize.ToExactText(size)}"
        : $"Offset {ByteSize.ToExactText(offset)} and Size {ByteSize.ToExactText(size)}";

    public static BackendError EmptyReadOnly(string path, long offset, long size) => new(
        MemoryErrorIds.EmptyFileReadOnly,
        $"'{path}' is empty, expected {Needed(offset, size)}, and a file that is open ReadOnly cannot be grown.",
        "Fill the file first, or use Share or FileAccessMode ReadWrite to have it grown.");

    public static BackendError TooSmall(string path, long fileSize, long offset, long size) => new(
        MemoryErrorIds.FileTooSmall,
        $"'{path}' has {ByteSize.ToExactText(fileSize)}; expected {Needed(offset, size)}. A file with content is never grown.",
        "Use a smaller Size or Offset, or grow the file yourself.");

    public static BackendError FileSystemFull(string path, long needed, long available) => new(
        MemoryErrorIds.FileSystemFull,
        $"The file system of '{path}' has {ByteSize.ToExactText(available)} available; the shared memory may come to need "
            + $"{ByteSize.ToExactText(needed)} more.",
        "Free some space, use a smaller Size, or turn Reserve off and accept that the guest dies when the file system is full.");

    /// <summary>Somebody has a lock that forbids this one.</summary>
    /// <summary>Who has a file, in words.</summary>
    /// <param name="process">The process; null: it is not known.</param>
    public static string Holder(int? process) => process is not { } id ? "a process that this user may not look at"
        : id == Environment.ProcessId ? $"process {id} (this one)" : $"process {id}";

    public static BackendError InUse(string path, RamFileLock wanted, string holder) => new(
        MemoryErrorIds.RamFileInUse,
        $"Expected that nobody else {(wanted.Exclusive ? "has" : "writes")} bytes {wanted.Offset} to {wanted.Offset + wanted.Length - 1} "
            + $"of '{path}' "
            + $"mapped, found that {holder} has them locked.",
        wanted.Exclusive
            ? "Use private memory (leave out Share), another file, or remove the other backend first; AllowSharedWriters lets both write."
            : "Remove the backend that writes the file first; AllowSharedWriters maps it all the same.");

    public static BackendError Replaced(string path) => new(
        MemoryErrorIds.RamFileInUse,
        $"Expected at '{path}' the file that was opened, found another one, or none: somebody removed or replaced it at that moment.",
        "Try again.");

    private static BackendError AccessDenied(string path, string how) => new(
        MemoryErrorIds.FileAccessDenied,
        $"'{path}' cannot be {how}: {Errors.Describe(Errno.EACCES)}.",
        "Give this user the permission, or use another file.");

    private static string Describe(FileKind kind) => kind switch
    {
        FileKind.Fifo => "FIFO",
        FileKind.Socket => "socket",
        FileKind.CharacterDevice => "character device",
        FileKind.BlockDevice => "block device",
        _ => kind.ToString(),
    };
}
