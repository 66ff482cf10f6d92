using PsVm.Machine.Devices.Networks;

namespace PsVm.Machine.Board.Slots;

/// <summary>Makes what adapters lead to: the one place that knows all back ends.</summary>
internal static class NetworkBackends
{
    /// <summary>Most bytes of a packet of IP where nothing is said.</summary>
    public static int UsualMtuOf(NetworkBackend backend) => backend == NetworkBackend.Passt ? PasstNetwork.UsualMtu : NetworkKind.UsualMtu;

    /// <summary>Checks what a back end alone knows of its options. Pure.</summary>
    /// <param name="options">What is asked for, its name too.</param>
    /// <exception cref="GuestException">It contradicts itself (<see cref="GuestErrorIds.NetworkOptionConflict"/>).</exception>
    public static void Check(GuestNetworkOptions options)
    {
        IReadOnlyList<PortForward> forwards = ForwardsOf(options);
        if (forwards.GroupBy(forward => (forward.IsUdp, forward.HostPort)).FirstOrDefault(same => same.Count() > 1) is { } twice)
        {
            throw Conflict(
                options,
                "each port of the host to lead to one of the guest's",
                $"{twice.First().HostPort} twice",
                "Give each another port of the host.");
        }
    }

    /// <summary>
    /// Makes one; where it is only found out whether that could be had (<see cref="GuestDeviceHost.OnlyLooks"/>), it changes nothing.
    /// </summary>
    /// <param name="options">What is asked for, its name too.</param>
    /// <param name="address">The adapter's address.</param>
    /// <param name="mtu">Most bytes of a packet of IP.</param>
    /// <param name="host">What the host has for it.</param>
    /// <returns>The back end; null: it was only looked for.</returns>
    /// <exception cref="GuestException">It cannot be had.</exception>
    public static INetworkBackend? Open(GuestNetworkOptions options, MacAddress address, int mtu, GuestDeviceHost host)
    {
        string name = options.Name!;
        switch (options.Backend)
        {
            case NetworkBackend.Passt when host.OnlyLooks:
                PasstNetwork.Check(name, ForwardsOf(options));
                return null;
            case NetworkBackend.Passt:
                return new PasstNetwork(name, mtu, ForwardsOf(options));
            case NetworkBackend.Tap when host.OnlyLooks:
                TapNetwork.Check(name, options.Device!);
                return null;
            case NetworkBackend.Tap:
                return new TapNetwork(name, options.Device!);
            default:
                return host.Networks.Join(options.Hub ?? NetworkKind.UsualHub, address);
        }
    }

    private static IReadOnlyList<PortForward> ForwardsOf(GuestNetworkOptions options) =>
    [
        .. options.Forward.Select(text => PortForward.TryParse(text) ?? throw Conflict(
            options, $"forwards of the form {PortForward.Form}", $"'{VisibleText.Of(text)}'", "Give both ports, each from 1 to 65535.")),
    ];

    private static GuestException Conflict(GuestNetworkOptions options, string expected, string found, string action) => new(
        GuestErrorIds.NetworkOptionConflict,
        $"Network adapter '{options.Name}': expected {expected}, found {found}.",
        options.Name,
        action);
}
