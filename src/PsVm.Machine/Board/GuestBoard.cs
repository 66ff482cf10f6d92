using PsVm.Machine.Devices;
using PsVm.Machine.State;
using PsVm.Riscv;

namespace PsVm.Machine.Board;

/// <summary>A computer: RAM, harts and devices, wired together.</summary>
internal sealed class GuestBoard : IHartLines, IDisposable
{
    private readonly Hart[] _harts;
    private readonly Plic _plic;
    private readonly Aclint _aclint;
    private readonly Uart _uart;
    private readonly GoldfishRtc _rtc;
    private readonly GenerationId _generation;
    private readonly DeviceBus _bus;
    private readonly Lock _wires = new();
    private bool _disposed;

    /// <param name="memory">RAM.</param>
    /// <param name="harts">Number of harts.</param>
    /// <param name="environment">Makes what answers harts that start in supervisor mode; they are not there yet. Null: they start in
    /// machine mode, in firmware.</param>
    /// <param name="code">Where the harts keep decoded and translated code.</param>
    /// <param name="console">The console.</param>
    /// <param name="power">Called with what the guest asks of the board's power, on a hart's thread.</param>
    /// <param name="isa">The harts' instruction set; null: <see cref="IsaProfile.Base"/>.</param>
    public GuestBoard(
        GuestMemory memory,
        int harts,
        Func<GuestBoard, ISupervisorEnvironment>? environment,
        CodeCache code,
        GuestConsole console,
        Action<PowerRequest, uint> power,
        IsaProfile? isa = null)
    {
        _harts = new Hart[harts];
        Environment = environment?.Invoke(this);
        _plic = new Plic(harts, this);
        _aclint = new Aclint(harts, this, Clock);
        _uart = new Uart(console, level => _plic.SetLevel(MemoryMap.UartInterrupt, level));
        _rtc = new GoldfishRtc(TimeProvider.System, level => _plic.SetLevel(MemoryMap.RtcInterrupt, level));
        _generation = new GenerationId(() => _plic.Pulse(MemoryMap.GenerationInterrupt));
        _bus = new DeviceBus(
            (MemoryMap.Uart, _uart),
            (MemoryMap.Plic, _plic),
            (MemoryMap.Aclint, _aclint),
            (MemoryMap.Rtc, _rtc),
            (MemoryMap.Generation, _generation),
            (MemoryMap.SysCon, new SysCon(power)));
        for (int hart = 0; hart < harts; hart++)
        {
            _harts[hart] = new Hart(hart, memory.Physical, _bus, Clock, Environment, code, isa);
        }
    }

    /// <summary>Raised when a hart that waits should look again, on any thread.</summary>
    public event Action<int>? HartSignalled;

    /// <summary>The harts, by number.</summary>
    public IReadOnlyList<Hart> Harts => _harts;

    /// <summary>The guest's time.</summary>
    public GuestClock Clock { get; } = new();

    /// <summary>What stands in for machine mode; null with firmware.</summary>
    public ISupervisorEnvironment? Environment { get; }

    /// <summary>Loads and stores of harts that went to a device.</summary>
    public long DeviceAccesses => _bus.Accesses;

    /// <summary>The board's name, which all versions of its machine type share.</summary>
    public static string Name => "virt";

    /// <summary>The devices of every such board.</summary>
    public static IReadOnlyList<string> Devices { get; } = ["uart", "plic", "aclint", "rtc", "generation", "syscon"];

    /// <summary>The generation id.</summary>
    public Guid Generation => _generation.Value;

    /// <summary>All that has state, by name, in the order in which it is restored: lines are driven once the harts are there.</summary>
    public IEnumerable<(string Name, IStateful Part)> Parts
    {
        get
        {
            yield return ("clock", Clock);
            yield return ("harts", new HartStates(_harts));
            yield return ("aclint", _aclint);
            yield return ("plic", _plic);
            yield return ("uart", _uart);
            yield return ("rtc", _rtc);
            yield return ("generation", _generation);
            if (Environment is not null)
            {
                yield return ("sbi", Environment);
            }
        }
    }

    /// <summary>Tells the guest that it is a clone: a new generation id, and its interrupt.</summary>
    public void RenewGeneration() => _generation.Renew();

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

    public void Wake(int hart) => HartSignalled?.Invoke(hart);

    public void NoteSource() => Environment?.WakeMachine();

    public ulong GetTimer(int hart) => _harts[hart].MachineTimerCompare;

    public void SetTimer(int hart, ulong compare)
    {
        _harts[hart].MachineTimerCompare = compare;
        Wake(hart);
    }

    public void Dispose()
    {
        _rtc.Dispose();
        lock (_wires)
        {
            _disposed = true;
            Array.ForEach(_harts, hart => hart.Dispose());
        }
    }
}
