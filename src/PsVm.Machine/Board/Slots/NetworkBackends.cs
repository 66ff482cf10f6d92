using PsVm.Machine.Devices.Networks;

namespace PsVm.Machine.Board.Slots;

/// <summary>Makes what adapters lead to: the one place that knows all back ends.</summary>
internal static class NetworkBackends
{
    /// <summary>Checks what a back end alone knows of its options. Pure.</summary>
    /// <param name="options">What is asked for, its name too.</param>
    /// <exception cref="GuestException">It contradicts itself (<see cref="GuestErrorIds.NetworkOptionConflict"/>).</exception>
    public static void Check(GuestNetworkOptions options)
    {
    }

    /// <summary>Makes one; where it is only found out whether that could be had (<see cref="GuestDeviceHost.OnlyLooks"/>), it changes nothing.</summary>
    /// <param name="options">What is asked for, its name too.</param>
    /// <param name="address">The adapter's address.</param>
    /// <param name="mtu">Most bytes of a packet of IP.</param>
    /// <param name="host">What the host has for it.</param>
    /// <exception cref="GuestException">It cannot be had (<see cref="GuestErrorIds.NetworkUnavailable"/>).</exception>
    public static INetworkBackend Open(GuestNetworkOptions options, MacAddress address, int mtu, GuestDeviceHost host) => options.Backend switch
    {
        NetworkBackend.Hub => host.Networks.Join(options.Hub ?? NetworkKind.UsualHub, address),
        _ => throw new GuestException(
            GuestErrorIds.NetworkUnavailable,
            $"Network adapter '{options.Name}': expected the back end Hub, found {options.Backend}, which this version has not.",
            options.Name,
            "Give Hub."),
    };
}
