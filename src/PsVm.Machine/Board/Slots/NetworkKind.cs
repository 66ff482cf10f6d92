using PsVm.Machine.Devices.Networks;
using PsVm.Machine.Devices.Virtio;

namespace PsVm.Machine.Board.Slots;

/// <summary>Network adapters, each with a back end that its guest does not see: hub, passt or TAP.</summary>
internal sealed class NetworkKind : IGuestDeviceKind
{
    /// <summary>What a packet of IP has when nothing else is said, as on Ethernet.</summary>
    public const int UsualMtu = 1500;

    /// <summary>The segment of those that name none.</summary>
    public const string UsualHub = "default";

    private const string RolePrefix = "net:";
    private const int LongestName = 20, LongestHub = 64;
    private const int LeastMtu = 68, MostMtu = 65535; // what the driver may be told: VIRTIO 1.2, section 5.1.4.1

    /// <summary>The role of an adapter.</summary>
    public static string RoleOf(string name) => RolePrefix + name;

    /// <inheritdoc/>
    public IEnumerable<GuestDevicePlan> Plan(GuestOptions options, GuestTemplate? template)
    {
        if (options.Networks.Count == 0 && template is null or { Networks.Count: 0 })
        {
            return [];
        }

        GuestNetworkOptions[] given =
            [.. options.Networks.Select(
                (network, place) => network.Name is null ? network with { Name = NameAt(place, template) } : network)];
        Array.ForEach(given, network => Check(network, isTwice: given.Count(other => other.Name == network.Name) > 1));
        if (template is null)
        {
            return [.. given.Select(
                network => PlanOf(network.Name!, network, network.Mac, network.Mtu ?? NetworkBackends.UsualMtuOf(network.Backend)))];
        }

        Array.ForEach(given, network => CheckAgainst(template, network));
        return
        [
            .. template.Networks.Select(recorded =>
            {
                GuestNetworkOptions? network = Array.Find(given, network => network.Name == recorded.Name) ?? Default(recorded);
                return PlanOf(recorded.Name, network, network?.Mac ?? (options.KeepIdentity ? recorded.Mac : null), recorded.Mtu);
            }),
        ];
    }

    /// <inheritdoc/>
    public Func<VirtioPort, IVirtioDevice>? Show(string role, GuestTemplate template) =>
        template.Networks.FirstOrDefault(network => RoleOf(network.Name) == role) is { } network
            && MacAddress.TryParse(network.Mac, out MacAddress address)
            ? port => new VirtioNet(port, new NetworkAdapter(address, network.Mtu, backend: null))
            : null;

    /// <summary>What a clone has that was given nothing: the segment of its template's guest; null: nothing.</summary>
    private static GuestNetworkOptions? Default(TemplateNetwork recorded) =>
        recorded.Hub is null ? null : new GuestNetworkOptions { Backend = NetworkBackend.Hub, Name = recorded.Name, Hub = recorded.Hub };

    private static GuestDevicePlan PlanOf(string name, GuestNetworkOptions? options, string? mac, int mtu) =>
        new(RoleOf(name), host => Open(name, options, mac, mtu, host));

    private static NetworkInSlot Open(string name, GuestNetworkOptions? options, string? mac, int mtu, GuestDeviceHost host)
    {
        NetworkHubs hubs = host.Networks;
        MacAddress address;
        if (mac is null)
        {
            address = hubs.TakeAny();
        }
        else if (!MacAddress.TryParse(mac, out address) || !hubs.TryTake(address))
        {
            throw new GuestException(
                GuestErrorIds.NetworkMacInUse,
                $"Network adapter '{name}': expected an address that no other adapter of this host has, found {mac}, which one has.",
                mac,
                "Give another, or none: each adapter gets one of its own then. The other goes with its guest: Remove-Guest.");
        }

        try
        {
            NetworkAdapter adapter = new(address, mtu, options is null ? null : NetworkBackends.Open(options, address, mtu, host));
            return new NetworkInSlot(name, options, adapter, hubs);
        }
        catch
        {
            hubs.GiveBack(address);
            throw;
        }
    }

    private static string NameAt(int place, GuestTemplate? template) =>
        place < template?.Networks.Count ? template.Networks[place].Name : $"net{place}";

    private static void Check(GuestNetworkOptions network, bool isTwice)
    {
        bool isName = SlotNames.IsName(network.Name!, LongestName);
        if (!isName || isTwice)
        {
            throw new GuestException(
                GuestErrorIds.NetworkNameInvalid,
                $"Expected names of network adapters of 1 to {LongestName} letters, digits, '-', '.' and '_', each once, found "
                + $"'{VisibleText.Of(network.Name!)}'{(isName ? " twice" : "")}.",
                network.Name,
                "Give other names, or none: adapters are net0, net1 and so on then.");
        }

        bool isOf(NetworkBackend backend) => network.Backend == backend;
        (string Expected, string Found, string Action)? wrong = network switch
        {
            { Hub: not null } when !isOf(NetworkBackend.Hub) =>
                ("Hub with the back end Hub alone", $"it with {network.Backend}", "Leave it out."),
            { Hub: { } hub } when !SlotNames.IsName(hub, LongestHub) =>
                (
                    $"a name of a hub of 1 to {LongestHub} letters, digits, '-', '.' and '_'",
                    $"'{VisibleText.Of(hub)}'",
                    "Give another name."),
            { Device: not null } when !isOf(NetworkBackend.Tap) =>
                ("Device with the back end Tap alone", $"it with {network.Backend}", "Leave it out."),
            { Device: null or "" } when isOf(NetworkBackend.Tap) =>
                ("the Device of the back end Tap", "none", "Name a TAP device that is there: 'Tap:tap0'."),
            { Forward.Count: > 0 } when !isOf(NetworkBackend.Passt) =>
                ("Forward with the back end Passt alone", $"it with {network.Backend}", "Leave it out."),
            { Mac: { } mac } when !MacAddress.TryParse(mac, out _) =>
                ("a MAC address of one adapter, such as 52:54:00:12:34:56", $"'{VisibleText.Of(mac)}'", "Give such a one, or none."),
            { Mtu: < LeastMtu or > MostMtu } => ($"an Mtu of {LeastMtu} to {MostMtu} bytes", $"{network.Mtu}", "Give another, or none."),
            _ => null,
        };
        if (wrong is var (expected, found, action))
        {
            throw new GuestException(
                GuestErrorIds.NetworkOptionConflict,
                $"Network adapter '{network.Name}': expected {expected}, found {found}.",
                network.Name,
                action);
        }

        NetworkBackends.Check(network);
    }

    private static void CheckAgainst(GuestTemplate template, GuestNetworkOptions network)
    {
        string names = SlotNames.List(template.Networks.Select(recorded => recorded.Name));
        TemplateNetwork recorded = template.Networks.FirstOrDefault(recorded => recorded.Name == network.Name) ?? throw new GuestException(
            GuestErrorIds.TemplateNetworkMismatch,
            $"Expected network adapters of template '{template.Path}' ({names}), found '{network.Name}'.",
            template.Path,
            "Name one of those, or none: what its guest found at its start is part of a template's state.");
        if (network.Mtu is { } mtu && mtu != recorded.Mtu)
        {
            throw new GuestException(
                GuestErrorIds.TemplateNetworkMismatch,
                $"Network adapter '{network.Name}': expected the Mtu of template '{template.Path}', {recorded.Mtu}, found {mtu}.",
                template.Path,
                "Leave it out: its guest has read it already. It can take a smaller one by itself (ip link set mtu).");
        }
    }
}
