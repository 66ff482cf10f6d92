using System.Diagnostics;
using PsVm.Machine.Board;
using PsVm.Machine.Board.Slots;
using PsVm.Machine.Scheduling;
using PsVm.Memory.Mapping;
using PsVm.Riscv;

namespace PsVm.Machine.Guests;

/// <summary>Counts what a guest does and costs. Safe from any thread.</summary>
/// <param name="machine">Counts its instructions, calls and device accesses, and its CPU time.</param>
/// <param name="devices">What is in its slots.</param>
/// <param name="ram">Its RAM.</param>
internal sealed class GuestMeter(GuestMachine machine, GuestRam ram, GuestDevices devices)
{
    private readonly Lock _gate = new();
    private readonly Stopwatch _uptime = new();
    private StartTimes _startTimes = new();
    private TimeSpan _startLatency;
    private long? _finalInstructions;
    private (TimeSpan Uptime, long Instructions) _lastMeasured;

    /// <summary>How long it has run.</summary>
    public TimeSpan Uptime => _uptime.Elapsed;

    /// <summary>It begins to run, unless it has ended before.</summary>
    public void Begin()
    {
        lock (_gate)
        {
            if (_finalInstructions is null)
            {
                _uptime.Start();
            }
        }
    }

    /// <summary>It runs.</summary>
    /// <param name="clock">How long that took.</param>
    public void NoteStart(StartClock clock)
    {
        lock (_gate)
        {
            (_startTimes, _startLatency) = (clock.Times, clock.Latency);
        }
    }

    /// <summary>It has ended; its figures stay as they are.</summary>
    public void End()
    {
        lock (_gate)
        {
            _uptime.Stop();
            _finalInstructions = CountInstructions();
        }
    }

    /// <summary>It begins once more, and counts from there.</summary>
    public void BeginAgain()
    {
        lock (_gate)
        {
            _uptime.Restart();
            _lastMeasured = default;
        }
    }

    /// <summary>What there is to say of it, added to what is known.</summary>
    public GuestInfo Show(GuestInfo info)
    {
        lock (_gate)
        {
            return info with
            {
                Instructions = _finalInstructions ?? CountInstructions(),
                CpuTime = machine.Harts.CpuTime,
                CpuWeight = machine.Harts.Account.Weight,
                CpuLimit = machine.Harts.Account.Limit is var limit and not 0 ? limit : null,
                Uptime = _uptime.Elapsed,
                StartLatency = _startLatency,
            };
        }
    }

    /// <summary>What it costs and does.</summary>
    /// <param name="find">The guest as it is now.</param>
    /// <param name="mappings">A reading of the kernel's accounting, for that of each backend; null: without.</param>
    /// <param name="cancellation">Gives up.</param>
    public GuestMeasurement Measure(Func<GuestInfo> find, ProcessMappings? mappings, CancellationToken cancellation)
    {
        long own = ram.Measure(backend => backend.MeasureOwn(cancellation)).Sum() + devices.OwnBytes;
        IReadOnlyList<MemoryUsage> usages = mappings is null ? [] : ram.Measure(backend => backend.Measure(mappings, cancellation));
        lock (_gate)
        {
            GuestInfo info = find();
            (TimeSpan before, long retired) = _lastMeasured;
            _lastMeasured = (info.Uptime, info.Instructions);
            double seconds = (info.Uptime - before).TotalSeconds;
            return new GuestMeasurement
            {
                Id = info.Id,
                Name = info.Name,
                State = info.State,
                OwnBytes = own,
                OwnMemoryLimit = info.OwnMemoryLimit,
                Balloon = info.Balloon,
                Backends = usages,
                CpuTime = info.CpuTime,
                Instructions = info.Instructions,
                InstructionsPerSecond = seconds > 0 ? (info.Instructions - retired) / seconds : 0,
                Exits = machine.Look(CountExits),
                StartLatency = info.StartLatency,
                StartTimes = _startTimes,
            };
        }
    }

    private long CountInstructions() => machine.Look((board, _) => board.Harts.Sum(hart => (long)hart.InstructionsRetired));

    private static GuestExits CountExits(GuestBoard board, HartGroup harts)
    {
        HartCodeExits[] code = [.. board.Harts.Select(hart => hart.CodeExits)];
        return new GuestExits
        {
            Faults = code.Sum(exits => exits.Fault),
            SystemInstructions = code.Sum(exits => exits.SystemInstructions),
            NotTranslated = code.Sum(exits => exits.NotTranslated),
            JumpTableMisses = code.Sum(exits => exits.Lookups),
            Slice = harts.Harts.Sum(hart => hart.Exits.Slice),
            WaitForInterrupt = harts.Harts.Sum(hart => hart.Exits.Wait),
            Requested = harts.Harts.Sum(hart => hart.Exits.Requested),
            Throttled = harts.Account.Exhaustions,
            SbiCalls = board.Environment?.Calls ?? 0,
            DeviceAccesses = board.DeviceAccesses,
        };
    }
}
