using System.Collections.Concurrent;

namespace PsVm.Machine.Devices.Networks;

/// <summary>
/// The segments of one host's guests, and the addresses that its adapters have, whatever they lead to: no two have the same. Safe from any
/// thread.
/// </summary>
internal sealed class NetworkHubs
{
    private readonly Lock _gate = new();
    private readonly ConcurrentDictionary<MacAddress, bool> _taken = [];
    private readonly Dictionary<string, HubSegment> _segments = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>An adapter has the address.</summary>
    public bool IsTaken(MacAddress address) => _taken.ContainsKey(address);

    /// <summary>Takes an address for an adapter.</summary>
    /// <returns>False: another has it.</returns>
    public bool TryTake(MacAddress address) => _taken.TryAdd(address, true);

    /// <summary>Takes one for an adapter that is as good as any.</summary>
    public MacAddress TakeAny()
    {
        MacAddress address;
        do
        {
            address = MacAddress.Random();
        }
        while (!TryTake(address));
        return address;
    }

    /// <summary>The adapter is gone.</summary>
    public void GiveBack(MacAddress address) => _taken.TryRemove(address, out _);

    /// <summary>Puts an adapter on a segment, which is there as long as an adapter is on it.</summary>
    /// <param name="segment">Its name, in any case.</param>
    /// <param name="address">The adapter's address, which it has taken.</param>
    public HubPort Join(string segment, MacAddress address)
    {
        lock (_gate)
        {
            if (!_segments.TryGetValue(segment, out HubSegment? found))
            {
                _segments[segment] = found = new HubSegment();
            }

            HubPort port = new(this, found, address, left => Leave(segment, left));
            found.Add(port);
            return port;
        }
    }

    private void Leave(string segment, HubPort port)
    {
        lock (_gate)
        {
            if (_segments.TryGetValue(segment, out HubSegment? found) && found.Remove(port) == 0)
            {
                _segments.Remove(segment);
            }
        }
    }
}

/// <summary>Who is on a segment. Changed under the gate of all segments, read without.</summary>
internal sealed class HubSegment
{
    private volatile Dictionary<MacAddress, HubPort> _ports = [];

    /// <summary>All ports, by the addresses of their adapters.</summary>
    public IReadOnlyDictionary<MacAddress, HubPort> Ports => _ports;

    /// <summary>An adapter comes.</summary>
    public void Add(HubPort port) => _ports = new(_ports) { [port.Address] = port };

    /// <summary>An adapter goes.</summary>
    /// <returns>How many are left.</returns>
    public int Remove(HubPort port)
    {
        Dictionary<MacAddress, HubPort> left = new(_ports);
        left.Remove(port.Address);
        _ports = left;
        return left.Count;
    }
}
