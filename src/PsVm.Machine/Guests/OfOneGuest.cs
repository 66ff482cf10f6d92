namespace PsVm.Machine.Guests;

/// <summary>What only one guest can have at a time, so that no two can be started with it.</summary>
internal static class OfOneGuest
{
    /// <summary>Sees to it that guests which are to be alike can be so. Pure.</summary>
    /// <param name="options">What each of them is.</param>
    /// <param name="count">How many there are to be.</param>
    /// <exception cref="GuestException">They are more than one, and only one can have something of that.</exception>
    public static void Check(GuestOptions options, int count)
    {
        if (count > 1 && Find(options) is var (id, what, target, action))
        {
            throw new GuestException(
                id,
                $"Expected for {count} guests what each of them can have, found {what} '{VisibleText.Of(target)}', which only one can.",
                target,
                action);
        }
    }

    private static (string Id, string What, string Target, string Action)? Find(GuestOptions options)
    {
        const string oneByOne = "Start them one by one, each with one of its own";
        foreach (GuestNetworkOptions network in options.Networks)
        {
            if (network.Mac is { } mac)
            {
                return (GuestErrorIds.NetworkMacInUse, "the address", mac, "Leave out Mac: each adapter gets one of its own.");
            }

            if (network.Backend == NetworkBackend.Tap && network.Device is { } device)
            {
                return (GuestErrorIds.TapInUse, "the TAP device", device, $"{oneByOne}, or give Hub or Passt.");
            }

            if (network.Forward is [var forward, ..])
            {
                return (
                    GuestErrorIds.NetworkPortUnavailable,
                    "the forward",
                    forward,
                    $"{oneByOne}, such as Forward = \"$(8080 + $number):80\".");
            }
        }

        if (options.ConsolePorts.FirstOrDefault(port => port.Path is not null) is { Path: { } socket })
        {
            return (
                GuestErrorIds.ConsolePortUnavailable,
                "the socket",
                socket,
                "Leave out Path: each gets a socket in a folder of its own (ConsolePorts).");
        }

        return options.Disks.FirstOrDefault(disk => disk.OverlayPath is not null) is { OverlayPath: { } overlay }
            ? (GuestErrorIds.DiskInUse, "the overlay", overlay, $"{oneByOne}, or leave it out: what each writes stays in memory.")
            : null;
    }
}
