namespace PsVm.Machine.Templates.Travel;

/// <summary>What may be wrong with an archive.</summary>
internal static class ArchiveErrors
{
    /// <summary>There is none at the path.</summary>
    public static GuestException NotFound(string archive, Exception cause) => new(
        GuestErrorIds.ArchiveNotFound, $"Expected an archive at '{archive}', found nothing.",
        archive, "Give a file that Export-GuestTemplate made.", cause);

    /// <summary>It cannot be read.</summary>
    public static GuestException Unreadable(string archive, Exception cause) => new(
        GuestErrorIds.ArchiveUnreadable, $"Expected to read the archive '{archive}', found: {cause.Message}", archive, null, cause);

    /// <summary>It was cut short, or a byte of it is another.</summary>
    public static GuestException Damaged(string archive, string found, Exception? cause = null) => new(
        GuestErrorIds.ArchiveDamaged,
        $"Expected the archive '{archive}' to be whole, found: {found.TrimEnd('.')}.",
        archive,
        "Copy it once more, or export the template again.",
        cause);

    /// <summary>It is none, or holds what no archive of templates may.</summary>
    public static GuestException Invalid(string archive, string expected, string found, Exception? cause = null) => new(
        GuestErrorIds.ArchiveInvalid,
        $"Expected {expected} in the archive '{archive}', found {found.TrimEnd('.')}.",
        archive,
        "Use an archive that Export-GuestTemplate made.",
        cause);

    /// <summary>It is of a newer version.</summary>
    public static GuestException NewerVersion(string archive, uint version) => new(
        GuestErrorIds.ArchiveVersionUnsupported,
        $"Expected an archive of version {ArchiveIndex.Version} or older at '{archive}', found version {version}.",
        archive,
        "Use the version of PsVm that made it.");

    /// <summary>Something is where an archive should come.</summary>
    public static GuestException InUse(string archive, string found) => new(
        GuestErrorIds.ArchivePathInUse, $"Expected nothing at '{archive}', found {found}.", archive,
        "Choose another path, or replace a file with Force.");
}
