using System.Collections;
using System.Management.Automation;

namespace PsVm.Module.Completion;

/// <summary>
/// Takes shared folders as <c>./src</c>, <c>./src:TAG</c> or <c>./src:TAG:ro</c>, as folders, as dictionaries such as
/// <c>@{ Path = './src'; Tag = 'src'; ReadOnly = $true }</c>, as rows, or as shared folders of guests.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class SharedFoldersAttribute : ArgumentTransformationAttribute
{
    private static readonly string[] s_properties =
    [
        nameof(GuestSharedFolderOptions.Path), nameof(GuestSharedFolderOptions.Tag), nameof(GuestSharedFolderOptions.ReadOnly),
        nameof(GuestSharedFolderOptions.Owners),
    ];

    /// <inheritdoc/>
    public override object Transform(EngineIntrinsics engineIntrinsics, object? inputData)
    {
        object? value = Unwrapped(inputData);
        return (value is IList several ? several.Cast<object?>() : [value]).Select(item => ToOptions(Unwrapped(item))).ToArray();
    }

    private static object? Unwrapped(object? value) => value is PSObject { BaseObject: not PSCustomObject } wrapped ? wrapped.BaseObject : value;

    private static GuestSharedFolderOptions ToOptions(object? value) => value switch
    {
        GuestSharedFolderOptions options => options,
        GuestSharedFolder folder => folder.ToOptions() ?? throw Wrong($"a shared folder, found that guest '{folder.Guest}' has none at '{folder.Tag}'"),
        string { Length: > 0 } text => Parse(text),
        FileSystemInfo folder => new GuestSharedFolderOptions { Path = folder.FullName },
        IDictionary pairs => Of(pairs.Cast<DictionaryEntry>().Select(pair => ($"{pair.Key}", pair.Value))),
        PSObject row => Of(row.Properties.Select(property => (property.Name, (object?)property.Value))),
        _ => throw Wrong($"a shared folder such as './src', './src:TAG' or @{{ Path = './src'; ReadOnly = $true }}, found '{VisibleText.Of($"{value}")}'"),
    };

    /// <summary>A path, behind which a tag may stand, and whether it is read-only; what holds a slash is no tag, such as the path on a drive.</summary>
    private static GuestSharedFolderOptions Parse(string text)
    {
        string[] parts = text.Split(':');
        bool hasMode = parts.Length > 2 && parts[^1] is "ro" or "rw";
        int tag = hasMode ? parts.Length - 2 : parts.Length - 1;
        return tag < 1 || parts[tag].Length == 0 || parts[tag].Contains('/')
            ? new GuestSharedFolderOptions { Path = text }
            : new GuestSharedFolderOptions { Path = string.Join(':', parts[..tag]), Tag = parts[tag], ReadOnly = hasMode && parts[^1] is "ro" };
    }

    private static GuestSharedFolderOptions Of(IEnumerable<(string Name, object? Value)> properties)
    {
        GuestSharedFolderOptions options = new() { Path = string.Empty };
        foreach ((string name, object? given) in properties)
        {
            object? value = Unwrapped(given);
            try
            {
                options = s_properties.FirstOrDefault(property => property.Equals(name, StringComparison.OrdinalIgnoreCase)) switch
                {
                    nameof(options.Path) => options with { Path = value is FileSystemInfo folder ? folder.FullName : $"{value}" },
                    nameof(options.Tag) => options with { Tag = $"{value}" is { Length: > 0 } text ? text : null },
                    nameof(options.ReadOnly) => options with { ReadOnly = LanguagePrimitives.ConvertTo<bool>(value) },
                    nameof(options.Owners) => options with { Owners = LanguagePrimitives.ConvertTo<SharedFolderOwners>(value) },
                    _ => throw Wrong(
                        $"of a shared folder {string.Join(", ", s_properties)}, found '{VisibleText.Of(name)}'.{NearestName.Hint(name, s_properties)}"),
                };
            }
            catch (PSInvalidCastException wrong)
            {
                throw new ArgumentTransformationMetadataException($"{name} of a shared folder: {wrong.Message}");
            }
        }

        return options.Path.Length > 0 ? options : throw Wrong("of a shared folder its Path, found none");
    }

    private static ArgumentTransformationMetadataException Wrong(string what) => new($"Expected {what.TrimEnd('.')}.");
}
