using System.Collections;
using System.Management.Automation;

namespace PsVm.Module.Completion;

/// <summary>Takes disks as paths of images, as files, as dictionaries such as <c>@{ Path = 'root.img'; ReadOnly = $true }</c>, as rows, or as disks of guests.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class DisksAttribute : ArgumentTransformationAttribute
{
    private static readonly string[] s_properties =
    [
        nameof(GuestDiskOptions.Path), nameof(GuestDiskOptions.Name), nameof(GuestDiskOptions.ReadOnly), nameof(GuestDiskOptions.FileAccessMode),
        nameof(GuestDiskOptions.Overlay),
    ];

    /// <inheritdoc/>
    public override object Transform(EngineIntrinsics engineIntrinsics, object? inputData)
    {
        object? value = Unwrapped(inputData);
        return (value is IList several ? several.Cast<object?>() : [value]).Select(item => ToOptions(Unwrapped(item))).ToArray();
    }

    private static object? Unwrapped(object? value) => value is PSObject { BaseObject: not PSCustomObject } wrapped ? wrapped.BaseObject : value;

    private static GuestDiskOptions ToOptions(object? value) => value switch
    {
        GuestDiskOptions options => options,
        GuestDisk disk => disk.ToOptions(),
        string { Length: > 0 } path => new GuestDiskOptions { Path = path },
        FileSystemInfo file => new GuestDiskOptions { Path = file.FullName },
        IDictionary pairs => Of(pairs.Cast<DictionaryEntry>().Select(pair => ($"{pair.Key}", pair.Value))),
        PSObject row => Of(row.Properties.Select(property => (property.Name, (object?)property.Value))),
        _ => throw Wrong($"a disk such as 'root.img' or @{{ Path = 'root.img'; ReadOnly = $true }}, found '{VisibleText.Of($"{value}")}'"),
    };

    private static GuestDiskOptions Of(IEnumerable<(string Name, object? Value)> properties)
    {
        GuestDiskOptions options = new() { Path = string.Empty };
        foreach ((string name, object? given) in properties)
        {
            object? value = Unwrapped(given);
            try
            {
                options = s_properties.FirstOrDefault(property => property.Equals(name, StringComparison.OrdinalIgnoreCase)) switch
                {
                    nameof(options.Path) => options with { Path = value is FileSystemInfo file ? file.FullName : $"{value}" },
                    nameof(options.Name) => options with { Name = $"{value}" is { Length: > 0 } text ? text : null },
                    nameof(options.ReadOnly) => options with { ReadOnly = LanguagePrimitives.ConvertTo<bool>(value) },
                    nameof(options.FileAccessMode) => options with { FileAccessMode = Arguments.FileAccessMode.Parse($"{value}").Value },
                    nameof(options.Overlay) => WithOverlay(options, value is FileSystemInfo file ? file.FullName : $"{value}"),
                    _ => throw Wrong($"of a disk {string.Join(", ", s_properties)}, found '{VisibleText.Of(name)}'.{NearestName.Hint(name, s_properties)}"),
                };
            }
            catch (Exception wrong) when (wrong is ArgumentException or PSInvalidCastException)
            {
                throw new ArgumentTransformationMetadataException($"{name} of a disk: {wrong.Message}");
            }
        }

        return options.Path.Length > 0 ? options : throw Wrong("of a disk the Path of its image, found none");
    }

    /// <summary>The name of a place, or the path of a file; one of such a name is <c>./memory</c>.</summary>
    private static GuestDiskOptions WithOverlay(GuestDiskOptions options, string overlay) =>
        Enum.TryParse(overlay, ignoreCase: true, out DiskOverlay place) && Enum.IsDefined(place) && place != DiskOverlay.File && !char.IsAsciiDigit(overlay[0])
            ? options with { Overlay = place }
            : overlay.Length > 0 && !overlay.Equals(nameof(DiskOverlay.File), StringComparison.OrdinalIgnoreCase)
            ? options with { Overlay = DiskOverlay.File, OverlayPath = overlay }
            : throw Wrong($"as Overlay of a disk Auto, None, Memory, or the path of a file, found '{VisibleText.Of(overlay)}'");

    private static ArgumentTransformationMetadataException Wrong(string what) => new($"Expected {what.TrimEnd('.')}.");
}
