using System.Management.Automation;

namespace PsVm.Module.Completion;

/// <summary>
/// Takes network adapters as <c>Hub</c>, <c>Hub:lan</c>, <c>Passt</c> or <c>Tap:tap0</c>, as dictionaries such as
/// <c>@{ Backend = 'Passt'; Forward = '8080:80' }</c>, as rows, or as adapters of guests.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class NetworksAttribute() : OptionsAttribute<GuestNetworkOptions>(
    "network adapter",
    nameof(GuestNetworkOptions.Backend),
    nameof(GuestNetworkOptions.Name),
    nameof(GuestNetworkOptions.Hub),
    nameof(GuestNetworkOptions.Device),
    nameof(GuestNetworkOptions.Mac),
    nameof(GuestNetworkOptions.Mtu),
    nameof(GuestNetworkOptions.Forward))
{
    /// <inheritdoc/>
    private protected override GuestNetworkOptions Empty { get; } = new() { Backend = default };

    /// <inheritdoc/>
    private protected override GuestNetworkOptions Of(object? value) => value switch
    {
        GuestNetworkAdapter { Options: { } options } => options with { Mac = null }, // no two adapters have the same
        string { Length: > 0 } text => OfText(text),
        _ => throw NotOne($"{value}"),
    };

    /// <inheritdoc/>
    private protected override GuestNetworkOptions With(GuestNetworkOptions options, string property, object? value) => property switch
    {
        nameof(options.Backend) => options with { Backend = Arguments.NetworkBackend.Parse($"{value}").Value },
        nameof(options.Name) => options with { Name = TextOf(value) },
        nameof(options.Hub) => options with { Hub = TextOf(value) },
        nameof(options.Device) => options with { Device = TextOf(value) },
        nameof(options.Mac) => options with { Mac = TextOf(value) },
        nameof(options.Mtu) => options with { Mtu = TextOf(value) is null ? null : LanguagePrimitives.ConvertTo<int>(value) },
        _ => options with { Forward = LanguagePrimitives.ConvertTo<string[]>(value) ?? [] },
    };

    /// <inheritdoc/>
    private protected override string? Missing(GuestNetworkOptions options, IReadOnlySet<string> said) =>
        said.Contains(nameof(options.Backend)) ? null : "its Backend, Hub, Passt or Tap";

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

    private static ArgumentTransformationMetadataException NotOne(string found) => Wrong(
        $"a network adapter such as 'Hub', 'Hub:lan', 'Passt', 'Tap:tap0' or @{{ Backend = 'Passt'; Forward = '8080:80' }}, found "
            + $"'{VisibleText.Of(found)}'");
}
