namespace PsVm.Machine.Devices.Networks;

/// <summary>An adapter of a guest over its lives: its address, what it leads to, and what it has counted. Safe from any thread.</summary>
/// <param name="address">Its address.</param>
/// <param name="mtu">Most bytes of a packet of IP.</param>
/// <param name="backend">What it leads to; null: nothing. Whoever made it disposes of it.</param>
internal sealed class NetworkAdapter(MacAddress address, int mtu, INetworkBackend? backend)
{
    private ulong _driverAddress = address.Value;
    private string? _fault; // that was told of
    private long _receivedPackets, _receivedBytes, _sentPackets, _sentBytes, _receivedDropped, _sentDropped;

    /// <summary>Its address.</summary>
    public MacAddress Address => address;

    /// <summary>Most bytes of a packet of IP.</summary>
    public int Mtu => mtu;

    /// <summary>What it leads to; null: nothing.</summary>
    public INetworkBackend? Backend => backend;

    /// <summary>What the guest's driver takes for its address: the template's, in a clone, until somebody there sets it.</summary>
    public MacAddress DriverAddress
    {
        get => new(Volatile.Read(ref _driverAddress));
        set
        {
            Volatile.Write(ref _driverAddress, value.Value);
            if (backend is not null)
            {
                backend.DriverAddress = value;
            }
        }
    }

    /// <summary>Told why what it leads to has failed, each time; on any thread.</summary>
    public Action<string>? Failed { get; set; }

    /// <summary>Frames come and go.</summary>
    public bool IsConnected => backend is { Fault: null };

    /// <summary>Packets and bytes each way, and packets that were lost each way.</summary>
    public AdapterCounts Counts => new(
        Interlocked.Read(ref _receivedPackets),
        Interlocked.Read(ref _receivedBytes),
        Interlocked.Read(ref _sentPackets),
        Interlocked.Read(ref _sentBytes),
        Interlocked.Read(ref _receivedDropped) + ((backend as HubPort)?.ReceivedDropped ?? 0),
        Interlocked.Read(ref _sentDropped) + ((backend as HubPort)?.SentDropped ?? 0),
        (backend as HubPort)?.SentSpoofed ?? 0);

    /// <summary>Tells of what it leads to, where that has another fault than when this was asked last.</summary>
    public void TellOfFault()
    {
        string? fault = backend?.Fault;
        if (Interlocked.Exchange(ref _fault, fault) != fault && fault is not null)
        {
            Failed?.Invoke(fault);
        }
    }

    /// <summary>The guest received a packet.</summary>
    /// <param name="bytes">Bytes of its frame.</param>
    public void CountReceived(int bytes)
    {
        Interlocked.Increment(ref _receivedPackets);
        Interlocked.Add(ref _receivedBytes, bytes);
    }

    /// <summary>The guest sent a packet.</summary>
    /// <param name="bytes">Bytes of its frame.</param>
    public void CountSent(int bytes)
    {
        Interlocked.Increment(ref _sentPackets);
        Interlocked.Add(ref _sentBytes, bytes);
    }

    /// <summary>A packet for the guest was lost.</summary>
    public void CountReceivedDropped() => Interlocked.Increment(ref _receivedDropped);

    /// <summary>A packet of the guest's was lost.</summary>
    public void CountSentDropped() => Interlocked.Increment(ref _sentDropped);
}

/// <summary>What an adapter has counted.</summary>
internal readonly record struct AdapterCounts(
    long ReceivedPackets, long ReceivedBytes, long SentPackets, long SentBytes, long ReceivedDropped, long SentDropped, long SentSpoofed);
