using System.Collections;
using System.Management.Automation;

namespace PsVm.Module.Completion;

/// <summary>
/// Takes network adapters as <c>Hub</c>, <c>Hub:lan</c>, <c>Passt</c> or <c>Tap:tap0</c>, as dictionaries such as
/// <c>@{ Backend = 'Passt'; Forward = '8080:80' }</c>, as rows, or as adapters of guests.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class NetworksAttribute : ArgumentTransformationAttribute
{
    private static readonly string[] s_properties =
    [
        nameof(GuestNetworkOptions.Backend), nameof(GuestNetworkOptions.Name), nameof(GuestNetworkOptions.Hub), nameof(GuestNetworkOptions.Device),
        nameof(GuestNetworkOptions.Mac), nameof(GuestNetworkOptions.Mtu), nameof(GuestNetworkOptions.Forward),
    ];

    /// <inheritdoc/>
    public override object Transform(EngineIntrinsics engineIntrinsics, object? inputData)
    {
        object? value = Unwrapped(inputData);
        return (value is IList several ? several.Cast<object?>() : [value]).Select(item => ToOptions(Unwrapped(item))).ToArray();
    }

    private static object? Unwrapped(object? value) => value is PSObject { BaseObject: not PSCustomObject } wrapped ? wrapped.BaseObject : value;

    private static GuestNetworkOptions ToOptions(object? value) => value switch
    {
        GuestNetworkOptions options => options,
        GuestNetworkAdapter { Options: { } options } => options with { Mac = null }, // no two adapters have the same
        string { Length: > 0 } text => OfText(text),
        IDictionary pairs => Of(pairs.Cast<DictionaryEntry>().Select(pair => ($"{pair.Key}", pair.Value))),
        PSObject row => Of(row.Properties.Select(property => (property.Name, (object?)property.Value))),
        _ => throw NotOne($"{value}"),
    };

    private static GuestNetworkOptions OfText(string text)
    {
        string[] parts = text.Split(':', 2);
        string? rest = parts.Length == 2 ? parts[1] : null;
        try
        {
            return (Arguments.NetworkBackend.Parse(parts[0]).Value, rest) switch
            {
                (NetworkBackend.Hub, null or { Length: > 0 }) => new GuestNetworkOptions { Backend = NetworkBackend.Hub, Hub = rest },
                (NetworkBackend.Passt, null) => new GuestNetworkOptions { Backend = NetworkBackend.Passt },
                (NetworkBackend.Tap, { Length: > 0 }) => new GuestNetworkOptions { Backend = NetworkBackend.Tap, Device = rest },
                _ => throw NotOne(text),
            };
        }
        catch (ArgumentException)
        {
            throw NotOne(text);
        }
    }

    private static GuestNetworkOptions Of(IEnumerable<(string Name, object? Value)> properties)
    {
        bool hasBackend = false;
        GuestNetworkOptions options = new() { Backend = default };
        foreach ((string name, object? given) in properties)
        {
            object? value = Unwrapped(given);
            string? text = $"{value}" is { Length: > 0 } some ? some : null;
            hasBackend |= name.Equals(nameof(options.Backend), StringComparison.OrdinalIgnoreCase);
            try
            {
                options = s_properties.FirstOrDefault(property => property.Equals(name, StringComparison.OrdinalIgnoreCase)) switch
                {
                    nameof(options.Backend) => options with { Backend = Arguments.NetworkBackend.Parse(text ?? string.Empty).Value },
                    nameof(options.Name) => options with { Name = text },
                    nameof(options.Hub) => options with { Hub = text },
                    nameof(options.Device) => options with { Device = text },
                    nameof(options.Mac) => options with { Mac = text },
                    nameof(options.Mtu) => options with { Mtu = text is null ? null : LanguagePrimitives.ConvertTo<int>(value) },
                    nameof(options.Forward) => options with { Forward = LanguagePrimitives.ConvertTo<string[]>(value) ?? [] },
                    _ => throw Wrong($"of a network adapter {string.Join(", ", s_properties)}, found '{VisibleText.Of(name)}'.{NearestName.Hint(name, s_properties)}"),
                };
            }
            catch (Exception wrong) when (wrong is ArgumentException or PSInvalidCastException)
            {
                throw new ArgumentTransformationMetadataException($"{name} of a network adapter: {wrong.Message}");
            }
        }

        return hasBackend ? options : throw Wrong("of a network adapter its Backend, Hub, Passt or Tap, found none");
    }

    private static ArgumentTransformationMetadataException NotOne(string found) => Wrong(
        $"a network adapter such as 'Hub', 'Hub:lan', 'Passt', 'Tap:tap0' or @{{ Backend = 'Passt'; Forward = '8080:80' }}, found '{VisibleText.Of(found)}'");

    private static ArgumentTransformationMetadataException Wrong(string what) => new($"Expected {what.TrimEnd('.')}.");
}
