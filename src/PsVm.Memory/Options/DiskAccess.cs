namespace PsVm.Memory.Options;

/// <summary>How a disk's image is to be opened, and why; or why it cannot be.</summary>
/// <param name="Mode">ReadOnly or ReadWrite.</param>
/// <param name="Overlay">None, Memory or File.</param>
/// <param name="Reason">Why, in one line a person can read.</param>
/// <param name="Error">The contradiction, and what to do; null when there is none.</param>
public sealed record DiskAccessResolution(
    FileAccessMode Mode, DiskOverlay Overlay, string Reason, (string Message, string Action)? Error = null);

/// <summary>
/// Decides how a disk's image is opened, and where the guest's writes go. Pure: the same inputs explain themselves the same way, and in the
/// words of <see cref="AccessModeResolver"/>.
/// </summary>
public static class DiskAccess
{
    /// <summary>Decides.</summary>
    /// <param name="options">ReadOnly, FileAccessMode and Overlay decide.</param>
    /// <param name="isClone">The guest starts from a template, on whose disks others start, too.</param>
    public static DiskAccessResolution Resolve(GuestDiskOptions options, bool isClone)
    {
        ArgumentNullException.ThrowIfNull(options);
        (bool readOnly, FileAccessMode mode, DiskOverlay overlay) = (options.ReadOnly, options.FileAccessMode, options.Overlay);
        bool hasFile = options.OverlayPath is not null;
        if (hasFile ? overlay is DiskOverlay.None or DiskOverlay.Memory : overlay == DiskOverlay.File)
        {
            return Refused(
                hasFile ? $"Overlay {overlay} with the file of an overlay." : "Overlay File without a file.",
                hasFile ? "Leave out the one or the other." : "Give the file's path as Overlay.");
        }

        overlay = hasFile ? DiskOverlay.File : overlay;
        return (readOnly, overlay, mode) switch
        {
            (true, DiskOverlay.Memory or DiskOverlay.File, _) => Refused(
                "ReadOnly with an overlay: a disk that the guest cannot write has nothing to keep.",
                "Leave out ReadOnly, or the overlay."),
            (true, _, FileAccessMode.ReadWrite) => Refused(
                "ReadOnly with FileAccessMode ReadWrite: a disk that the guest cannot write needs no writable image.",
                "Leave FileAccessMode at Auto, or leave out ReadOnly."),
            (true, _, FileAccessMode.ReadOnly) => new(
                FileAccessMode.ReadOnly, DiskOverlay.None, "ReadOnly was asked for; the guest cannot write the disk"),
            (true, _, _) => new(FileAccessMode.ReadOnly, DiskOverlay.None, "the guest cannot write the disk"),
            (_, DiskOverlay.None, _) when isClone => Refused(
                "a clone's disk without an overlay: other clones of its template have the image, too.",
                "Leave out Overlay: a clone has one in memory."),
            (_, DiskOverlay.None, FileAccessMode.ReadOnly) => Refused(
                "FileAccessMode ReadOnly without an overlay: what the guest writes has to go somewhere.",
                "Use an overlay in memory, or ReadOnly for a disk that the guest cannot write."),
            (_, DiskOverlay.Memory or DiskOverlay.File, FileAccessMode.ReadWrite) => Refused(
                "FileAccessMode ReadWrite with an overlay: nothing would write the image.",
                "Leave FileAccessMode at Auto, or leave out the overlay."),
            (_, DiskOverlay.Auto, FileAccessMode.ReadWrite) when isClone => Refused(
                "FileAccessMode ReadWrite for a clone's disk: other clones of its template have the image, too.",
                "Leave FileAccessMode at Auto: a clone keeps its writes in memory."),
            (_, DiskOverlay.Memory or DiskOverlay.File, _) => new(
                FileAccessMode.ReadOnly, overlay, "the overlay keeps the guest's writes, so the image stays ReadOnly"),
            (_, DiskOverlay.Auto, FileAccessMode.ReadOnly) =>
                new(FileAccessMode.ReadOnly, DiskOverlay.Memory, "ReadOnly was asked for; an overlay in memory keeps the guest's writes"),
            (_, DiskOverlay.Auto, _) when isClone =>
                new(
                    FileAccessMode.ReadOnly,
                    DiskOverlay.Memory,
                    "a clone keeps its writes in memory, so that the image stays the template's"),
            (_, _, FileAccessMode.ReadWrite) => new(
                FileAccessMode.ReadWrite, DiskOverlay.None, "ReadWrite was asked for; the guest writes the image"),
            _ => new(FileAccessMode.ReadWrite, DiskOverlay.None, "the guest writes the image"),
        };
    }

    private static DiskAccessResolution Refused(string message, string action) =>
        new(FileAccessMode.Auto, DiskOverlay.Auto, message, (message, action));
}
