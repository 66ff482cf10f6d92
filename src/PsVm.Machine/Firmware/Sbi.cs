using System.Diagnostics;
using PsVm.Machine.Board;
using PsVm.Machine.Devices;
using PsVm.Machine.State;
using PsVm.Riscv;

namespace PsVm.Machine.Firmware;

/// <summary>The built-in supervisor execution environment: answers a kernel's calls, so that it boots without firmware.</summary>
/// <remarks>
/// Source: RISC-V SBI specification 3.0; the extensions name their chapters. What it takes time to answer counts against the caller's
/// slice, so a guest that does nothing but call gets no more of the host than another.
/// </remarks>
internal sealed class Sbi : ISupervisorEnvironment
{
    /// <summary>
    /// Version of the state: 1 has the harts alone; 2 has whether they were woken, counters and features behind them. See <see cref="ISbiExtension"/>.
    /// </summary>
    public const uint NewestState = 2;

    // What the slices of harts count is about an instruction a nanosecond.
    private static readonly double s_instructionsPerStamp = 1e9 / Stopwatch.Frequency;

    private readonly ISbiExtension[] _extensions;
    private readonly Dictionary<ulong, ISbiExtension> _byId = [];
    private readonly SupervisedHarts _supervised;
    private long _calls;

    /// <param name="harts">The harts; they may be filled in later.</param>
    /// <param name="lines">The wires to the harts.</param>
    /// <param name="memory">RAM.</param>
    /// <param name="console">The console.</param>
    /// <param name="power">Called with what the guest asks of the board's power.</param>
    public Sbi(
        IReadOnlyList<Hart> harts, IHartLines lines, GuestMemory memory, GuestConsole console, Action<PowerRequest, uint> power)
    {
        _supervised = new SupervisedHarts(harts.Count, lines, OnHartBegins);
        SbiContext context = new(harts, lines, _supervised, new FirmwareEvents(harts.Count), memory.Physical, console, power);
        _extensions =
        [
            new LegacyExtension(context),
            new BaseExtension(_byId.ContainsKey),
            new TimerExtension(context),
            new IpiExtension(context),
            new FenceExtension(context),
            new HartStateExtension(context),
            new SystemResetExtension(context),
            new SystemSuspendExtension(context),
            new DebugConsoleExtension(context),
            new PerformanceExtension(context),
            new FirmwareFeaturesExtension(harts.Count),
        ];
        foreach (ISbiExtension extension in _extensions)
        {
            foreach (ulong id in extension.Ids)
            {
                _byId.Add(id, extension);
            }
        }
    }

    /// <summary>Calls that were made.</summary>
    public long Calls => Volatile.Read(ref _calls);

    public uint StateVersion => NewestState;

    /// <summary>Makes one for a board.</summary>
    /// <param name="memory">RAM.</param>
    /// <param name="console">The console.</param>
    /// <param name="power">Called with what the guest asks of the board's power.</param>
    public static Func<GuestBoard, ISupervisorEnvironment> For(
        GuestMemory memory, GuestConsole console, Action<PowerRequest, uint> power) =>
        board => new Sbi(board.Harts, board, memory, console, power);

    public void Start(int hart, ulong entry, ulong argument) => _supervised.TryStart(hart, entry, argument);

    public void WakeMachine() => _supervised.WakeMachine();

    public HartActivity Prepare(Hart hart) => _supervised.Prepare(hart);

    public void Transfer(StateStream state)
    {
        _supervised.Transfer(state);
        if (state.Version < 2)
        {
            return;
        }

        _supervised.TransferWoken(state);
        foreach (ISbiExtension extension in _extensions)
        {
            (extension as IStateful)?.Transfer(state);
        }
    }

    public bool TryHandleCall(Hart hart)
    {
        long began = Stopwatch.GetTimestamp();
        Interlocked.Increment(ref _calls);
        SbiResult result = _byId.TryGetValue(hart[17], out ISbiExtension? extension)
            ? extension.Call(hart, hart[17], hart[16])
            : LegacyExtension.NotSupported(hart[17]);
        hart[10] = result.A0;
        if (result.A1 is ulong value)
        {
            hart[11] = value;
        }

        hart.Charge((ulong)((Stopwatch.GetTimestamp() - began) * s_instructionsPerStamp));
        return true;
    }

    private void OnHartBegins(int hart) => Array.ForEach(_extensions, extension => extension.Reset(hart));
}
