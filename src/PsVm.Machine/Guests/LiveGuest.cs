using System.Diagnostics;
using PsVm.Machine.Board;
using PsVm.Machine.Devices;
using PsVm.Machine.Firmware;
using PsVm.Machine.Scheduling;
using PsVm.Machine.Templates;
using PsVm.Memory;
using PsVm.Memory.Mapping;
using PsVm.Riscv;

namespace PsVm.Machine.Guests;

/// <summary>A guest that exists: its board, its harts, and where it is in its life. Safe from any thread.</summary>
internal sealed class LiveGuest : IHeldGuest, IDisposable
{
    private readonly Lock _gate = new();

    // Whoever holds and releases the harts, one after the other; never for longer than it takes to hold them.
    private readonly SemaphoreSlim _operator = new(1, 1);
    private readonly GuestInfo _description;
    private readonly GuestRam _ram;
    private readonly CodeCache _code;
    private readonly GuestBoard _board;
    private readonly HartGroup _harts;
    private readonly Action<GuestInfo> _ended;
    private readonly Stopwatch _uptime = new();

    private GuestState _state = GuestState.Running;
    private (GuestState State, string Reason, PsVmError? Failure)? _end;
    private DateTimeOffset? _endedAt;
    private TaskCompletionSource _stateChanged = new();
    private StartTimes _startTimes = new();
    private TimeSpan _startLatency;
    private long _finalInstructions;
    private (TimeSpan Uptime, long Instructions) _lastMeasured;
    private HeldWork? _heldWork;

    /// <summary>Puts a guest together; it does not run yet.</summary>
    /// <param name="scheduler">Where its harts are to run.</param>
    /// <param name="code">Where all guests keep decoded and translated code.</param>
    /// <param name="family">What the guests have in common that it shares code with; null: it shares with nobody.</param>
    /// <param name="description">What does not change about it.</param>
    /// <param name="ram">Its RAM; it becomes the guest's when this returns.</param>
    /// <param name="firmware">It runs firmware; else the built-in SBI.</param>
    /// <param name="begin">Brings the board to where it begins: power-on, or a template's state.</param>
    /// <param name="ended">Called once when it has stopped or failed.</param>
    public LiveGuest(
        HartScheduler scheduler,
        CodeCache code,
        string? family,
        GuestInfo description,
        GuestRam ram,
        bool firmware,
        Action<GuestBoard> begin,
        Action<GuestInfo> ended)
    {
        _description = description;
        _ram = ram;
        _ended = ended;
        _code = code.OpenPart(family);
        _board = new GuestBoard(
            MachineType.Get(description.MachineType),
            ram.Memory,
            description.Harts,
            firmware ? null : Sbi.For(ram.Memory, Console, OnPowerRequest),
            _code,
            Console,
            OnPowerRequest);
        _harts = new HartGroup(scheduler, _board, OnSliceEnded, OnHartFailed, OnHartsEnded);
        ram.Faulted += OnRamFault;
        try
        {
            begin(_board);
            ram.TellOfDiscards();
        }
        catch
        {
            _board.Dispose();
            _code.Dispose();
            throw;
        }
    }

    /// <summary>Its name.</summary>
    public string Name => _description.Name;

    /// <summary>What does not change about it.</summary>
    public GuestInfo Description => _description;

    /// <summary>Its console.</summary>
    public GuestConsole Console { get; } = new();

    /// <summary>The guest as it is now.</summary>
    public GuestInfo Info
    {
        get
        {
            lock (_gate)
            {
                return _description with
                {
                    State = _state,
                    StopReason = IsOver ? StopReason : null,
                    Failure = _state == GuestState.Failed ? _end?.Failure : null,
                    EndedAt = _endedAt,
                    Instructions = IsOver ? _finalInstructions : CountInstructions(),
                    GenerationId = _board.Generation,
                    CpuTime = TimeSpan.FromTicks(_harts.Harts.Sum(hart => hart.CpuTime.Ticks)),
                    Uptime = _uptime.Elapsed,
                    StartLatency = _startLatency,
                };
            }
        }
    }

    private string? StopReason => _harts.Unheard is { } unheard ? $"{_end?.Reason}; telling of it: {unheard.Message}" : _end?.Reason;

    private bool IsOver => _state is GuestState.Stopped or GuestState.Failed;

    /// <summary>Starts it; returns once its first hart runs.</summary>
    /// <param name="clock">Is told of that.</param>
    /// <param name="cancellation">Gives up waiting.</param>
    public void Start(StartClock clock, CancellationToken cancellation)
    {
        _uptime.Start();
        _harts.Release();
        clock.Began(_harts.WaitUntilFirstRun(cancellation));
        lock (_gate)
        {
            (_startTimes, _startLatency) = (clock.Times, clock.Latency);
        }
    }

    /// <summary>What it costs and does.</summary>
    /// <param name="mappings">A reading of the kernel's accounting, for that of each backend; null: without.</param>
    public GuestMeasurement Measure(ProcessMappings? mappings)
    {
        long own = _ram.Measure(backend => backend.MeasureOwn()).Sum();
        IReadOnlyList<MemoryUsage> usages = mappings is null ? [] : _ram.Measure(backend => backend.Measure(mappings));
        lock (_gate)
        {
            GuestInfo info = Info;
            (TimeSpan before, long retired) = _lastMeasured;
            _lastMeasured = (info.Uptime, info.Instructions);
            double seconds = (info.Uptime - before).TotalSeconds;
            return new GuestMeasurement
            {
                Id = info.Id,
                Name = info.Name,
                State = info.State,
                OwnBytes = own,
                Backends = usages,
                CpuTime = info.CpuTime,
                Instructions = info.Instructions,
                InstructionsPerSecond = seconds > 0 ? (info.Instructions - retired) / seconds : 0,
                Exits = CountExits(),
                StartLatency = info.StartLatency,
                StartTimes = _startTimes,
            };
        }
    }

    /// <summary>Holds its harts and its time; returns once none runs. While it is checkpointed, it stays held afterwards.</summary>
    /// <param name="cancellation">Gives up; the guest is as it was.</param>
    /// <exception cref="GuestException">It has stopped.</exception>
    public void Suspend(CancellationToken cancellation) => Operate(
        () =>
        {
            Hold(cancellation);
            ChangeLivingState(GuestState.Suspended);
        },
        cancellation);

    /// <summary>Lets its harts and its time go on; while it is checkpointed, afterwards.</summary>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">It has stopped.</exception>
    public void Resume(CancellationToken cancellation) => Operate(
        () =>
        {
            ChangeLivingState(GuestState.Running);
            ReleaseIfRunning();
        },
        cancellation);

    /// <inheritdoc/>
    public T WhileHeld<T>(Func<GuestBoard, GuestRam, CancellationToken, T> work, CancellationToken cancellation)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        HeldWork held = Begin(stop);
        try
        {
            Operate(() => Hold(stop.Token), stop.Token);
            lock (_gate)
            {
                ThrowIfEnding();
                held.UsesRam = true;
            }

            _board.Drain(stop.Token);
            return work(_board, _ram, stop.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw StoppedError();
        }
        finally
        {
            // Not to be cancelled: the guest must not stay held. Who else operates on it is done within a slice.
            Operate(() => EndHeldWork(held), CancellationToken.None);
        }
    }

    /// <inheritdoc/>
    void IHeldGuest.Stop(string reason) => End(GuestState.Stopped, reason);

    /// <summary>Powers it off, and gives up its checkpoint; returns once no hart runs.</summary>
    /// <param name="cancellation">Gives up waiting, once the guest has been told.</param>
    public void Stop(CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        End(GuestState.Stopped, "stopped by the operator");
        _harts.WaitUntilEnded(cancellation);
    }

    /// <summary>Waits for a state.</summary>
    /// <returns>False when the time ran out, or the guest ended in another state.</returns>
    public bool WaitForState(GuestState wanted, TimeSpan timeout, CancellationToken cancellation)
    {
        long began = Stopwatch.GetTimestamp();
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                if (_state == wanted || IsOver)
                {
                    return _state == wanted;
                }

                changed = _stateChanged.Task;
            }

            TimeSpan left = timeout == Timeout.InfiniteTimeSpan ? timeout : timeout - Stopwatch.GetElapsedTime(began);
            if ((left < TimeSpan.Zero && left != Timeout.InfiniteTimeSpan) || !changed.Wait(left, cancellation))
            {
                return false;
            }
        }
    }

    /// <summary>Types on its console.</summary>
    /// <exception cref="GuestException">It has stopped, or it does not read.</exception>
    public void Type(string text)
    {
        if (Info.State is GuestState.Stopped or GuestState.Failed)
        {
            throw StoppedError();
        }

        if (!Console.TryType(text))
        {
            throw new GuestException(
                GuestErrorIds.ConsoleInputFull,
                $"Expected room for {text.Length} characters among the {GuestConsole.InputCapacity} bytes that may wait, found "
                + $"{Console.InputCount} bytes that guest '{Name}' has not read.",
                Name,
                "Wait until the guest reads its console, then send the rest.");
        }
    }

    /// <summary>Stops it and gives back all that it holds.</summary>
    public void Dispose()
    {
        Stop(CancellationToken.None);
        Task? last;
        lock (_gate)
        {
            last = _heldWork?.Over.Task;
        }

        last?.Wait();
        _board.Dispose();
        _code.Dispose();
    }

    private void OnPowerRequest(PowerRequest request, uint code)
    {
        switch (request)
        {
            case PowerRequest.Off:
                End(GuestState.Stopped, "powered off by the guest");
                break;
            case PowerRequest.Reboot:
                End(GuestState.Stopped, "reboot requested by the guest");
                break;
            case PowerRequest.Panic:
                Fail(new PsVmError(GuestErrorIds.GuestReportedFailure, "the guest's kernel panicked") { Target = Name });
                break;
            default:
                Fail(new PsVmError(GuestErrorIds.GuestReportedFailure, $"the guest reported a failure, code {code}") { Target = Name });
                break;
        }
    }

    /// <summary>Asks all harts to stop; the first reason counts.</summary>
    private void End(GuestState state, string reason, PsVmError? failure = null)
    {
        lock (_gate)
        {
            // What a guest does once its RAM has failed, such as to power off, is of no account.
            _end ??= _ram.FindFault() is { } fault ? (GuestState.Failed, fault.ToString(), ToError(fault)) : (state, reason, failure);
            _heldWork?.Stop.Cancel();
            if (_heldWork is { UsesRam: true })
            {
                // No hart runs, and the RAM must not go yet: it ends when that work does.
                return;
            }
        }

        _harts.Stop();
    }

    private void Fail(PsVmError failure) => End(GuestState.Failed, failure.Message, failure);

    private void OnHartFailed(Exception failure) => Fail(failure is PsVmException { Error: var known }
        ? known
        : new PsVmError(GuestErrorIds.GuestFailed, $"{failure.GetType().Name}: {failure.Message}") { Target = Name });

    /// <summary>A guest whose RAM is not what it stored does not run on.</summary>
    private void OnSliceEnded()
    {
        if (_ram.FindFault() is { } fault)
        {
            OnRamFault(fault);
        }
    }

    private void OnRamFault(RamFault fault) => Fail(ToError(fault));

    private static PsVmError ToError(RamFault fault) => new(MemoryErrorIds.RamFault, fault.ToString()) { Target = fault.BackendId };

    private void OnHartsEnded()
    {
        // Nothing more will be printed, and its backends are free, once those who wait learn of the end.
        Console.Close();
        _ram.Faulted -= OnRamFault;
        Exception? wrong = null;
        try
        {
            _board.Halt();
            _ram.Dispose();
        }
        catch (Exception failure)
        {
            wrong = failure;
        }

        lock (_gate)
        {
            if (wrong is not null)
            {
                string reason = $"{_end!.Value.Reason}; giving back its RAM: {wrong.GetType().Name}: {wrong.Message}";
                _end = (GuestState.Failed, reason, new PsVmError(GuestErrorIds.GuestFailed, reason) { Target = Name });
            }

            _uptime.Stop();
            _endedAt = DateTimeOffset.UtcNow;
            _finalInstructions = CountInstructions();
            SetState(_end!.Value.State);
        }

        _ended(Info);
    }

    /// <summary>Does something after whoever else holds or releases the harts.</summary>
    private void Operate(Action work, CancellationToken cancellation)
    {
        _operator.Wait(cancellation);
        try
        {
            work();
        }
        finally
        {
            _operator.Release();
        }
    }

    private void Hold(CancellationToken cancellation)
    {
        _harts.Hold(cancellation);
        _board.Pause();
    }

    /// <summary>Lets it go on, if it is to run and nothing needs it held.</summary>
    private void ReleaseIfRunning()
    {
        lock (_gate)
        {
            if (_state != GuestState.Running || _heldWork is not null)
            {
                return;
            }
        }

        _board.Resume();
        _harts.Release();
    }

    private HeldWork Begin(CancellationTokenSource stop)
    {
        lock (_gate)
        {
            ThrowIfEnding();
            return _heldWork is null ? _heldWork = new HeldWork(stop) : throw new GuestException(
                GuestErrorIds.CheckpointInProgress,
                $"Expected no other checkpoint of guest '{Name}', found one in progress.",
                Name,
                "Wait until it is finished.");
        }
    }

    private void EndHeldWork(HeldWork work)
    {
        bool isEnding;
        lock (_gate)
        {
            _heldWork = null;
            isEnding = _end is not null;
        }

        if (isEnding)
        {
            _harts.Stop();
        }
        else
        {
            ReleaseIfRunning();
        }

        work.Over.SetResult();
    }

    private void ThrowIfEnding()
    {
        lock (_gate)
        {
            if (_end is not null)
            {
                throw StoppedError();
            }
        }
    }

    private void ChangeLivingState(GuestState state)
    {
        lock (_gate)
        {
            if (_end is not null)
            {
                throw StoppedError();
            }

            SetState(state);
        }
    }

    private void SetState(GuestState state)
    {
        _state = state;
        _stateChanged.SetResult();
        _stateChanged = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private long CountInstructions() => _board.Harts.Sum(hart => (long)hart.InstructionsRetired);

    private GuestExits CountExits()
    {
        HartCodeExits[] code = [.. _board.Harts.Select(hart => hart.CodeExits)];
        return new GuestExits
        {
            Faults = code.Sum(exits => exits.Fault),
            SystemInstructions = code.Sum(exits => exits.SystemInstructions),
            NotTranslated = code.Sum(exits => exits.NotTranslated),
            JumpTableMisses = code.Sum(exits => exits.Lookups),
            Slice = _harts.Harts.Sum(hart => hart.Exits.Slice),
            WaitForInterrupt = _harts.Harts.Sum(hart => hart.Exits.Wait),
            Requested = _harts.Harts.Sum(hart => hart.Exits.Requested),
            SbiCalls = _board.Environment?.Calls ?? 0,
            DeviceAccesses = _board.DeviceAccesses,
        };
    }

    private GuestException StoppedError() => new(
        GuestErrorIds.GuestStopped, $"Expected guest '{Name}' to run or to be suspended, found that it has stopped.", Name);

    /// <summary>Work for which the guest is held.</summary>
    /// <param name="Stop">Gives it up.</param>
    private sealed record HeldWork(CancellationTokenSource Stop)
    {
        /// <summary>The harts are held for it, and it uses the RAM. Under the guest's gate.</summary>
        public bool UsesRam { get; set; }

        /// <summary>Completes when it is over and the guest goes on.</summary>
        public TaskCompletionSource Over { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
