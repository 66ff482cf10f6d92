using System.Diagnostics;
using PsVm.Machine.Devices;
using PsVm.Machine.Devices.Virtio;
using PsVm.Machine.State;
using PsVm.Riscv;

namespace PsVm.Machine.Board;

/// <summary>A computer: RAM, harts and devices, wired together.</summary>
internal sealed class GuestBoard : IHartLines, IDisposable
{
    private readonly Hart[] _harts;
    private readonly (string Name, IDevice Device)[] _devices;
    private readonly DeviceBus _bus;
    private readonly Lock _wires = new();
    private bool _halted;
    private bool _disposed;

    /// <param name="machine">What it has.</param>
    /// <param name="memory">RAM.</param>
    /// <param name="harts">Number of harts.</param>
    /// <param name="environment">Makes what answers harts that start in supervisor mode; they are not there yet. Null: they start in
    /// machine mode, in firmware.</param>
    /// <param name="code">Where the harts keep decoded and translated code.</param>
    /// <param name="console">The console.</param>
    /// <param name="power">Called with what the guest asks of the board's power, on a hart's thread.</param>
    /// <param name="slots">What makes the devices in its virtio slots, from the first slot up; null: all are empty.</param>
    /// <param name="ports">The host's ends of its named ports; null: there is one, for the agent.</param>
    public GuestBoard(
        MachineType machine,
        GuestMemory memory,
        int harts,
        Func<GuestBoard, ISupervisorEnvironment>? environment,
        CodeCache code,
        GuestConsole console,
        Action<PowerRequest, uint> power,
        IReadOnlyList<Func<VirtioPort, IVirtioDevice>>? slots = null,
        ConsolePorts? ports = null)
    {
        Machine = machine;
        ports ??= new ConsolePorts();
        Ports = machine.Devices.Any(device => device.Kind == VirtioConsole.Kind) ? ports : null;
        _harts = new Hart[harts];
        Environment = environment?.Invoke(this);
        DeviceWires wires = new()
        {
            Harts = harts,
            Lines = this,
            Clock = Clock,
            Time = TimeProvider.System,
            Memory = memory.Physical,
            Console = console,
            Ports = ports,
            Power = power,
            Charge = cpu => DevicesWorked?.Invoke(cpu),
        };
        (_devices, _bus) = MakeDevices(machine.Devices, wires, slots ?? []);
        for (int hart = 0; hart < harts; hart++)
        {
            _harts[hart] = new Hart(hart, memory.Physical, _bus, Clock, Environment, code, machine.Isa);
        }
    }

    /// <summary>Raised when a hart that waits should look again, on any thread.</summary>
    public event Action<int>? HartSignalled;

    /// <summary>Raised with the host CPU time that devices used elsewhere than on the harts' threads, on any thread.</summary>
    public event Action<TimeSpan>? DevicesWorked;

    /// <summary>The harts, by number.</summary>
    public IReadOnlyList<Hart> Harts => _harts;

    /// <summary>The guest's time.</summary>
    public GuestClock Clock { get; } = new();

    /// <summary>What stands in for machine mode; null with firmware.</summary>
    public ISupervisorEnvironment? Environment { get; }

    /// <summary>The host's ends of the named ports; null: the board has no device for them.</summary>
    public ConsolePorts? Ports { get; }

    /// <summary>The devices by address, as harts see them.</summary>
    public DeviceBus Bus => _bus;

    /// <summary>Loads and stores of harts that went to a device.</summary>
    public long DeviceAccesses => _bus.Accesses;

    /// <summary>The board's name, which all versions of its machine type share.</summary>
    public static string Name => "virt";

    /// <summary>The version of the board: what it has.</summary>
    public MachineType Machine { get; }

    /// <summary>The generation id; all zeros on a board without such a device.</summary>
    public Guid Generation
    {
        get
        {
            foreach ((_, IDevice device) in _devices)
            {
                if (device is GenerationId generation)
                {
                    return generation.Value;
                }
            }

            return Guid.Empty;
        }
    }

    /// <summary>
    /// All that has state, by name, in the order in which it is restored: lines are driven once what they lead to is there.
    /// </summary>
    public IEnumerable<(string Name, IStateful Part)> Parts
    {
        get
        {
            yield return ("clock", Clock);
            yield return ("harts", new HartStates(_harts));
            foreach ((string name, IDevice device) in _devices)
            {
                if (device is IStateful part)
                {
                    yield return (name, part);
                }
            }

            if (Environment is not null)
            {
                yield return ("sbi", Environment);
            }
        }
    }

    /// <summary>Stops time and devices; no hart runs.</summary>
    public void Pause()
    {
        Clock.Pause();
        Array.ForEach(_devices, device => device.Device.Pause());
    }

    /// <summary>Has the devices finish what they began, once paused.</summary>
    /// <param name="cancellation">Gives up.</param>
    public void Drain(CancellationToken cancellation)
    {
        foreach ((_, IDevice device) in _devices)
        {
            cancellation.ThrowIfCancellationRequested();
            device.Drain(cancellation);
        }
    }

    /// <summary>Lets time and devices go on, before a hart runs; nothing, once halted.</summary>
    public void Resume()
    {
        lock (_wires)
        {
            if (_halted)
            {
                return;
            }
        }

        Clock.Resume();
        Array.ForEach(_devices, device => device.Device.Resume());
    }

    /// <summary>Stops time and devices for good: no hart will run, and RAM is about to go.</summary>
    public void Halt()
    {
        lock (_wires)
        {
            _halted = true;
        }

        Pause();
        Drain(CancellationToken.None);
    }

    /// <summary>Tells the guest that it is a clone: a new generation id, and its interrupt.</summary>
    public void RenewGeneration()
    {
        foreach (GenerationId device in All<GenerationId>())
        {
            device.Renew();
        }
    }

    /// <summary>Puts the harts where they begin.</summary>
    public void PowerOn(BootEntry entry)
    {
        if (entry.FirmwareInfo is not ulong info)
        {
            Environment!.Start(0, entry.Entry, entry.DeviceTree);
            return;
        }

        foreach (Hart hart in _harts)
        {
            hart.Pc = entry.Entry;
            hart[10] = (ulong)hart.Id;
            hart[11] = entry.DeviceTree;
            hart[12] = info;
        }
    }

    public void SetInterrupt(int hart, InterruptLines lines, bool level)
    {
        // The RTC's alarm and whoever types may still be on their way here when the harts go.
        lock (_wires)
        {
            if (_disposed)
            {
                return;
            }

            _harts[hart].SetInterrupt(lines, level);
        }

        if (level)
        {
            Wake(hart);
        }
    }

    public void Wake(int hart)
    {
        if (HartSignalled is { } signal)
        {
            Wakes.Wake(signal, hart);
        }
    }

    public void NoteSource() => Environment?.WakeMachine();

    public ulong GetTimer(int hart) => _harts[hart].MachineTimerCompare;

    public void SetTimer(int hart, ulong compare)
    {
        _harts[hart].MachineTimerCompare = compare;
        Wake(hart);
    }

    public void Dispose()
    {
        foreach (IDisposable device in All<IDisposable>())
        {
            device.Dispose();
        }

        lock (_wires)
        {
            _disposed = true;
            Array.ForEach(_harts, hart => hart.Dispose());
        }
    }

    private IEnumerable<T> All<T>() => _devices.Select(device => device.Device).OfType<T>();

    /// <summary>Makes the devices, the interrupt controller first, since the others' lines lead there.</summary>
    private static ((string Name, IDevice Device)[] InOrder, DeviceBus Bus) MakeDevices(
        IReadOnlyList<DevicePlacement> places, DeviceWires wires, IReadOnlyList<Func<VirtioPort, IVirtioDevice>> slots)
    {
        var made = new (string Name, IDevice Device)[places.Count];
        var placed = new (AddressRange Range, IDevice Device)[places.Count];
        (int count, int slot) = (0, 0);
        IInterruptController? controller = null;
        foreach (bool isController in (ReadOnlySpan<bool>)[true, false])
        {
            for (int i = 0; i < placed.Length; i++)
            {
                DevicePlacement place = places[i];
                if (place.Kind.IsInterruptController == isController)
                {
                    Func<VirtioPort, IVirtioDevice>? inserted = place.Kind == VirtioMmio.Slot && slot < slots.Count ? slots[slot++] : null;
                    IDevice device = Create(place, inserted is null ? wires : wires with { Inserted = inserted }, controller);
                    controller ??= device as IInterruptController;
                    made[count++] = (place.Name, device);
                    placed[i] = (place.Range, device);
                }
            }
        }

        Debug.Assert(slot == slots.Count, "who plans slots counts them");
        return (made, new DeviceBus(placed));
    }

    private static IDevice Create(DevicePlacement place, DeviceWires wires, IInterruptController? controller)
    {
        Debug.Assert(place.Interrupts.Count == place.Kind.Interrupts, $"{place.Name} has as many interrupts as its kind");
        if (place.Interrupts.Count == 0)
        {
            return place.Kind.Create(wires);
        }

        var lines = new InterruptLine[place.Interrupts.Count];
        for (int i = 0; i < lines.Length; i++)
        {
            lines[i] = new InterruptLine(controller!, place.Interrupts[i]);
        }

        return place.Kind.Create(wires with { Interrupts = lines });
    }
}
