using PsVm.Machine.Devices.Virtio;

namespace PsVm.Machine.Board.Slots;

/// <summary>
/// What a guest has in its slots, open as long as one of its lives has them: each life, from the one before, holds them, and the last lets
/// go. Safe from any thread.
/// </summary>
internal sealed class GuestDevices : IDisposable
{
    private readonly Lock _gate = new();
    private readonly IGuestDevice[] _devices;
    private int _lives = 1;

    private GuestDevices(IGuestDevice[] devices) => _devices = devices;

    /// <summary>Nothing is in the slots.</summary>
    public static GuestDevices None { get; } = new([]);

    /// <summary>The devices, by their slots.</summary>
    public IReadOnlyList<IGuestDevice> All => _devices;

    /// <summary>Their roles, as templates record them.</summary>
    public IReadOnlyList<string> Roles => [.. _devices.Select(device => device.Role)];

    /// <inheritdoc cref="IGuestDevice.OwnBytes"/>
    public long OwnBytes => _devices.Sum(device => device.OwnBytes);

    /// <summary>Makes what is planned.</summary>
    /// <exception cref="GuestException">One cannot be had; nothing stays open.</exception>
    public static GuestDevices Open(IReadOnlyList<GuestDevicePlan> plans, GuestDeviceHost host)
    {
        if (plans.Count == 0)
        {
            return None;
        }

        List<IGuestDevice> opened = [];
        try
        {
            foreach (GuestDevicePlan plan in plans)
            {
                opened.Add(plan.Open(host));
            }

            return new GuestDevices([.. opened]);
        }
        catch
        {
            opened.ForEach(device => device.Dispose());
            throw;
        }
    }

    /// <summary>Finds out what would be wrong with what is planned.</summary>
    /// <exception cref="GuestException">One cannot be had.</exception>
    public static void Check(IReadOnlyList<GuestDevicePlan> plans, GuestDeviceHost host)
    {
        foreach (GuestDevicePlan plan in plans)
        {
            plan.Check?.Invoke(host);
        }

        Open([.. plans.Where(plan => plan.Check is null)], host).Dispose();
    }

    /// <inheritdoc cref="IGuestDevice.EndLife"/>
    public void EndLife(GuestRam ram) => Array.ForEach(_devices, device => device.EndLife(ram));

    /// <inheritdoc cref="IGuestDevice.Tell"/>
    public void Tell(Action<string> warn) => Array.ForEach(_devices, device => device.Tell(warn));

    /// <inheritdoc cref="IGuestDevice.CheckCheckpoint"/>
    public void CheckCheckpoint(string guest, bool detach) => Array.ForEach(_devices, device => device.CheckCheckpoint(guest, detach));

    /// <inheritdoc cref="IGuestDevice.HoldBack"/>
    public void HoldBack(bool holds) => Array.ForEach(_devices, device => device.HoldBack(holds));

    /// <summary>What makes a board's slots, with the RAM of a life.</summary>
    public IReadOnlyList<Func<VirtioPort, IVirtioDevice>> Slots(GuestRam ram) =>
        Array.ConvertAll<IGuestDevice, Func<VirtioPort, IVirtioDevice>>(_devices, device => port => device.Create(port, ram));

    /// <summary>These and one more, in place of these, which one life has that has ended.</summary>
    public GuestDevices With(IGuestDevice device) => new([.. _devices, device]);

    /// <summary>These without one, which is disposed, in place of these, which one life has that has ended.</summary>
    public GuestDevices Without(IGuestDevice device)
    {
        device.Dispose();
        IGuestDevice[] others = [.. _devices.Where(other => other != device)];
        return others.Length == 0 ? None : new(others);
    }

    /// <summary>Another life of the guest has them, too.</summary>
    public GuestDevices Share()
    {
        if (_devices.Length > 0)
        {
            lock (_gate)
            {
                ObjectDisposedException.ThrowIf(_lives == 0, this);
                _lives++;
            }
        }

        return this;
    }

    /// <summary>A life lets go of them.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_devices.Length == 0 || --_lives > 0)
            {
                return;
            }
        }

        Array.ForEach(_devices, device => device.Dispose());
    }
}
