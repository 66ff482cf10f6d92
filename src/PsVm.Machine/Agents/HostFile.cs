using Mono.Unix.Native;

namespace PsVm.Machine.Agents;

/// <summary>Where a file of a guest's goes on the host.</summary>
/// <param name="Path">The path that it is written at; a link there is replaced, not followed.</param>
/// <param name="Shown">The path for errors.</param>
/// <param name="IsProgram">Whoever may read it may run it.</param>
internal sealed record HostPlace(string Path, string Shown, bool IsProgram);

/// <summary>A file of the host that takes its place once all of it is there; else nothing is left of it.</summary>
internal sealed class HostFile : IDisposable
{
    private readonly HostPlace _place;
    private readonly string _partial;
    private readonly FileStream _file;

    /// <summary>Makes it, beside its place.</summary>
    /// <exception cref="IOException">It cannot be made there.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not.</exception>
    public HostFile(HostPlace place)
    {
        _place = place;
        _partial = Path.Combine(Path.GetDirectoryName(place.Path)!, $".{Guid.NewGuid():n}.partial");
        _file = new FileStream(_partial, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0);
    }

    /// <summary>Writes more of it.</summary>
    public void Write(ReadOnlySpan<byte> bytes) => _file.Write(bytes);

    /// <summary>All of it is there: puts it into its place.</summary>
    public void Finish()
    {
        if (_place.IsProgram)
        {
            int descriptor = (int)_file.SafeFileHandle.DangerousGetHandle();
            _ = Syscall.fstat(descriptor, out Stat stat);
            _ = Syscall.fchmod(
                descriptor, (stat.st_mode & FilePermissions.ACCESSPERMS) | (FilePermissions)(((int)stat.st_mode >> 2) & 0b001_001_001));
        }

        _file.Dispose();
        File.Move(_partial, _place.Path, overwrite: true);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        try
        {
            _file.Dispose();
            File.Delete(_partial);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // The folder has gone, or cannot be written any more: there is nothing, or the copy's own error says why.
        }
    }
}
