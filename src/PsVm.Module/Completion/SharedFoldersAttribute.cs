using System.Management.Automation;

namespace PsVm.Module.Completion;

/// <summary>
/// Takes shared folders as <c>./src</c>, <c>./src:TAG</c> or <c>./src:TAG:ro</c>, as folders, as dictionaries such as
/// <c>@{ Path = './src'; Tag = 'src'; ReadOnly = $true }</c>, as rows, or as shared folders of guests.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class SharedFoldersAttribute() : OptionsAttribute<GuestSharedFolderOptions>(
    "shared folder",
    nameof(GuestSharedFolderOptions.Path),
    nameof(GuestSharedFolderOptions.Tag),
    nameof(GuestSharedFolderOptions.ReadOnly),
    nameof(GuestSharedFolderOptions.Owners))
{
    /// <inheritdoc/>
    private protected override GuestSharedFolderOptions Empty { get; } = new() { Path = string.Empty };

    /// <inheritdoc/>
    private protected override GuestSharedFolderOptions Of(object? value) => value switch
    {
        GuestSharedFolder folder =>
            folder.ToOptions() ?? throw Wrong($"a shared folder, found that guest '{folder.Guest}' has none at '{folder.Tag}'"),
        string { Length: > 0 } text => Parse(text),
        FileSystemInfo folder => new GuestSharedFolderOptions { Path = folder.FullName },
        _ => throw Wrong(
            $"a shared folder such as './src', './src:TAG' or @{{ Path = './src'; ReadOnly = $true }}, found "
                + $"'{VisibleText.Of($"{value}")}'"),
    };

    /// <inheritdoc/>
    private protected override GuestSharedFolderOptions With(GuestSharedFolderOptions options, string property, object? value) =>
        property switch
    {
        nameof(options.Path) => options with { Path = PathOf(value) ?? string.Empty },
        nameof(options.Tag) => options with { Tag = TextOf(value) },
        nameof(options.ReadOnly) => options with { ReadOnly = SwitchOf(value) },
        _ => options with { Owners = LanguagePrimitives.ConvertTo<SharedFolderOwners>(value) },
    };

    /// <inheritdoc/>
    private protected override string? Missing(GuestSharedFolderOptions options, IReadOnlySet<string> said) =>
        options.Path.Length > 0 ? null : "its Path";

    /// <summary>
    /// A path, behind which a tag may stand, and whether it is read-only; what holds a slash is no tag, such as the path on a drive.
    /// </summary>
    private static GuestSharedFolderOptions Parse(string text)
    {
        string[] parts = text.Split(':');
        bool hasMode = parts.Length > 2 && parts[^1] is "ro" or "rw";
        int tag = hasMode ? parts.Length - 2 : parts.Length - 1;
        return tag < 1 || parts[tag].Length == 0 || parts[tag].Contains('/')
            ? new GuestSharedFolderOptions { Path = text }
            : new GuestSharedFolderOptions
            {
                Path = string.Join(':', parts[..tag]), Tag = parts[tag], ReadOnly = hasMode && parts[^1] is "ro",
            };
    }
}
