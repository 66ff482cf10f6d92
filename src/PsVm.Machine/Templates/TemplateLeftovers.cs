using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Machine.State;
using PsVm.Memory;
using PsVm.Memory.Native;

namespace PsVm.Machine.Templates;

/// <summary>
/// What is left of checkpoints and the like that were cut short: folders, and files of archives, that no process holds the lock of.
/// </summary>
internal static class TemplateLeftovers
{
    private const string Suffix = ".partial";
    private const string Aside = ".replaced-";
    private const int IdLength = 32;

    /// <summary>The name of a folder, or a file, in which a template is being written.</summary>
    public static string NewPath(string target) =>
        Path.Combine(Path.GetDirectoryName(target)!, $".{Path.GetFileName(target)}.{Guid.NewGuid():N}{Suffix}");

    /// <summary>
    /// A name for a template that is being replaced, and might have to be put back: one that templates have, so that it stays.
    /// </summary>
    public static string NewAside(string target) => $"{target}{Aside}{Guid.NewGuid():N}";

    /// <summary>Where a template is that was being replaced when a crash came, or the disk failed; null: there is none such.</summary>
    public static string? FindAside(string target)
    {
        try
        {
            return Directory.GetDirectories(Path.GetDirectoryName(target) ?? "/").FirstOrDefault(
                path => path.StartsWith(target + Aside, StringComparison.Ordinal)
                    && path.Length == target.Length + Aside.Length + IdLength);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Whether a path is one that <see cref="NewPath"/> makes.</summary>
    public static bool IsHidden(string path) => path.EndsWith(Suffix, StringComparison.Ordinal) && IsOurs(path);

    /// <summary>Those in a folder, by name.</summary>
    public static IEnumerable<string> In(string folder, FolderCalls calls)
    {
        foreach (string path in Find(folder, Directory.GetDirectories))
        {
            using HeldFolder? left = TryLock(path, calls);
            if (left is not null)
            {
                yield return path;
            }
        }

        foreach (string path in Find(folder, Directory.GetFiles))
        {
            using SafeFileHandle? left = TryLockFile(path);
            if (left is not null)
            {
                yield return path;
            }
        }
    }

    /// <summary>Removes those beside a template's place; what cannot be removed stays.</summary>
    public static void Sweep(string target, FolderCalls calls)
    {
        foreach (string path in Find(Path.GetDirectoryName(target)!, Directory.GetDirectories))
        {
            using HeldFolder? left = TryLock(path, calls);
            if (left is not null)
            {
                TryDelete(left, path);
            }
        }

        using HeldFolder? folder = HeldFolder.TryFollow(Path.GetDirectoryName(target)!, out _);
        foreach (string path in folder is null ? [] : Find(folder.Path, Directory.GetFiles))
        {
            if (TryLockFile(path) is { } left)
            {
                folder!.Remove(Path.GetFileName(path), left);
            }
        }
    }

    /// <summary>Removes a folder that holds nothing but a template's files, and nothing else.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="path">Its name; when something else has that by now, that stays, and so does the folder, empty.</param>
    public static void TryDelete(HeldFolder folder, string path)
    {
        try
        {
            FileSystemInfo[] entries = folder.Entries();
            if (AreTemplateFiles(entries))
            {
                Array.ForEach(entries, file => file.Delete());
                folder.Remove(path);
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // It stays, and is told of by those who list templates.
        }
    }

    /// <summary>Whether a folder holds what only a template has, and nothing else, whatever became of its description.</summary>
    /// <remarks>A lone description or RAM file is no proof: others give their files such names, too.</remarks>
    public static bool IsDamagedTemplate(string path)
    {
        using HeldFolder? folder = HeldFolder.TryOpen(path, out _);
        return folder is not null && IsDamagedTemplate(folder);
    }

    /// <summary>As the other.</summary>
    public static bool IsDamagedTemplate(HeldFolder folder) =>
        (File.Exists(folder.In(TemplateSource.StateFileName)) || File.Exists(folder.In(TemplateSource.ManifestFile)))
        && IsTemplateOnly(folder, atLeast: 2);

    /// <summary>Whether there is a template to replace: a folder with a description, and nothing that is none of a template's.</summary>
    public static bool IsTemplate(string path)
    {
        using HeldFolder? folder = HeldFolder.TryOpen(path, out _);
        return folder is not null && IsTemplate(folder);
    }

    /// <summary>As the other.</summary>
    public static bool IsTemplate(HeldFolder folder) => File.Exists(folder.In(TemplateSource.ManifestFile)) && IsTemplateOnly(folder);

    private static bool IsTemplateOnly(HeldFolder folder, int atLeast = 0)
    {
        try
        {
            FileSystemInfo[] entries = folder.Entries();
            return entries.Length >= atLeast && AreTemplateFiles(entries);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static bool AreTemplateFiles(FileSystemInfo[] entries) =>
        Array.TrueForAll(entries, entry => entry is FileInfo && IsTemplateFile(entry.Name));

    /// <summary>Takes the lock of a folder, which whoever writes there has.</summary>
    private static HeldFolder? TryLock(string path, FolderCalls calls)
    {
        HeldFolder? folder = HeldFolder.TryOpen(path, out _);
        if (folder is not null && calls.Lock(folder) != 0)
        {
            folder.Dispose();
            return null;
        }

        return folder;
    }

    private static bool IsTemplateFile(string name) => name is TemplateSource.ManifestFile or TemplateSource.StateFileName
        || IsNumbered(name, "ram") || IsNumbered(name, "disk");

    private static bool IsNumbered(string name, string what) => name.StartsWith(what, StringComparison.Ordinal)
        && name.EndsWith(".bin", StringComparison.Ordinal) && name.Length > what.Length + ".bin".Length
            && name[what.Length..^4].All(char.IsAsciiDigit);

    /// <summary>Takes the lock of a file, which whoever writes it has.</summary>
    private static SafeFileHandle? TryLockFile(string path)
    {
        // Some file systems lock only what may be written.
        int descriptor = Syscall.open(path, OpenFlags.O_RDWR | OpenFlags.O_NOFOLLOW | OpenFlags.O_CLOEXEC | OpenFlags.O_NONBLOCK);
        descriptor = descriptor >= 0 ? descriptor
            : Syscall.open(path, OpenFlags.O_RDONLY | OpenFlags.O_NOFOLLOW | OpenFlags.O_CLOEXEC | OpenFlags.O_NONBLOCK);
        if (descriptor < 0)
        {
            return null;
        }

        SafeFileHandle file = new(descriptor, ownsHandle: true);
        if (MemoryBackends.Identify(file) is not null && KernelCalls.Lock(descriptor) == 0)
        {
            return file;
        }

        file.Dispose();
        return null;
    }

    private static string[] Find(string folder, Func<string, string, string[]> list)
    {
        try
        {
            return [.. list(folder, $".*{Suffix}").Where(IsOurs).Order(StringComparer.Ordinal)];
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>A name as <see cref="NewPath"/> makes it.</summary>
    private static bool IsOurs(string path)
    {
        ReadOnlySpan<char> name = Path.GetFileName(path.AsSpan())[..^Suffix.Length];
        return name.Length > IdLength + 2 && name[^(IdLength + 1)] == '.' && Guid.TryParseExact(name[^IdLength..], "N", out _);
    }
}
