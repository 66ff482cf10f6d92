namespace PsVm.Machine.Templates;

/// <summary>Errors that several places give.</summary>
internal static class TemplateErrors
{
    private const int NoSpace = 28; // ENOSPC
    private const int QuotaExceeded = 122; // EDQUOT

    /// <summary>A file of a template cannot be read.</summary>
    public static GuestException Unreadable(string path, Exception cause) => cause is FileNotFoundException or DirectoryNotFoundException
        ? new GuestException(
            GuestErrorIds.TemplateIncomplete, $"Expected the file '{path}', found none.", path,
            "Take it from a backup, or make the template again.", cause)
        : new GuestException(GuestErrorIds.TemplateUnreadable, $"Expected to read '{path}', found: {cause.Message}", path, null, cause);

    /// <summary>A file of a template cannot be written.</summary>
    public static GuestException Unwritable(string path, Exception cause) => (cause.HResult & 0xffff) is NoSpace or QuotaExceeded
        ? new GuestException(
            GuestErrorIds.CheckpointDiskFull,
            $"Expected room for the template '{path}', found the disk, or a quota, full.",
            path,
            "Free space, or choose a folder on another file system.",
            cause)
        : new GuestException(
            GuestErrorIds.CheckpointWriteFailed, $"Expected to write the template '{path}', found: {cause.Message}", path, null, cause);

    /// <summary>An error as a finding of a test.</summary>
    public static TemplateError ToFinding(PsVmException error) => new(error.ErrorId, error.Message, error.RecommendedAction);
}
