namespace PsVm;

/// <summary>What an operator asks of a network adapter of a guest (virtio-net).</summary>
/// <remarks>The guest sees the same adapter whatever its frames go to, so a template starts with any.</remarks>
public sealed record GuestNetworkOptions
{
    /// <summary>Where its frames go.</summary>
    public required NetworkBackend Backend { get; init; }

    /// <summary>
    /// What templates and operators know it by: 1 to 20 letters, digits, <c>-._</c>; null: <c>net0</c> and so on, by its place.
    /// </summary>
    public string? Name { get; init; }

    /// <summary>Of <see cref="NetworkBackend.Hub"/>: the name of the segment; null: <c>default</c>.</summary>
    public string? Hub { get; init; }

    /// <summary>Of <see cref="NetworkBackend.Tap"/>: the name of the device on the host, which is there.</summary>
    public string? Device { get; init; }

    /// <summary>
    /// Its address, such as <c>52:54:00:12:34:56</c>, which no other adapter of the host has; null: a random one, or with
    /// <see cref="GuestOptions.KeepIdentity"/> the template's.
    /// </summary>
    public string? Mac { get; init; }

    /// <summary>Most bytes of a packet of IP, 68 to 65535; null: 1500, or the template's.</summary>
    public int? Mtu { get; init; }

    /// <summary>
    /// Of <see cref="NetworkBackend.Passt"/>: ports of the host that lead to the guest's, such as <c>8080:80</c>, <c>2222:22/tcp</c>,
    /// <c>5353:53/udp</c> or <c>127.0.0.1:8080:80</c>.
    /// </summary>
    public IReadOnlyList<string> Forward { get; init => field = ValueList.Of(value); } = ValueList.Of<string>([]);
}

/// <summary>Where the frames of a network adapter go.</summary>
public enum NetworkBackend
{
    /// <summary>A segment of this host's guests, by name; nothing else is on it.</summary>
    Hub,

    /// <summary>The networks of the host, by a process of passt's, which needs no privileges.</summary>
    Passt,

    /// <summary>A TAP device of the host that is there.</summary>
    Tap,
}
