using System.Management.Automation;

namespace PsVm.Module.Completion;

/// <summary>
/// Takes devices of other processes as <c>fs:/run/fs.sock</c> or <c>block:/run/disk.sock</c>, as dictionaries such as
/// <c>@{ Kind = 'FileSystem'; Tag = 'src'; Path = './src' }</c>, or as rows.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class VhostUserAttribute() : OptionsAttribute<GuestVhostUserOptions>(
    "device",
    nameof(GuestVhostUserOptions.Kind),
    nameof(GuestVhostUserOptions.Tag),
    nameof(GuestVhostUserOptions.Socket),
    nameof(GuestVhostUserOptions.Path),
    nameof(GuestVhostUserOptions.Format),
    nameof(GuestVhostUserOptions.ReadOnly),
    nameof(GuestVhostUserOptions.Daemon),
    nameof(GuestVhostUserOptions.Arguments))
{
    private const string FileSystem = "fs:", Block = "block:";

    /// <inheritdoc/>
    private protected override GuestVhostUserOptions Empty { get; } = new() { Kind = default };

    /// <inheritdoc/>
    private protected override GuestVhostUserOptions Of(object? value) => value switch
    {
        string text when text.StartsWith(FileSystem, StringComparison.OrdinalIgnoreCase) && text.Length > FileSystem.Length =>
            new GuestVhostUserOptions { Kind = VhostUserKind.FileSystem, Socket = text[FileSystem.Length..] },
        string text when text.StartsWith(Block, StringComparison.OrdinalIgnoreCase) && text.Length > Block.Length =>
            new GuestVhostUserOptions { Kind = VhostUserKind.Block, Socket = text[Block.Length..] },
        _ => throw Wrong(
            "a device such as 'fs:/run/fs.sock', 'block:/run/disk.sock' or @{ Kind = 'FileSystem'; Tag = 'src'; Path = './src' }, "
            + $"found '{VisibleText.Of($"{value}")}'"),
    };

    /// <inheritdoc/>
    private protected override GuestVhostUserOptions With(GuestVhostUserOptions options, string property, object? value) => property switch
    {
        nameof(options.Kind) => options with { Kind = Arguments.VhostUserKind.Parse(PathOf(value) ?? string.Empty).Value },
        nameof(options.Tag) => options with { Tag = PathOf(value) },
        nameof(options.Socket) => options with { Socket = PathOf(value) },
        nameof(options.Path) => options with { Path = PathOf(value) },
        nameof(options.Format) => options with { Format = PathOf(value) },
        nameof(options.ReadOnly) => options with { ReadOnly = SwitchOf(value) },
        nameof(options.Daemon) => options with { Daemon = PathOf(value) },
        _ => options with { Arguments = LanguagePrimitives.ConvertTo<string[]>(value) ?? [] },
    };

    /// <inheritdoc/>
    private protected override string? Missing(GuestVhostUserOptions options, IReadOnlySet<string> said) =>
        said.Contains(nameof(options.Kind)) ? null : "its Kind, FileSystem or Block";
}
