using System.Net;

namespace PsVm;

/// <summary>A network interface of a guest, as its agent sees it.</summary>
/// <param name="Guest">The guest's name.</param>
/// <param name="Name">The interface's name, such as <c>eth0</c>.</param>
public sealed record GuestNetworkInterface(string Guest, string Name)
{
    /// <summary>Its MAC address, such as <c>52:54:00:12:34:56</c>; null: it has none.</summary>
    public string? HardwareAddress { get; init; }

    /// <summary>Its addresses, of both versions of IP.</summary>
    public IReadOnlyList<GuestNetworkAddress> Addresses { get; init => field = ValueList.Of(value); } =
        ValueList.Of<GuestNetworkAddress>([]);
}

/// <summary>An address of a guest.</summary>
/// <param name="Address">The address.</param>
/// <param name="PrefixLength">Bits of it that its network has in common.</param>
public sealed record GuestNetworkAddress(IPAddress Address, int PrefixLength)
{
    /// <summary>As people write it: <c>10.0.2.15/24</c>.</summary>
    public override string ToString() => $"{Address}/{PrefixLength}";
}
