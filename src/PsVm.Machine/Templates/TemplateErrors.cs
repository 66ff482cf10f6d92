namespace PsVm.Machine.Templates;

/// <summary>Errors that several places give.</summary>
internal static class TemplateErrors
{
    private const int NoSpace = 28; // ENOSPC
    private const int MostLookedAt = 1000;
    private const int QuotaExceeded = 122; // EDQUOT

    private const int NameTooLong = 36; // ENAMETOOLONG

    /// <summary>A file of a template cannot be read.</summary>
    public static GuestException Unreadable(string path, Exception cause) => cause is FileNotFoundException or DirectoryNotFoundException
        ? new GuestException(
            GuestErrorIds.TemplateIncomplete, $"Expected the file '{path}', found none.", path,
            "Take it from a backup, or make the template again.", cause)
        : new GuestException(GuestErrorIds.TemplateUnreadable, $"Expected to read '{path}', found: {cause.Message}", path, null, cause);

    /// <summary>There is no folder where a template should be.</summary>
    public static GuestException NotFound(string folder)
    {
        string? beside = Path.GetDirectoryName(folder);
        string[] templates = In(beside);
        return new(
            GuestErrorIds.TemplateNotFound,
            $"Expected a template's folder at '{folder}', found {(File.Exists(folder) ? "a file" : "nothing")}."
            + NearestName.Hint(Path.GetFileName(folder), templates),
            folder,
            TemplateLeftovers.FindAside(folder) is { } aside
                ? $"It was being replaced when that was cut short, and is at '{aside}': put it back with Move-GuestTemplate."
                : templates.Length > 0 ? $"List the templates that are there: Get-GuestTemplate -Folder '{beside}'."
                : "Make one of a guest: Checkpoint-Guest.");
    }

    /// <summary>There is no folder in which templates could be.</summary>
    public static GuestException WithoutFolder(string folder) => new(
        GuestErrorIds.TemplateNotFound,
        $"Expected a folder with templates at '{folder}', found {(File.Exists(folder) ? "a file" : "nothing")}.",
        folder,
        "Give a folder that is there, such as the one that Checkpoint-Guest's Path lies in.");

    /// <summary>A folder has no description of a template: it is damaged, or one with templates in it.</summary>
    public static GuestException WithoutDescription(string folder, string manifest) => new(
        GuestErrorIds.TemplateIncomplete, $"Expected the file '{manifest}', found none.", folder,
        In(folder) is [var first, ..]
            ? $"Templates are in that folder: name one, as in '{Path.Combine(folder, first)}', or list them with "
                + $"Get-GuestTemplate -Folder '{folder}'."
            : "Take it from a backup, or make the template again.");

    /// <summary>A template, or an archive of some, cannot be written.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="cause">Why.</param>
    /// <param name="what">What it is.</param>
    public static GuestException Unwritable(string path, Exception cause, string what = "template") =>
        (cause.HResult & 0xffff) is NoSpace or QuotaExceeded
        ? new GuestException(
            GuestErrorIds.CheckpointDiskFull,
            $"Expected room for the {what} '{path}', found the disk, or a quota, full.",
            path,
            "Free space, or choose a folder on another file system.",
            cause)
        : new GuestException(
            GuestErrorIds.CheckpointWriteFailed,
            $"Expected to write the {what} '{path}', found: {cause.Message}",
            path,
            (cause.HResult & 0xffff) is NameTooLong || cause is PathTooLongException
                ? "Choose a shorter path: most file systems take names of 255 bytes."
                : null,
            cause);

    // Names of templates in a folder, some when there are many: for who reads an error.
    private static string[] In(string? folder)
    {
        try
        {
            return folder is null
                ? []
                : [.. Directory.EnumerateDirectories(folder).Take(MostLookedAt).Where(GuestTemplates.Exists).Select(
                    path => Path.GetFileName(path)!)
                    .Where(name => !name.StartsWith('.')).Order(StringComparer.Ordinal)];
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>An error as a finding of a test.</summary>
    public static TemplateError ToFinding(PsVmException error) => new(error.ErrorId, error.Message, error.RecommendedAction);
}
