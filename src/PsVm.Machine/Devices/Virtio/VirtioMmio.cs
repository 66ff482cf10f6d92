using System.Diagnostics;
using PsVm.Machine.State;
using PsVm.Memory.Native;

namespace PsVm.Machine.Devices.Virtio;

/// <summary>
/// A virtio device's registers in memory, version 2: features, queues, status and interrupts of whatever device is in this slot, and the
/// work that its driver asks for, in bounded pieces.
/// </summary>
/// <remarks>
/// <para>
/// A notification is served at once by the hart that made it, which pays for a piece of it (<see cref="MostDescriptors"/>,
/// <see cref="MostBytes"/>). What is left goes on in pieces on threads of .NET's pool, between those of all other slots, and is charged to
/// the guest, too.
/// </para>
/// <para>
/// What a driver gets wrong (rings or buffers outside RAM or in ROM, loops, numbers that cannot be) stops the device: DEVICE_NEEDS_RESET,
/// an interrupt, and nothing more until the driver resets it.
/// </para>
/// <para>Source: VIRTIO 1.2, sections 2.1 to 2.7 and 4.2.</para>
/// </remarks>
internal sealed partial class VirtioMmio : VirtioPort, IDevice, IStateful, IThreadPoolWorkItem, IDisposable
{
    /// <summary>
    /// What a piece of work may come to before it makes room for others; the buffer that passes a bound is the last of it.
    /// </summary>
    public const int MostDescriptors = 256, MostBytes = 256 << 10;

    private const ulong IndirectFeature = 1ul << 28, EventIndexFeature = 1ul << 29, Version1Feature = 1ul << 32;

    private const uint DriverOk = 4, FeaturesOk = 8, NeedsReset = 0x40;
    private const uint DriversBits = 1 | 2 | DriverOk | FeaturesOk | 0x80;
    private const uint UsedBuffer = 1, ConfigChange = 2;

    private const ulong ConfigStart = 0x100;

    private readonly Lock _gate = new();
    private readonly IVirtioDevice? _device;
    private readonly IVirtioQueueDevice? _others; // the device, where others work on its queues
    private readonly VirtioQueue[] _queues;
    private readonly DeviceWires _wires;
    private readonly InterruptLine _interrupt;
    private readonly ulong _features;

    private uint _status;
    private uint _featuresSelected, _driverFeaturesSelected, _queueSelected;
    private ulong _driverFeatures;
    private uint _interruptStatus;
    private uint _configGeneration;
    private ulong _pending; // queues that are to be looked at, as bits
    private int _next; // which of them is first
    private bool _isScheduled;
    private bool _paused;
    private bool _disposed;

    /// <param name="wires">What the board gives it.</param>
    /// <param name="create">Makes the device; null: the slot is empty.</param>
    public VirtioMmio(DeviceWires wires, Func<VirtioPort, IVirtioDevice>? create)
    {
        _wires = wires;
        _interrupt = wires.Interrupts[0];
        _device = create?.Invoke(this);
        _queues = [.. (_device?.QueueSizes ?? []).Select(size => new VirtioQueue(wires.Memory, size))];
        _others = _device as IVirtioQueueDevice;
        ulong own = _others is null ? IndirectFeature | EventIndexFeature | Version1Feature : 0;
        _features = _device is null ? 0 : _device.Features | own;
        Debug.Assert(_queues.Length <= 64, "a bit for each queue");
    }

    /// <summary>A slot for what a guest is given.</summary>
    public static DeviceKind Slot { get; } = KindOf(null);

    /// <summary>The device is in use by a driver that has made no mistake.</summary>
    private bool IsLive => (_status & (DriverOk | NeedsReset)) == DriverOk;

    /// <summary>Why the device was stopped; null: it was not.</summary>
    public string? Fault { get; private set; }

    /// <summary>What boards know of a slot.</summary>
    /// <param name="create">Makes what is in it; null: what the guest is given, if anything.</param>
    public static DeviceKind KindOf(Func<VirtioPort, IVirtioDevice>? create) =>
        MakeKind(wires => new VirtioMmio(wires, create ?? wires.Inserted));

    /// <summary>What boards know of a slot with a device that needs more of the board than its transport.</summary>
    /// <param name="create">Makes what is in it.</param>
    public static DeviceKind WiredKindOf(Func<DeviceWires, VirtioPort, IVirtioDevice> create) =>
        MakeKind(wires => new VirtioMmio(wires, port => create(wires, port)));

    private static DeviceKind MakeKind(Func<DeviceWires, VirtioMmio> create) => new()
    {
        Node = "virtio_mmio",
        Compatible = ["virtio,mmio"],
        Size = 0x1000,
        Interrupts = 1,
        Create = create,
    };

    public bool TryRead(ulong offset, int size, out ulong value)
    {
        lock (_gate)
        {
            if (offset >= ConfigStart)
            {
                value = ReadConfig(offset - ConfigStart, size);
                return true;
            }

            value = size == 4 ? ReadRegister(offset) : 0;
            return size == 4;
        }
    }

    public bool TryWrite(ulong offset, int size, ulong value)
    {
        using Wakes.Scope wakes = Wakes.Hold();
        lock (_gate)
        {
            if (offset >= ConfigStart)
            {
                WriteConfig(offset - ConfigStart, size, value);
                return true;
            }

            if (size == 4 && _device is not null)
            {
                WriteRegister(offset, (uint)value);
            }

            return size == 4;
        }
    }

    public void Pause()
    {
        lock (_gate)
        {
            _paused = true;
        }
    }

    public void Drain(CancellationToken cancellation) => _device?.Drain(cancellation);

    public void Resume()
    {
        lock (_gate)
        {
            _paused = false;
            UpdateInterrupt();
            Schedule();
            _others?.GoOn();
        }
    }

    public override void Kick(int queue)
    {
        lock (_gate)
        {
            if (IsLive && _queues[queue].IsReady)
            {
                _pending |= 1ul << queue;
                Schedule(isNext: true);
            }
        }
    }

    public override void KickHere(int queue)
    {
        Debug.Assert(!_gate.IsHeldByCurrentThread, "who has the gate is served already");
        TimeSpan began = KernelCalls.ThreadCpuTime;
        using (Wakes.Hold())
        {
            lock (_gate)
            {
                if (!IsLive || !_queues[queue].IsReady)
                {
                    return;
                }

                _pending |= 1ul << queue;
                ServeHere();
            }
        }

        Charge(KernelCalls.ThreadCpuTime - began);
    }

    public override bool Use(VirtioChain chain, Action<VirtioChain> work)
    {
        lock (_gate)
        {
            bool isUsable = IsLive && chain.Life == chain.Queue.Life;
            if (isUsable)
            {
                work(chain);
            }

            return isUsable;
        }
    }

    public override void Complete(VirtioChain chain, uint written)
    {
        using Wakes.Scope wakes = Wakes.Hold();
        lock (_gate)
        {
            if (IsLive && chain.Life == chain.Queue.Life)
            {
                chain.Queue.Push(chain, written);
                Signal(chain.Queue);
            }
        }
    }

    public override void Complete(ReadOnlySpan<(VirtioChain Chain, uint Written)> buffers)
    {
        using Wakes.Scope wakes = Wakes.Hold();
        lock (_gate)
        {
            if (buffers.Length > 0 && buffers[0].Chain is { Queue: var queue, Life: var life } && IsLive && life == queue.Life)
            {
                queue.Push(buffers);
                Signal(queue);
            }
        }
    }

    public override void Charge(TimeSpan cpu) => _wires.Charge(cpu);

    public override void PutBack(VirtioChain chain)
    {
        lock (_gate)
        {
            if (IsLive && chain.Life == chain.Queue.Life)
            {
                chain.Queue.PutBack(chain);
            }
        }
    }

    public override void NotifyUsed()
    {
        lock (_gate)
        {
            if (IsLive)
            {
                Interrupt(UsedBuffer);
            }
        }
    }

    public override void NotifyConfigChanged()
    {
        lock (_gate)
        {
            _configGeneration++;
            if (IsLive)
            {
                Interrupt(ConfigChange);
            }
        }
    }

    public override void Break(string reason)
    {
        lock (_gate)
        {
            Fault = reason;
            _pending = 0;
            bool hasDriver = (_status & DriverOk) != 0;
            _status |= NeedsReset;
            if (hasDriver)
            {
                Interrupt(ConfigChange);
            }
        }
    }

    /// <summary>Serves a piece of what is left, on a thread of the pool.</summary>
    void IThreadPoolWorkItem.Execute()
    {
        TimeSpan began = KernelCalls.ThreadCpuTime;
        using (Wakes.Hold())
        {
            lock (_gate)
            {
                _isScheduled = false;
                ServeHere();
            }
        }

        Charge(KernelCalls.ThreadCpuTime - began);
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            (_device as IDisposable)?.Dispose();
        }
    }

    private void SetStatus(uint value)
    {
        if (value == 0)
        {
            Reset();
            return;
        }

        // Bits are set one after the other and stay: a driver takes none off but by a reset.
        uint now = _status | (value & DriversBits);
        bool agreed = (_driverFeatures & ~_features) == 0 && (_driverFeatures & Version1Feature) != 0;
        now = (now & FeaturesOk) != 0 && !agreed ? now & ~FeaturesOk : now;
        now = (now & FeaturesOk) == 0 ? now & ~DriverOk : now;
        bool begins = (now & ~_status & DriverOk) != 0;
        _status = now;
        if (begins)
        {
            GoOn();
        }
    }

    private void Reset()
    {
        _device?.Reset();
        Array.ForEach(_queues, queue => queue.Reset());
        (_status, _interruptStatus, _driverFeatures, _pending) = (0, 0, 0, 0);
        (_featuresSelected, _driverFeaturesSelected, _queueSelected) = (0, 0, 0);
        Fault = null;
        UpdateInterrupt();
    }

    /// <summary>
    /// Tells queues and device what driver and device agreed on, once they have. What waits in queues is looked at later.
    /// </summary>
    private void GoOn()
    {
        foreach (VirtioQueue queue in _queues)
        {
            queue.HasEventIndex = (_driverFeatures & EventIndexFeature) != 0;
            queue.HasIndirect = (_driverFeatures & IndirectFeature) != 0;
        }

        UpdateInterrupt();
        if (IsLive)
        {
            _device!.Activate(_driverFeatures);
            _others?.Begin(
                _driverFeatures, [.. _queues.Index().Where(queue => queue.Item.IsReady).Select(queue => queue.Item.PlaceAs(queue.Index))]);
        }
    }

    private void SetReady(bool ready)
    {
        if (_queueSelected >= _queues.Length || _queues[_queueSelected] is not { } queue || queue.IsReady == ready)
        {
            return;
        }

        if (_others is not null && IsLive)
        {
            Break($"queue {_queueSelected}: expected that queues stay as they are while the driver uses the device, found another");
        }
        else if (!ready)
        {
            queue.Disable();
            _pending &= ~(1ul << (int)_queueSelected);
        }
        else if (queue.Enable() is { } wrong)
        {
            Break($"queue {_queueSelected}: {wrong}");
        }
    }

    private void Notify(int queue)
    {
        if (!IsLive || !_queues[queue].IsReady)
        {
            return;
        }

        if (_others is not null)
        {
            _others.Notify(queue);
        }
        else
        {
            _pending |= 1ul << queue;
            ServeHere();
        }
    }

    /// <summary>
    /// Serves a piece of what is left on this thread, unless another is about to, and has the pool serve what is left then.
    /// </summary>
    private void ServeHere()
    {
        if (!_paused && !_isScheduled && !_disposed)
        {
            Serve();
            Schedule();
        }
    }

    /// <summary>Has the pool serve what is left; nothing, where nothing is, or it will.</summary>
    /// <param name="isNext">A thread of the pool's does that next; else what waits for one already comes before.</param>
    private void Schedule(bool isNext = false)
    {
        if (_pending != 0 && !_paused && !_isScheduled && !_disposed && IsLive)
        {
            _isScheduled = true;
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: isNext);
        }
    }

    /// <summary>Serves a piece of what queues hold, each queue in its turn.</summary>
    private void Serve()
    {
        try
        {
            (int descriptors, long bytes) = (0, 0);
            for (int turn = 0; turn < _queues.Length && _pending != 0; turn++)
            {
                int queue = _next;
                while ((_pending >> queue & 1) != 0 && descriptors < MostDescriptors && bytes < MostBytes)
                {
                    if (Take(queue) is { } chain)
                    {
                        _device!.Handle(queue, chain);
                        (descriptors, bytes) = (descriptors + chain.Descriptors, bytes + chain.Moved);
                    }
                    else
                    {
                        _pending &= ~(1ul << queue);
                    }
                }

                _next = (queue + 1) % _queues.Length;
            }
        }
        catch (Exception failure)
        {
            // A mistake of the device's, not of the guest's; it is this device's end, and no one else's.
            Break($"the device failed: {failure.Message}");
        }
    }

    /// <summary>The next buffer that the device can do something with; null: there is none for now, or the device was stopped.</summary>
    private VirtioChain? Take(int queue)
    {
        if (!IsLive || !_queues[queue].IsReady || !_device!.Accepts(queue))
        {
            return null;
        }

        VirtioChain? chain = _queues[queue].Pop(out string? wrong);
        if (wrong is not null)
        {
            Break($"queue {queue}: {wrong}");
        }

        return chain;
    }

    private void Signal(VirtioQueue queue)
    {
        if (queue.TakeSignal())
        {
            Interrupt(UsedBuffer);
        }
    }

    private void Interrupt(uint cause)
    {
        _interruptStatus |= cause;
        UpdateInterrupt();
    }

    // A guest that is held is not interrupted; it is once it goes on.
    private void UpdateInterrupt()
    {
        if (!_paused)
        {
            _interrupt.Set(_interruptStatus != 0);
        }
    }
}
