using System.Collections;
using System.Management.Automation;

namespace PsVm.Module.Completion;

/// <summary>
/// Takes devices of other processes as <c>fs:/run/fs.sock</c> or <c>block:/run/disk.sock</c>, as dictionaries such as
/// <c>@{ Kind = 'FileSystem'; Tag = 'src'; Path = './src' }</c>, or as rows.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class VhostUserAttribute : ArgumentTransformationAttribute
{
    private const string FileSystem = "fs:", Block = "block:";

    private static readonly string[] s_properties =
    [
        nameof(GuestVhostUserOptions.Kind), nameof(GuestVhostUserOptions.Tag), nameof(GuestVhostUserOptions.Socket), nameof(GuestVhostUserOptions.Path),
        nameof(GuestVhostUserOptions.Format), nameof(GuestVhostUserOptions.ReadOnly), nameof(GuestVhostUserOptions.Daemon),
        nameof(GuestVhostUserOptions.Arguments),
    ];

    /// <inheritdoc/>
    public override object Transform(EngineIntrinsics engineIntrinsics, object? inputData)
    {
        object? value = Unwrapped(inputData);
        return (value is IList several ? several.Cast<object?>() : [value]).Select(item => ToOptions(Unwrapped(item))).ToArray();
    }

    private static object? Unwrapped(object? value) => value is PSObject { BaseObject: not PSCustomObject } wrapped ? wrapped.BaseObject : value;

    private static GuestVhostUserOptions ToOptions(object? value) => value switch
    {
        GuestVhostUserOptions options => options,
        string text when text.StartsWith(FileSystem, StringComparison.OrdinalIgnoreCase) && text.Length > FileSystem.Length =>
            new GuestVhostUserOptions { Kind = VhostUserKind.FileSystem, Socket = text[FileSystem.Length..] },
        string text when text.StartsWith(Block, StringComparison.OrdinalIgnoreCase) && text.Length > Block.Length =>
            new GuestVhostUserOptions { Kind = VhostUserKind.Block, Socket = text[Block.Length..] },
        IDictionary pairs => Of(pairs.Cast<DictionaryEntry>().Select(pair => ($"{pair.Key}", pair.Value))),
        PSObject row => Of(row.Properties.Select(property => (property.Name, (object?)property.Value))),
        _ => throw Wrong(
            "a device such as 'fs:/run/fs.sock', 'block:/run/disk.sock' or @{ Kind = 'FileSystem'; Tag = 'src'; Path = './src' }, "
            + $"found '{VisibleText.Of($"{value}")}'"),
    };

    private static GuestVhostUserOptions Of(IEnumerable<(string Name, object? Value)> properties)
    {
        bool hasKind = false;
        GuestVhostUserOptions options = new() { Kind = default };
        foreach ((string name, object? given) in properties)
        {
            object? value = Unwrapped(given);
            string? text = value is FileSystemInfo file ? file.FullName : $"{value}" is { Length: > 0 } some ? some : null;
            hasKind |= name.Equals(nameof(options.Kind), StringComparison.OrdinalIgnoreCase);
            try
            {
                options = s_properties.FirstOrDefault(property => property.Equals(name, StringComparison.OrdinalIgnoreCase)) switch
                {
                    nameof(options.Kind) => options with { Kind = Arguments.VhostUserKind.Parse(text ?? string.Empty).Value },
                    nameof(options.Tag) => options with { Tag = text },
                    nameof(options.Socket) => options with { Socket = text },
                    nameof(options.Path) => options with { Path = text },
                    nameof(options.Format) => options with { Format = text },
                    nameof(options.ReadOnly) => options with { ReadOnly = LanguagePrimitives.ConvertTo<bool>(value) },
                    nameof(options.Daemon) => options with { Daemon = text },
                    nameof(options.Arguments) => options with { Arguments = LanguagePrimitives.ConvertTo<string[]>(value) ?? [] },
                    _ => throw Wrong($"of a device {string.Join(", ", s_properties)}, found '{VisibleText.Of(name)}'.{NearestName.Hint(name, s_properties)}"),
                };
            }
            catch (Exception wrong) when (wrong is ArgumentException or PSInvalidCastException)
            {
                throw new ArgumentTransformationMetadataException($"{name} of a device: {wrong.Message}");
            }
        }

        return hasKind ? options : throw Wrong("of a device its Kind, FileSystem or Block, found none");
    }

    private static ArgumentTransformationMetadataException Wrong(string what) => new($"Expected {what.TrimEnd('.')}.");
}
