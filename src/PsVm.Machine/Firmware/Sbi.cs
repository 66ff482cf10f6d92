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
    /// Version of the state: 1 has the harts alone; 2 has whether they were woken, counters and features behind them. See
    /// <see cref="ISbiExtension"/>.
    /// </summary>
    public const uint NewestState = 2;

    // What the slices of harts count is about an instruction a nanosecond.
    private static readonly double s_instructionsPerStamp = 1e9 / Stopwatch.Frequency;

    // What there is, in the order of the state; each guest's is made when it is called or restored.
    private static readonly Func<SbiContext, ISbiExtension>[] s_kinds =
    [
        context => new LegacyExtension(context),
        _ => new BaseExtension(id => s_places!.ContainsKey(id)),
        context => new TimerExtension(context),
        context => new IpiExtension(context),
        context => new FenceExtension(context),
        context => new HartStateExtension(context),
        context => new SystemResetExtension(context),
        context => new SystemSuspendExtension(context),
        context => new DebugConsoleExtension(context),
        context => new PerformanceExtension(context),
        context => new FirmwareFeaturesExtension(context.Harts.Count),
    ];

    // Where each number's is among them, and which have state: found out by the first guest.
    private static Dictionary<ulong, int>? s_places;
    private static int[] s_stateful = [];

    private readonly ISbiExtension?[] _extensions = new ISbiExtension?[s_kinds.Length];
    private readonly Dictionary<ulong, int> _places;
    private readonly SupervisedHarts _supervised;
    private readonly SbiContext _context;
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
        _context = new(harts, lines, _supervised, new FirmwareEvents(harts.Count), memory.Physical, console, power);
        _places = s_places ?? FindPlaces();
    }

    /// <summary>Calls that were made.</summary>
    public long Calls => Volatile.Read(ref _calls);

    public bool IsAsleep => _supervised.IsAsleep;

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
        if (state.IsReading && _context.Memory.HasRam && _supervised.FindEntry(entry => !_context.IsEntry(entry)) is ulong nowhere)
        {
            // As the call that made the hart start or sleep would have refused it.
            throw new InvalidDataException($"a hart that is to begin at 0x{nowhere:x}, where there is no RAM");
        }

        if (state.Version < 2)
        {
            return;
        }

        _supervised.TransferWoken(state);
        foreach (int place in s_stateful)
        {
            ((IStateful)Extension(place)).Transfer(state);
        }
    }

    public bool TryHandleCall(Hart hart)
    {
        long began = Stopwatch.GetTimestamp();
        Interlocked.Increment(ref _calls);
        SbiResult result = _places.TryGetValue(hart[17], out int place)
            ? Extension(place).Call(hart, hart[17], hart[16])
            : LegacyExtension.NotSupported(hart[17]);
        if (result.IsLater)
        {
            hart.AwaitPage();
            return true;
        }

        hart[10] = result.A0;
        if (result.A1 is ulong value)
        {
            hart[11] = value;
        }

        hart.Charge((ulong)((Stopwatch.GetTimestamp() - began) * s_instructionsPerStamp));
        return true;
    }

    /// <summary>An extension of this guest's. From any hart's thread.</summary>
    private ISbiExtension Extension(int place)
    {
        if (Volatile.Read(ref _extensions[place]) is { } there)
        {
            return there;
        }

        ISbiExtension made = s_kinds[place](_context);
        return Interlocked.CompareExchange(ref _extensions[place], made, null) ?? made;
    }

    private Dictionary<ulong, int> FindPlaces()
    {
        Dictionary<ulong, int> places = [];
        List<int> stateful = [];
        for (int place = 0; place < s_kinds.Length; place++)
        {
            ISbiExtension extension = Extension(place);
            foreach (ulong id in extension.Ids)
            {
                places.Add(id, place);
            }

            if (extension is IStateful)
            {
                stateful.Add(place);
            }
        }

        s_stateful = [.. stateful]; // before the other, by which it is known to be there
        Volatile.Write(ref s_places, places);
        return places;
    }

    // One that is not made yet is as at reset.
    private void OnHartBegins(int hart) => Array.ForEach(_extensions, extension => extension?.Reset(hart));
}
