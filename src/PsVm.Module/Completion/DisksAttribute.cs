using System.Management.Automation;

namespace PsVm.Module.Completion;

/// <summary>
/// Takes disks as paths of images, as files, as dictionaries such as <c>@{ Path = 'root.img'; ReadOnly = $true }</c>, as rows, or as disks
/// of guests.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class DisksAttribute() : OptionsAttribute<GuestDiskOptions>(
    "disk",
    nameof(GuestDiskOptions.Path),
    nameof(GuestDiskOptions.Name),
    nameof(GuestDiskOptions.ReadOnly),
    nameof(GuestDiskOptions.FileAccessMode),
    nameof(GuestDiskOptions.Overlay))
{
    private const string OverlayWords = "as Overlay of a disk Auto, None, Memory, or the path of a file";

    /// <inheritdoc/>
    private protected override GuestDiskOptions Empty { get; } = new() { Path = string.Empty };

    /// <inheritdoc/>
    private protected override GuestDiskOptions Of(object? value) => value switch
    {
        GuestDisk disk => disk.ToOptions(),
        string { Length: > 0 } path => new GuestDiskOptions { Path = path },
        FileSystemInfo file => new GuestDiskOptions { Path = file.FullName },
        _ => throw Wrong($"a disk such as 'root.img' or @{{ Path = 'root.img'; ReadOnly = $true }}, found '{VisibleText.Of($"{value}")}'"),
    };

    /// <inheritdoc/>
    private protected override GuestDiskOptions With(GuestDiskOptions options, string property, object? value) => property switch
    {
        nameof(options.Path) => options with { Path = PathOf(value) ?? string.Empty },
        nameof(options.Name) => options with { Name = TextOf(value) },
        nameof(options.ReadOnly) => options with { ReadOnly = SwitchOf(value) },
        nameof(options.FileAccessMode) => options with { FileAccessMode = Arguments.FileAccessMode.Parse($"{value}").Value },
        _ when value is bool => throw Wrong($"{OverlayWords}, found {value}"),
        _ => WithOverlay(options, PathOf(value) ?? string.Empty),
    };

    /// <inheritdoc/>
    private protected override string? Missing(GuestDiskOptions options, IReadOnlySet<string> said) =>
        options.Path.Length > 0 ? null : "the Path of its image";

    /// <summary>The name of a place, or the path of a file; one of such a name is <c>./memory</c>.</summary>
    private static GuestDiskOptions WithOverlay(GuestDiskOptions options, string overlay) =>
        Enum.TryParse(overlay, ignoreCase: true, out DiskOverlay place) && Enum.IsDefined(place) && place != DiskOverlay.File
            && !char.IsAsciiDigit(overlay[0])
            ? options with { Overlay = place }
            : overlay.Length > 0 && !overlay.Equals(nameof(DiskOverlay.File), StringComparison.OrdinalIgnoreCase)
            ? options with { Overlay = DiskOverlay.File, OverlayPath = overlay }
            : throw Wrong($"{OverlayWords}, found '{VisibleText.Of(overlay)}'");
}
