using PsVm.Machine.Devices.Networks;
using PsVm.Machine.Devices.Virtio;

namespace PsVm.Machine.Board.Slots;

/// <summary>A network adapter that a guest was given, over its lives.</summary>
/// <param name="name">Its name.</param>
/// <param name="options">What was asked for, its name too; null: nothing, as may be of a clone.</param>
/// <param name="adapter">The adapter, and what it leads to, its own from here on.</param>
/// <param name="hubs">Where its address is taken.</param>
internal sealed class NetworkInSlot(string name, GuestNetworkOptions? options, NetworkAdapter adapter, NetworkHubs hubs) : IGuestDevice
{
    private readonly Lock _gate = new();
    private GuestRam? _life;
    private bool _hasTold;

    /// <summary>Its name.</summary>
    public string Name => name;

    /// <inheritdoc/>
    public string Role => NetworkKind.RoleOf(name);

    /// <summary>What was asked for; null: nothing.</summary>
    public GuestNetworkOptions? Options => options;

    /// <summary>The adapter.</summary>
    public NetworkAdapter Adapter => adapter;

    /// <inheritdoc/>
    public long OwnBytes => (adapter.Backend as HubPort)?.Waiting ?? 0;

    /// <summary>As a template records it.</summary>
    public TemplateNetwork Recorded => new()
    {
        Name = name,
        Mac = adapter.Address.ToString(),
        Mtu = adapter.Mtu,
        Hub = options is { Backend: NetworkBackend.Hub } ? options.Hub ?? NetworkKind.UsualHub : null,
    };

    /// <inheritdoc/>
    public void Tell(Action<string> warn)
    {
        adapter.Failed = fault => warn($"network adapter '{name}': {fault}");
        if (adapter.Backend is null && !_hasTold)
        {
            _hasTold = true;
            warn(
                $"network adapter '{name}' leads nowhere, and its link is down: say what it leads to when the clone is started, as in "
                    + "-Network Hub");
        }
    }

    /// <inheritdoc/>
    public IVirtioDevice Create(VirtioPort port, GuestRam ram)
    {
        lock (_gate)
        {
            _life = ram;
        }

        return new VirtioNet(port, adapter);
    }

    /// <inheritdoc/>
    public void EndLife(GuestRam ram)
    {
        lock (_gate)
        {
            if (_life == ram)
            {
                _life = null;
                adapter.Backend?.Ready = null;
            }
        }
    }

    /// <summary>It as it is now.</summary>
    /// <param name="guest">The guest's name.</param>
    public GuestNetworkAdapter Show(string guest)
    {
        AdapterCounts counts = adapter.Counts;
        return new GuestNetworkAdapter
        {
            Guest = guest,
            Name = name,
            Backend = options?.Backend,
            Network = options?.Backend == NetworkBackend.Hub ? options.Hub ?? NetworkKind.UsualHub : options?.Device,
            Mac = adapter.Address.ToString(),
            Mtu = adapter.Mtu,
            Forward = options?.Forward ?? [],
            Connected = adapter.IsConnected,
            LastFailure = adapter.Backend?.Fault,
            ReceivedPackets = counts.ReceivedPackets,
            ReceivedBytes = counts.ReceivedBytes,
            SentPackets = counts.SentPackets,
            SentBytes = counts.SentBytes,
            ReceivedDropped = counts.ReceivedDropped,
            SentDropped = counts.SentDropped,
            SentSpoofed = counts.SentSpoofed,
            Options = options,
        };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        adapter.Backend?.Dispose();
        hubs.GiveBack(adapter.Address);
    }
}
