namespace PsVm.Machine.Devices.Networks;

/// <summary>
/// Where a network adapter's frames go and come from. Safe from any thread; never waits. All back ends carry the same: what a guest leaves
/// to others (checksums, segments) is done by the back end that cannot leave it to the next.
/// </summary>
internal interface INetworkBackend : IDisposable
{
    /// <summary>Bytes of the header before each frame: that of VIRTIO 1.2, section 5.1.6, with the number of buffers.</summary>
    public const int HeaderSize = 12;

    /// <summary>Bytes of the longest packet: header, Ethernet header with a VLAN tag, and 64 KiB of IP.</summary>
    public const int MostPacket = HeaderSize + 18 + 65535;

    /// <summary>
    /// What to call, from any thread and outside of all locks, when a packet may be there after <see cref="TryReceive"/> had none, or room
    /// after <see cref="TrySend"/> had none, and when <see cref="Fault"/> has changed. It is short.
    /// </summary>
    Action? Ready { set; }

    /// <summary>Why frames go nowhere now, for operators; null: they go.</summary>
    string? Fault { get; }

    /// <summary>
    /// How often what it leads to has begun anew, and has forgotten the guest's addresses: the guest is to announce them.
    /// </summary>
    int Restarts => 0;

    /// <summary>
    /// What the driver takes for the adapter's address, whenever that changes: the template's, in a clone, until somebody there sets it.
    /// </summary>
    MacAddress DriverAddress
    {
        set { }
    }

    /// <summary>Sends a packet. One that makes no sense is dropped and counts as sent.</summary>
    /// <param name="packet">Header and frame.</param>
    /// <returns>False: there is no room now.</returns>
    bool TrySend(ReadOnlySpan<byte> packet);

    /// <summary>Receives a packet.</summary>
    /// <param name="packet">Takes header and frame; room for <see cref="MostPacket"/>.</param>
    /// <returns>Bytes of it; 0: there is none now.</returns>
    int TryReceive(Span<byte> packet);
}
