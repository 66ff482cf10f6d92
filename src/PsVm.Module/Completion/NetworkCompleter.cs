using PsVm.Module.Hosting;

namespace PsVm.Module.Completion;

/// <summary>Completes what a network adapter may lead to: the back ends, and the hubs that guests are on.</summary>
internal sealed class NetworkCompleter : ValueCompleter
{
    /// <inheritdoc/>
    private protected override IEnumerable<Choice> Choices(string start) =>
    [
        new Choice(nameof(NetworkBackend.Hub), "a segment of this host's guests alone, 'default'; Hub:NAME is another"),
        .. ModuleServices.Guests.List()
            .SelectMany(guest => guest.Networks.Where(
                adapter => adapter.Backend == NetworkBackend.Hub).Select(adapter => (adapter.Network, guest.Name)))
            .GroupBy(pair => pair.Network, StringComparer.OrdinalIgnoreCase)
            .Select(hub => new Choice(
                $"{nameof(NetworkBackend.Hub)}:{hub.Key}",
                $"the segment of {string.Join(", ", hub.Select(pair => pair.Name).Distinct())}")),
        new Choice(
            nameof(NetworkBackend.Passt),
            "the host's networks, by a process of passt's, without privileges; Forward leads ports to the guest"),
        new Choice($"{nameof(NetworkBackend.Tap)}:", "a TAP device of the host, by its name, as in Tap:tap0"),
    ];
}
