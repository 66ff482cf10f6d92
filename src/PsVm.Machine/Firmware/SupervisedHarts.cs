using PsVm.Machine.Board;
using PsVm.Machine.Devices;
using PsVm.Machine.State;
using PsVm.Riscv;

namespace PsVm.Machine.Firmware;

/// <summary>A hart's state (chapter "Hart State Management Extension", table "HSM Hart States").</summary>
internal enum HartStatus
{
    Started = 0,
    Stopped = 1,
    StartPending = 2,
    StopPending = 3,
    Suspended = 4,
}

/// <summary>What the supervisor wants of each hart: to run, to stop, to sleep, and where to go on. Safe from any thread.</summary>
internal sealed class SupervisedHarts : IStateful
{
    private const int Nobody = -1;

    private readonly IHartLines _lines;
    private readonly Action<int> _begins;
    private readonly Lock _gate = new();
    private readonly Supervised[] _harts;

    // The hart that suspended the machine; none otherwise. Looked at without the gate, for sources are raised often.
    private volatile int _asleep = Nobody;

    /// <param name="harts">Number of harts, all of them stopped.</param>
    /// <param name="lines">The wires to the harts.</param>
    /// <param name="begins">Called with a hart that was stopped and begins anew, on its thread.</param>
    public SupervisedHarts(int harts, IHartLines lines, Action<int> begins)
    {
        _lines = lines;
        _begins = begins;
        _harts = new Supervised[harts];
        Array.Fill(_harts, new Supervised(HartStatus.Stopped));
    }

    /// <summary>A hart has suspended the machine, and none has run since.</summary>
    public bool IsAsleep => _asleep != Nobody;

    /// <summary>Number of harts.</summary>
    public int Count => _harts.Length;

    /// <summary>The state of a hart.</summary>
    public HartStatus this[int hart]
    {
        get
        {
            lock (_gate)
            {
                return _harts[hart].Status;
            }
        }
    }

    /// <summary>Makes a hart that is stopped begin in supervisor mode.</summary>
    /// <param name="hart">The hart.</param>
    /// <param name="entry">Guest physical address of its first instruction.</param>
    /// <param name="argument">What it finds in a1; a0 is its number.</param>
    /// <returns>False: it is not stopped.</returns>
    public bool TryStart(int hart, ulong entry, ulong argument)
    {
        lock (_gate)
        {
            if (_harts[hart].Status != HartStatus.Stopped)
            {
                return false;
            }

            _harts[hart] = new Supervised(HartStatus.StartPending, entry, argument);
        }

        _lines.Wake(hart);
        return true;
    }

    /// <summary>Makes the caller stop; its run ends.</summary>
    public void Stop(Hart caller) => Leave(caller, new Supervised(HartStatus.StopPending));

    /// <summary>Makes the caller sleep until an interrupt is pending; its run ends.</summary>
    /// <param name="caller">The caller.</param>
    /// <param name="entry">Where it goes on; null: after the call.</param>
    /// <param name="argument">What it finds in a1 there.</param>
    public void Suspend(Hart caller, ulong? entry, ulong argument) =>
        Leave(caller, new Supervised(HartStatus.Suspended, entry, entry is null ? 0 : argument));

    /// <summary>As <see cref="Suspend"/>, when all other harts are stopped.</summary>
    /// <returns>False: one is not.</returns>
    public bool TrySuspendAll(Hart caller, ulong entry, ulong argument)
    {
        lock (_gate)
        {
            for (int hart = 0; hart < _harts.Length; hart++)
            {
                if (hart != caller.Id && _harts[hart].Status != HartStatus.Stopped)
                {
                    return false;
                }
            }

            Suspend(caller, entry, argument);
            _asleep = caller.Id;
            return true;
        }
    }

    /// <summary>
    /// Wakes the machine when it is suspended. A kernel masks the interrupts that it does not count on to wake it, but whoever sleeps
    /// with all there is has to hear what the board has to say, such as that it is a clone now.
    /// </summary>
    public void WakeMachine()
    {
        if (_asleep is var sleeper and not Nobody)
        {
            lock (_gate)
            {
                _harts[sleeper] = _harts[sleeper] with { Woken = _harts[sleeper].Status == HartStatus.Suspended };
            }

            _lines.Wake(sleeper);
        }
    }

    /// <summary>Brings a hart, which does not run, to where its supervisor wants it. Called on the hart's thread.</summary>
    public HartActivity Prepare(Hart hart)
    {
        Supervised state;
        lock (_gate)
        {
            state = _harts[hart.Id];
            switch (state.Status)
            {
                case HartStatus.Started:
                    return HartActivity.Run;
                case HartStatus.StartPending:
                    break;
                case HartStatus.Suspended when !state.Woken && !hart.HasWakeup:
                    return HartActivity.Wait;
                case HartStatus.Suspended:
                    break;
                default:
                    _harts[hart.Id] = new Supervised(HartStatus.Stopped);
                    return HartActivity.None;
            }

            _asleep = Nobody; // whichever hart it is: if one runs, the machine is not suspended
            if (state.Entry is ulong entry)
            {
                SupervisorMode.Enter(hart, entry, state.Argument);
            }

            _harts[hart.Id] = new Supervised(HartStatus.Started);
        }

        if (state.Status == HartStatus.StartPending)
        {
            _begins(hart.Id);
        }

        return HartActivity.Run;
    }

    public void Transfer(StateStream state)
    {
        lock (_gate)
        {
            foreach (ref Supervised hart in _harts.AsSpan())
            {
                (uint status, bool hasEntry, ulong entry, ulong argument) =
                    ((uint)hart.Status, hart.Entry is not null, hart.Entry ?? 0, hart.Argument);
                state.Transfer(ref status);
                state.Transfer(ref hasEntry);
                state.Transfer(ref entry);
                state.Transfer(ref argument);
                if (state.IsReading)
                {
                    hart = new Supervised((HartStatus)status, hasEntry ? entry : null, argument);
                    Check(hart, entry);
                }
            }

            if (!state.IsReading)
            {
                return;
            }

            if (Array.TrueForAll(_harts, hart => hart.Status is HartStatus.Stopped or HartStatus.StopPending))
            {
                throw new InvalidDataException("no hart that runs, sleeps or starts: nothing could ever start one");
            }

            int sleeper = Array.FindIndex(_harts, hart => hart is { Status: HartStatus.Suspended, Entry: not null });
            _asleep = _harts.Count(hart => hart.Status != HartStatus.Stopped) == 1 ? sleeper : Nobody;
        }
    }

    /// <summary>The first address that a hart is to begin or go on at and that is of a kind; null: there is none.</summary>
    public ulong? FindEntry(Func<ulong, bool> isOfKind)
    {
        lock (_gate)
        {
            // Of a hart that is stopped it means nothing: version 1 wrote 0.
            foreach (Supervised hart in _harts)
            {
                if (hart is { Status: HartStatus.StartPending or HartStatus.Suspended, Entry: ulong entry } && isOfKind(entry))
                {
                    return entry;
                }
            }

            return null;
        }
    }

    /// <summary>Whether harts that sleep were woken, which version 1 did not know.</summary>
    public void TransferWoken(StateStream state)
    {
        lock (_gate)
        {
            foreach (ref Supervised hart in _harts.AsSpan())
            {
                bool woken = hart.Woken;
                state.Transfer(ref woken);
                hart = hart with { Woken = woken };
                if (woken && hart.Status != HartStatus.Suspended)
                {
                    throw new InvalidDataException($"hart state {(uint)hart.Status}, woken");
                }
            }
        }
    }

    /// <summary>Refuses what is no state that a hart comes to.</summary>
    private static void Check(Supervised hart, ulong entry)
    {
        bool isOne = hart.Status switch
        {
            HartStatus.StartPending => hart.Entry is not null,
            HartStatus.Suspended => hart.Entry is not null || (entry == 0 && hart.Argument == 0),
            HartStatus.Started or HartStatus.StopPending => hart.Entry is null && entry == 0 && hart.Argument == 0,

            // Version 1 wrote harts that were never started with an entry of 0.
            HartStatus.Stopped => entry == 0 && hart.Argument == 0,
            _ => false,
        };
        if (!isOne || (entry & 1) != 0)
        {
            throw new InvalidDataException(
                $"hart state {(uint)hart.Status} with {(hart.Entry is null ? "no entry" : $"entry 0x{hart.Entry:x}")} and argument "
                    + $"0x{hart.Argument:x}");
        }
    }

    /// <summary>Makes the caller stop running and come by <see cref="Prepare"/>.</summary>
    private void Leave(Hart caller, Supervised state)
    {
        lock (_gate)
        {
            _harts[caller.Id] = state;
        }

        caller.RequestExit();
    }

    /// <summary>A hart as its supervisor sees it.</summary>
    /// <param name="Status">Its state.</param>
    /// <param name="Entry">Where it begins when it starts or resumes; null: where it was.</param>
    /// <param name="Argument">What it finds in a1 then.</param>
    /// <param name="Woken">It sleeps, and something other than an interrupt that it has enabled has woken it.</param>
    private readonly record struct Supervised(HartStatus Status, ulong? Entry = null, ulong Argument = 0, bool Woken = false);
}
