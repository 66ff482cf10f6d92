using Microsoft.Win32.SafeHandles;

namespace PsVm.Machine.Templates;

/// <summary>What is left of checkpoints that were cut short: folders that no process holds the lock of.</summary>
internal static class TemplateLeftovers
{
    private const string Suffix = ".partial";
    private const int IdLength = 32;

    /// <summary>The name of a folder in which a template is being written.</summary>
    public static string NewPath(string target) =>
        Path.Combine(Path.GetDirectoryName(target)!, $".{Path.GetFileName(target)}.{Guid.NewGuid():N}{Suffix}");

    /// <summary>Those in a folder, by name.</summary>
    public static IEnumerable<string> In(string folder, FolderCalls calls)
    {
        foreach (string path in Find(folder, $".*{Suffix}"))
        {
            // Whoever writes there has the lock.
            using SafeFileHandle? locked = calls.Lock(path, out _);
            if (locked is not null)
            {
                yield return path;
            }
        }
    }

    /// <summary>Removes those beside a template's place; what cannot be removed stays.</summary>
    public static void Sweep(string target, FolderCalls calls)
    {
        foreach (string path in Find(Path.GetDirectoryName(target)!, $".*{Suffix}"))
        {
            using SafeFileHandle? locked = calls.Lock(path, out _);
            if (locked is not null)
            {
                TryDelete(path);
            }
        }
    }

    /// <summary>Removes a folder that holds nothing but a template's files, and nothing else.</summary>
    /// <returns>It is gone.</returns>
    public static bool TryDelete(string path)
    {
        try
        {
            if (!IsTemplateOnly(path))
            {
                return false;
            }

            foreach (string file in Directory.GetFiles(path))
            {
                File.Delete(file);
            }

            Directory.Delete(path);
            return true;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Whether a folder, which is no link, holds files of templates and nothing else.</summary>
    public static bool IsTemplateOnly(string path) => new DirectoryInfo(path).LinkTarget is null
        && new DirectoryInfo(path).EnumerateFileSystemInfos().All(entry => entry is FileInfo && IsTemplateFile(entry.Name));

    /// <summary>Whether there is a template to replace: a folder with a description, and nothing that is none of a template's.</summary>
    public static bool IsTemplate(string path) => File.Exists(Path.Combine(path, TemplateSource.ManifestFile)) && IsTemplateOnly(path);

    private static bool IsTemplateFile(string name) => name is TemplateSource.ManifestFile or TemplateSource.StateFileName
        || (name.StartsWith("ram", StringComparison.Ordinal) && name.EndsWith(".bin", StringComparison.Ordinal)
            && name.Length > "ram.bin".Length && name[3..^4].All(char.IsAsciiDigit));

    private static string[] Find(string folder, string pattern)
    {
        try
        {
            return [.. Directory.GetDirectories(folder, pattern).Where(IsOurs).Order(StringComparer.Ordinal)];
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
