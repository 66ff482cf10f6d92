using Mono.Unix.Native;

namespace PsVm.Memory.Files;

/// <summary>How an attempt to open went. The descriptor is -1 when it failed, and when it was only foretold.</summary>
/// <param name="Error">errno; 0 for success.</param>
/// <param name="Fd">The descriptor.</param>
/// <param name="Creating">The attempt was to create the file.</param>
internal readonly record struct FileOpening(Errno Error, int Fd = -1, bool Creating = false);

/// <summary>Opens files, or foretells how that would go: the one difference between New-MemoryBackend and Test-BackendOptions.</summary>
internal interface IFileOpener
{
    /// <summary>Opens what exists.</summary>
    FileOpening Open(string path, bool write);

    /// <summary>Creates what does not exist (O_EXCL, 0644).</summary>
    FileOpening Create(string path);

    /// <summary>Creates a file in a directory and unlinks it at once.</summary>
    FileOpening CreateUnlinked(string directory);

    /// <summary>Locks what is open, or asks whether the file at the path could be locked.</summary>
    /// <param name="path">The file.</param>
    /// <param name="fd">It, when it is open.</param>
    /// <param name="wanted">The lock.</param>
    (LockResult Result, Errno Error) Lock(string path, int fd, RamFileLock wanted);
}
