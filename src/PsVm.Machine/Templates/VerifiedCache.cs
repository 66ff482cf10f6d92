using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Memory;

namespace PsVm.Machine.Templates;

/// <summary>
/// What a user's processes have verified, for those that come after them: a file of the user's alone. Source: docs/template-format.md,
/// "Whose content a RAM file has".
/// </summary>
/// <remarks>
/// It is a hint: where it is missing, not the user's, open to others, or makes no sense, files are read again. Who may write there may
/// change what the user runs as well. A line for each file: device, inode, size, time of change of content and of status in nanoseconds,
/// digest.
/// </remarks>
internal sealed class VerifiedCache
{
    private const string FileName = "verified-files-1";
    private const int MaxLines = 4096;
    private const int MaxBytes = 1 << 20; // twice what so many lines have
    private const FilePermissions ByOthers = FilePermissions.S_IWGRP | FilePermissions.S_IWOTH;

    // A writer that is killed leaves it for that long.
    private static readonly TimeSpan s_writing = TimeSpan.FromMinutes(1);

    // On others the times are somebody else's word: of a server, or of a process.
    private static readonly HashSet<string> s_remembered = ["ext4", "xfs", "btrfs", "zfs", "f2fs", "overlayfs", "tmpfs"];

    private readonly string _folder;
    private readonly string _path;

    private VerifiedCache(string folder)
    {
        _folder = folder;
        _path = Path.Combine(folder, FileName);
    }

    /// <summary>That of this user (XDG Base Directory Specification); null: there is no place for it.</summary>
    /// <param name="variable">The environment.</param>
    public static VerifiedCache? Of(Func<string, string?> variable)
    {
        string? caches = variable("XDG_CACHE_HOME") is { Length: > 0 } named && Path.IsPathRooted(named) ? named
            : variable("HOME") is { Length: > 0 } home && Path.IsPathRooted(home) ? Path.Combine(home, ".cache")
            : null;
        return caches is null ? null : new VerifiedCache(Path.Combine(caches, "psvm"));
    }

    /// <summary>Whether files of a path's file system are remembered.</summary>
    public static bool Remembers(string path) => MemoryBackends.FileSystemOf(path) is { } name && s_remembered.Contains(name);

    /// <summary>Whether a file was found to have a digest.</summary>
    public bool Contains(FileIdentity file, string digest) => Read().Contains(Line(file, digest));

    /// <summary>Notes that it has; another process that does so at the same time may be the one that is heard.</summary>
    public void Add(FileIdentity file, string digest)
    {
        try
        {
            // Not in another user's folder, whose variables a process may have been given.
            Stack<string> missing = new();
            string above = _folder;
            for (; !Path.Exists(above); above = Path.GetDirectoryName(above)!)
            {
                missing.Push(above);
            }

            if (Syscall.stat(above, out Stat stat) != 0 || !IsOwn(stat, FilePermissions.S_IFDIR))
            {
                return;
            }

            while (missing.TryPop(out string? folder))
            {
                _ = Syscall.mkdir(folder, FilePermissions.S_IRWXU); // what comes next says if it could not be made
            }

            // What a file had before is over.
            string same = $"{Number(file.Device)} {Number(file.Inode)} ";
            string[] lines =
                [.. Read().Where(line => !line.StartsWith(same, StringComparison.Ordinal)).TakeLast(MaxLines - 1), Line(file, digest)];
            Replace(string.Join('\n', lines) + "\n");
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // Then it is read again.
        }
    }

    private void Replace(string text)
    {
        string partial = _path + ".partial";
        if (Syscall.lstat(partial, out Stat left) == 0
            && DateTime.UtcNow - DateTime.UnixEpoch.AddSeconds(left.st_mtime) is var age && (age > s_writing || age < -s_writing))
        {
            File.Delete(partial);
        }

        // Another process's, which is writing now, is an error, and stays.
        using SafeFileHandle file = File.OpenHandle(partial, FileMode.CreateNew, FileAccess.Write);
        try
        {
            _ = Syscall.fchmod((int)file.DangerousGetHandle(), FilePermissions.S_IRUSR | FilePermissions.S_IWUSR);
            RandomAccess.Write(file, Encoding.ASCII.GetBytes(text), 0);
            File.Move(partial, _path, overwrite: true);
        }
        catch
        {
            File.Delete(partial);
            throw;
        }
    }

    private string[] Read()
    {
        try
        {
            using SafeFileHandle file = TemplateFile.Open(_path, follow: false);
            return Syscall.fstat((int)file.DangerousGetHandle(), out Stat stat) == 0 && IsOwn(stat, FilePermissions.S_IFREG)
                ? Encoding.ASCII.GetString(TemplateFile.ReadAll(file, MaxBytes)).Split('\n', StringSplitOptions.RemoveEmptyEntries)
                : [];
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>Whether it is this user's, and nobody else may write there.</summary>
    private static bool IsOwn(in Stat stat, FilePermissions type) =>
        (stat.st_mode & FilePermissions.S_IFMT) == type && stat.st_uid == Syscall.geteuid() && (stat.st_mode & ByOthers) == 0;

    private static string Line(FileIdentity file, string digest) =>
        $"{Number(file.Device)} {Number(file.Inode)} {Number(file.Size)} {Number(file.ModifiedNanoseconds)} "
            + $"{Number(file.ChangedNanoseconds)} {digest}";

    private static string Number(IFormattable number) => number.ToString(null, CultureInfo.InvariantCulture);
}
