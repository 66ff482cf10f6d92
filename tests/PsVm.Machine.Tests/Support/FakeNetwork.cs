using System.Collections.Concurrent;
using PsVm.Machine.Devices.Networks;

namespace PsVm.Machine.Tests.Support;

/// <summary>A back end in the hands of a test.</summary>
internal sealed class FakeNetwork : INetworkBackend
{
    private readonly ConcurrentQueue<byte[]> _incoming = [];
    private Action? _ready;

    /// <summary>What came from the guest.</summary>
    public ConcurrentQueue<byte[]> Sent { get; } = [];

    /// <summary>How many more packets there is room for.</summary>
    public int Room { get; set; } = int.MaxValue;

    public string? Fault { get; set; }

    public int Restarts { get; set; }

    public bool HasReady => _ready is not null;

    public int Waiting => _incoming.Count;

    Action? INetworkBackend.Ready
    {
        set => _ready = value;
    }

    /// <summary>Something comes, or changes.</summary>
    public void Bring(params byte[][] packets)
    {
        Array.ForEach(packets, _incoming.Enqueue);
        _ready?.Invoke();
    }

    public bool TrySend(ReadOnlySpan<byte> packet)
    {
        if (Room == 0)
        {
            return false;
        }

        Room--;
        Sent.Enqueue(packet.ToArray());
        return true;
    }

    public int TryReceive(Span<byte> packet)
    {
        if (!_incoming.TryDequeue(out byte[]? taken))
        {
            return 0;
        }

        taken.CopyTo(packet);
        return taken.Length;
    }

    public void Dispose()
    {
    }
}
