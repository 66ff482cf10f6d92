namespace PsVm.Machine.Templates;

/// <summary>Finds the template that a differential one is made on: by its id, wherever it has been moved to.</summary>
internal static class TemplateFinder
{
    /// <summary>Folders that templates' parents are looked for in too, separated by colons.</summary>
    public const string Variable = "PSVM_TEMPLATE_PATH";

    /// <summary>Finds and opens it.</summary>
    /// <param name="child">Path of the differential template.</param>
    /// <param name="expected">What it needs.</param>
    /// <param name="blocks">Its blocks of RAM.</param>
    /// <param name="searchPath">The given folders; those that the variable names follow.</param>
    /// <exception cref="GuestException">There is none, or another one in its place, or it cannot be read.</exception>
    public static TemplateSource Find(
        string child, TemplateParent expected, IReadOnlyList<TemplateRamBlock> blocks, IReadOnlyList<string> searchPath)
    {
        // Opened anew: it may have been replaced since its id was read.
        TemplateSource parent = TemplateSource.Open(FindPath(child, expected, searchPath));
        bool fits = parent.Template.Id == expected.Id
            && parent.Template.RamBlocks.Select(block => block.Size).SequenceEqual(blocks.Select(block => block.Size));
        return fits ? parent : throw Changed(child, expected, parent.Template);
    }

    /// <summary>
    /// Finds it by name beside the child, by name in the given folders (or one of them itself), at the recorded path; then by looking at
    /// all templates beside the child, and at all in the given folders.
    /// </summary>
    /// <param name="child">Path of the differential template.</param>
    /// <param name="expected">What it needs.</param>
    /// <param name="searchPath">The given folders; those that the variable names follow.</param>
    /// <exception cref="GuestException">There is none, or another one in its place, or it cannot be read.</exception>
    public static string FindPath(string child, TemplateParent expected, IReadOnlyList<string> searchPath)
    {
        string beside = Path.GetDirectoryName(child) ?? "/";
        string name = Path.GetFileName(expected.Path);
        string[] folders = [.. searchPath.Concat(Given()).Select(TemplateSource.FullPath).Distinct()];
        string[] likely =
            [Path.Combine(beside, name), .. folders.SelectMany(folder => new[] { Path.Combine(folder, name), folder }), expected.Path];
        GuestTemplate? other = null;
        GuestException? damaged = null;
        foreach (string path in likely.Distinct().Where(Directory.Exists))
        {
            GuestTemplate? found = TryRead(path, ref damaged);
            if (found?.Id == expected.Id)
            {
                return path;
            }

            other = Path.GetFileName(path) == name ? found ?? other : other;
        }

        GuestException? ignored = null;
        return folders.Prepend(beside).SelectMany(SubfoldersOf).FirstOrDefault(path => TryRead(path, ref ignored)?.Id == expected.Id)
            ?? throw damaged ?? (other is null ? NotFound(child, expected, beside, folders) : Changed(child, expected, other));
    }

    private static string[] Given() =>
        (Environment.GetEnvironmentVariable(Variable) ?? string.Empty)
            .Split(':', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static GuestTemplate? TryRead(string path, ref GuestException? damaged)
    {
        try
        {
            return TemplateSource.ReadDescription(path);
        }
        catch (GuestException missing) when (missing.ErrorId is GuestErrorIds.TemplateNotFound or GuestErrorIds.TemplateIncomplete)
        {
            return null;
        }
        catch (GuestException failure)
        {
            damaged ??= failure;
            return null;
        }
    }

    private static IEnumerable<string> SubfoldersOf(string folder)
    {
        try
        {
            return GuestTemplates.Folders(folder).Where(path => File.Exists(Path.Combine(path, TemplateSource.ManifestFile)));
        }
        catch (GuestException)
        {
            return [];
        }
    }

    private static GuestException NotFound(string child, TemplateParent expected, string beside, string[] folders) => new(
        GuestErrorIds.TemplateParentNotFound,
        $"Expected the template that '{child}' is made on, {expected.Id}, in '{beside}', "
        + (folders.Length == 0 ? string.Empty : $"in {string.Join(", in ", folders.Select(folder => $"'{folder}'"))}, ")
        + $"or at '{expected.Path}', found none.",
        child,
        $"Put the parent beside the child, or say where it is: SearchPath, or the variable {Variable}.");

    private static GuestException Changed(string child, TemplateParent expected, GuestTemplate found) => new(
        GuestErrorIds.TemplateParentChanged,
        $"Expected at '{found.Path}' template {expected.Id}, which '{child}' is made on, found template {found.Id}"
        + (found.Id == expected.Id ? " with RAM of other sizes." : "."),
        child,
        $"Put the parent beside the child, or say where it is: SearchPath, or the variable {Variable}.");
}
