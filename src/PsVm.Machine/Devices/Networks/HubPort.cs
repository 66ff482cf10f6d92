namespace PsVm.Machine.Devices.Networks;

/// <summary>
/// An adapter's place on a segment. What is for its address alone goes to it alone, what is for several goes to all. The hub learns
/// nothing: an adapter has the address that the host gave it, and what it sends with any other is dropped and counted. A clone that goes on
/// with its template's address has that, too, until its guest sets its own, unless another adapter has it.
/// </summary>
/// <remarks>
/// <para>
/// What waits for an adapter is bounded (<see cref="MostBytes"/>), and what one sender has waiting there by what is free: a flood leaves
/// room for others, and each sender has its turn. What finds no room is dropped and counted; a sender never waits for a receiver.
/// </para>
/// <para>
/// A sender calls under its device's gate. Its receivers are told on another thread, so that no thread ever has the gates of two.
/// </para>
/// </remarks>
internal sealed class HubPort : INetworkBackend, IThreadPoolWorkItem
{
    /// <summary>The most bytes that wait for an adapter.</summary>
    public const int MostBytes = 2 << 20;

    private const int LeastCost = 512; // of a packet, whatever its size
    private const int AddressesSize = 2 * MacAddress.Size;
    private const int LeastFrame = AddressesSize + 2;

    private readonly Lock _gate = new();
    private readonly NetworkHubs _hubs;
    private readonly HubSegment _segment;
    private readonly Action<HubPort> _leave;
    private readonly Dictionary<HubPort, Flow> _flows = [];
    private readonly Queue<Flow> _turns = [];
    private Action? _ready;
    private int _bytes;
    private bool _isWaiting = true; // the adapter found nothing, and is to be told
    private bool _isGone;
    private long _received, _sent, _spoofed;
    private ulong _driverAddress;

    internal HubPort(NetworkHubs hubs, HubSegment segment, MacAddress address, Action<HubPort> leave) =>
        (_hubs, _segment, Address, _leave, _driverAddress) = (hubs, segment, address, leave, address.Value);

    /// <summary>The adapter's address.</summary>
    public MacAddress Address { get; }

    /// <summary>Packets for the adapter that found no room.</summary>
    public long ReceivedDropped => Interlocked.Read(ref _received);

    /// <summary>Packets of the adapter's that nobody gets: with an address that is not its own, or for nobody here.</summary>
    public long SentDropped => Interlocked.Read(ref _sent) + SentSpoofed;

    /// <summary>Those with an address that is not its own.</summary>
    public long SentSpoofed => Interlocked.Read(ref _spoofed);

    /// <summary>Bytes that wait for the adapter.</summary>
    public int Waiting
    {
        get
        {
            lock (_gate)
            {
                return _bytes;
            }
        }
    }

    /// <inheritdoc/>
    /// <remarks>Without anybody to call there is no driver, so what comes is dropped.</remarks>
    public Action? Ready
    {
        set
        {
            lock (_gate)
            {
                _ready = value;
                _isWaiting = true;
                if (value is null)
                {
                    Clear();
                }
            }
        }
    }

    /// <inheritdoc/>
    public string? Fault => null;

    /// <inheritdoc/>
    public MacAddress DriverAddress
    {
        set => Volatile.Write(ref _driverAddress, value.Value);
    }

    /// <inheritdoc/>
    public bool TrySend(ReadOnlySpan<byte> packet)
    {
        if (packet.Length is < INetworkBackend.HeaderSize + LeastFrame or > INetworkBackend.MostPacket)
        {
            Interlocked.Increment(ref _sent);
            return true;
        }

        ReadOnlySpan<byte> frame = packet[INetworkBackend.HeaderSize..];
        MacAddress to = MacAddress.Read(frame), from = MacAddress.Read(frame[MacAddress.Size..]);
        if (from != Address && !IsDrivers(from))
        {
            Interlocked.Increment(ref _spoofed);
            return true;
        }

        IReadOnlyDictionary<MacAddress, HubPort> ports = _segment.Ports;
        if (!to.IsGroup)
        {
            if (to != Address && ports.TryGetValue(to, out HubPort? port))
            {
                HubPacket one = new(packet);
                port.Put(this, one);
                one.Release();
            }
            else
            {
                Interlocked.Increment(ref _sent);
            }

            return true;
        }

        HubPacket shared = new(packet);
        foreach (HubPort port in ports.Values)
        {
            if (port != this)
            {
                port.Put(this, shared);
            }
        }

        shared.Release();
        return true;
    }

    /// <inheritdoc/>
    public int TryReceive(Span<byte> packet)
    {
        HubPacket taken;
        lock (_gate)
        {
            if (!_turns.TryDequeue(out Flow? flow))
            {
                _isWaiting = true;
                return 0;
            }

            taken = flow.Packets.Dequeue();
            int cost = CostOf(taken);
            (_bytes, flow.Bytes) = (_bytes - cost, flow.Bytes - cost);
            if (flow.Packets.Count > 0)
            {
                _turns.Enqueue(flow);
            }
            else
            {
                _flows.Remove(flow.Sender);
            }
        }

        taken.Bytes.CopyTo(packet);
        int length = taken.Bytes.Length;
        taken.Release();
        return length;
    }

    /// <summary>Tells the adapter that something is there.</summary>
    void IThreadPoolWorkItem.Execute()
    {
        Action? ready;
        lock (_gate)
        {
            ready = _ready;
        }

        ready?.Invoke();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_isGone)
            {
                return;
            }

            (_isGone, _ready) = (true, null);
            Clear();
        }

        _leave(this);
    }

    /// <summary>Whether it is what the driver takes for the adapter's address, and nobody's.</summary>
    private bool IsDrivers(MacAddress from) => !from.IsGroup && from.Value == Volatile.Read(ref _driverAddress) && !_hubs.IsTaken(from);

    private static int CostOf(HubPacket packet) => Math.Max(LeastCost, packet.Bytes.Length);

    private void Put(HubPort sender, HubPacket packet)
    {
        lock (_gate)
        {
            int cost = CostOf(packet);
            Flow? flow = _flows.GetValueOrDefault(sender);
            int room = MostBytes - _bytes;
            if (_ready is null || cost > room || (flow is not null && flow.Bytes + cost > room))
            {
                Interlocked.Increment(ref _received);
                return;
            }

            if (flow is null)
            {
                _flows[sender] = flow = new Flow(sender);
                _turns.Enqueue(flow);
            }

            packet.Hold();
            flow.Packets.Enqueue(packet);
            (_bytes, flow.Bytes) = (_bytes + cost, flow.Bytes + cost);
            if (!_isWaiting)
            {
                return;
            }

            _isWaiting = false;
        }

        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    private void Clear()
    {
        foreach (HubPacket packet in _flows.Values.SelectMany(flow => flow.Packets))
        {
            packet.Release();
        }

        _flows.Clear();
        _turns.Clear();
        _bytes = 0;
    }

    /// <summary>What one sender has waiting.</summary>
    private sealed class Flow(HubPort sender)
    {
        public HubPort Sender => sender;

        public Queue<HubPacket> Packets { get; } = [];

        public int Bytes { get; set; }
    }
}
