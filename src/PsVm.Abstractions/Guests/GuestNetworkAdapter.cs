namespace PsVm;

/// <summary>A network adapter of a guest, as it was when asked.</summary>
public sealed record GuestNetworkAdapter
{
    /// <summary>The guest's name.</summary>
    public required string Guest { get; init; }

    /// <summary>What templates and operators know it by.</summary>
    public required string Name { get; init; }

    /// <summary>Where its frames go; null: nowhere, for a clone was given nothing.</summary>
    public NetworkBackend? Backend { get; init; }

    /// <summary>The segment, or the device of the host; null: it has no such name.</summary>
    public string? Network { get; init; }

    /// <summary>Its address.</summary>
    public required string Mac { get; init; }

    /// <summary>Most bytes of a packet of IP.</summary>
    public int Mtu { get; init; }

    /// <summary>Ports of the host that lead to the guest's.</summary>
    public IReadOnlyList<string> Forward { get; init => field = ValueList.Of(value); } = ValueList.Of<string>([]);

    /// <summary>Frames come and go; else the guest sees that its cable is out.</summary>
    public bool Connected { get; init; }

    /// <summary>Why they do not.</summary>
    public string? LastFailure { get; init; }

    /// <summary>Packets that the guest received; one may hold several segments of TCP.</summary>
    public long ReceivedPackets { get; init; }

    /// <summary>Bytes that the guest received.</summary>
    public long ReceivedBytes { get; init; }

    /// <summary>Packets that the guest sent.</summary>
    public long SentPackets { get; init; }

    /// <summary>Bytes that the guest sent.</summary>
    public long SentBytes { get; init; }

    /// <summary>Packets for the guest that were lost: it did not take them fast enough, or could not.</summary>
    public long ReceivedDropped { get; init; }

    /// <summary>
    /// Packets of the guest's that were lost: they made no sense, had an address that is not the adapter's, or nobody was there.
    /// </summary>
    public long SentDropped { get; init; }

    /// <summary>
    /// Those of them that a hub dropped for an address that is not the adapter's: somebody in the guest sends for another, or bridges.
    /// </summary>
    public long SentSpoofed { get; init; }

    /// <summary>What it takes to have such an adapter again; null: it has no back end.</summary>
    public GuestNetworkOptions? Options { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Name;
}
