using System.Diagnostics;
using PsVm.Machine.Board;
using PsVm.Machine.Board.Slots;
using PsVm.Machine.Devices;
using PsVm.Machine.Firmware;
using PsVm.Machine.Scheduling;
using PsVm.Machine.Templates;
using PsVm.Machine.Templates.Lazy;
using PsVm.Memory;
using PsVm.Memory.Mapping;
using PsVm.Riscv;

namespace PsVm.Machine.Guests;

/// <summary>A guest that exists: its board, its harts, and where it is in its life. Safe from any thread.</summary>
internal sealed partial class LiveGuest : IHeldGuest, IDisposable
{
    private readonly Lock _gate = new();
    private readonly LifeEvents _events;
    private readonly GuestRam _ram;
    private readonly LazyRam? _filled;
    private readonly CodeCache _code;
    private readonly HartScheduler _scheduler;
    private readonly TemplateSource? _template;
    private readonly bool _firmware;
    private readonly GuestMachine _machine;
    private readonly GuestLife _life;
    private readonly GuestHold _hold;
    private readonly GuestMeter _meter;
    private readonly MemoryWatch _watch;
    private readonly OwnMemoryMeter _memory;
    private readonly PortSockets _sockets;

    private GuestInfo _description;
    private bool _isDiscarded;

    /// <summary>Puts a guest together; it does not run yet.</summary>
    /// <param name="scheduler">Where its harts are to run.</param>
    /// <param name="account">What it may have of the CPU, and has had.</param>
    /// <param name="ownMemory">What it may have of memory for itself.</param>
    /// <param name="watch">Who watches the host's memory.</param>
    /// <param name="code">Where all guests keep decoded and translated code.</param>
    /// <param name="family">What the guests have in common that it shares code with; null: it shares with nobody.</param>
    /// <param name="description">What does not change about it.</param>
    /// <param name="ram">Its RAM; it becomes the guest's when this returns.</param>
    /// <param name="filled">The RAM as it comes, which is the guest's as well; null: all of it is there.</param>
    /// <param name="firmware">It runs firmware; else the built-in SBI.</param>
    /// <param name="template">What it begins from; null: it boots.</param>
    /// <param name="begin">Brings the board to where it begins: power-on, or the template's state.</param>
    /// <param name="options">What it was made of, and can be made of again.</param>
    /// <param name="console">Its console; null: a new one.</param>
    /// <param name="devices">What is in its slots; it becomes the guest's when this returns.</param>
    /// <param name="sockets">The sockets of its named ports; they become the guest's when this returns.</param>
    /// <param name="events">Who is told of its end.</param>
    public LiveGuest(
        HartScheduler scheduler,
        CpuAccount account,
        OwnMemoryAccount ownMemory,
        MemoryWatch watch,
        CodeCache code,
        string? family,
        GuestInfo description,
        GuestRam ram,
        LazyRam? filled,
        bool firmware,
        TemplateSource? template,
        Action<GuestBoard> begin,
        GuestOptions options,
        GuestConsole? console,
        GuestDevices devices,
        PortSockets sockets,
        LifeEvents events)
    {
        _description = description;
        _ram = ram;
        _events = events;
        Options = options;
        _identity = options.Identity;
        Console = console ?? new GuestConsole();
        Devices = devices;
        _sockets = sockets;
        _code = code.OpenPart(family);
        (_scheduler, _template, _firmware) = (scheduler, template, firmware);
        GuestBoard board = MakeBoard();
        _machine = new GuestMachine(board, MakeHarts(board, account));
        _life = new GuestLife(() => Name, Console);
        _hold = new GuestHold(() => Name, _life, _machine);
        _meter = new GuestMeter(_machine, _ram, devices);
        _watch = watch;
        _memory = new OwnMemoryMeter(
            ownMemory, watch, () => ram.MeasureHeld() + devices.OwnBytes, () => ram.MostBytesPerFault, OnMemoryExceeded);
        ram.Faulted += OnRamFault;
        _filled = filled;
        devices.Tell(clause => events.Warned(Info, clause));
        filled?.Tell(() => _machine.Harts.Wake(), Fail, ReadDisksFrom);
        try
        {
            begin(board);
            ram.TellOfDiscards();
            MeetAgent(board);
        }
        catch
        {
            board.Dispose();
            _code.Dispose();
            throw;
        }
    }

    /// <summary>Its name.</summary>
    public string Name => _description.Name;

    /// <summary>What only operators change about it.</summary>
    public GuestInfo Description => _description;

    /// <summary>What it was made of, and its next life will be.</summary>
    public GuestOptions Options { get; private set; }

    /// <summary>Its console.</summary>
    public GuestConsole Console { get; }

    /// <summary>What is in its slots; its next life goes on with it.</summary>
    public GuestDevices Devices { get; private set; }

    /// <summary>Its balloon; null: it has none.</summary>
    public BalloonDevice? Balloon => Devices.All.OfType<BalloonDevice>().FirstOrDefault();

    /// <summary>The sockets of its named ports; its next life goes on with them.</summary>
    public PortSockets Sockets => _sockets;

    /// <summary>What it may have of the CPU, and has had; its next life goes on with it.</summary>
    public CpuAccount CpuAccount => _machine.Harts.Account;

    /// <summary>Its kernel has suspended the machine (SBI SUSP), and no hart has run since.</summary>
    public bool IsAsleep => _machine.Board.Environment is { IsAsleep: true };

    /// <summary>What it may have of memory for itself; its next life goes on with it.</summary>
    public OwnMemoryAccount OwnMemory => _memory.Account;

    /// <summary>Whoever puts its next life together, one after the other: they share its console.</summary>
    public SemaphoreSlim Succession { get; } = new(1, 1);

    /// <summary>How long it has run.</summary>
    public TimeSpan Uptime => _meter.Uptime;

    /// <summary>It has ended, to begin again.</summary>
    public bool IsRebooting => _life.IsRebooting;

    /// <summary>Changes what operators say of it.</summary>
    public void Describe(Func<GuestInfo, GuestInfo> change)
    {
        lock (_gate)
        {
            _description = change(_description);
        }
    }

    /// <summary>Changes what it may have of the CPU, from now on; null stays as it is.</summary>
    public void ChangeCpu(int? weight, double? limit) => _machine.Harts.ChangeCpu(weight, limit);

    /// <summary>Changes what it may have of memory for itself, which counts at once; null stays as it is.</summary>
    public void ChangeOwnMemory(long? limit, OwnMemoryAction? action)
    {
        OwnMemory.Change(limit, action);
        _memory.CheckLimit();
    }

    /// <summary>Has its backends say that they are those of its present name.</summary>
    public void RenameLeases() => _ram.Rename(Name);

    /// <summary>Ends its life for good where it would have rebooted.</summary>
    /// <param name="failure">Why it could not; null: an operator stopped it.</param>
    /// <returns>False: it was not about to reboot.</returns>
    public bool EndReboot(PsVmError? failure)
    {
        GuestEnd end = failure is null
            ? GuestEnd.Stopped("stopped by the operator")
            : new GuestEnd(GuestState.Failed, $"could not reboot: {failure.Message}", failure);
        if (!_life.EndReboot(end))
        {
            return false;
        }

        _events.Ended(Info);
        return true;
    }

    /// <summary>Gets the place of the life before, with what operators have said of that one meanwhile. Under the host's gate.</summary>
    public void TakeOver(LiveGuest ended, int reboots, bool isReset)
    {
        GuestInfo latest = ended.Description;
        if (Name != latest.Name)
        {
            _ram.Rename(latest.Name);
        }

        Describe(info => info with
        {
            Name = latest.Name,
            Notes = latest.Notes,
            Labels = latest.Labels,
            Reboots = reboots,
            Resets = latest.Resets + (isReset ? 1 : 0),
        });
        Console.Reopen();
    }

    /// <summary>Another life of this guest has its place; who waits for this one looks there.</summary>
    /// <returns>False: it is not about to reboot any more.</returns>
    public bool HandOver() => _life.HandOver();

    private GuestBoard MakeBoard() => new(
        MachineType.Get(_description.MachineType),
        _ram.Memory,
        _description.Harts,
        _firmware ? null : Sbi.For(_ram.Memory, Console, OnPowerRequest),
        _code,
        Console,
        OnPowerRequest,
        Devices.Slots(_ram),
        new ConsolePorts([.. Options.ConsolePorts.Select(port => port.Name)]));

    private HartGroup MakeHarts(GuestBoard board, CpuAccount account) =>
        new(_scheduler, account, board, OnSliceEnded, OnHartFailed, OnHartsEnded);

    /// <summary>The guest as it is now.</summary>
    public GuestInfo Info
    {
        get
        {
            GuestInfo info = _memory.Account.Show(_meter.Show(_life.Show(_description))) with
            {
                GenerationId = _machine.Board.Generation,
                Agent = _agent?.State ?? GuestAgentState.NoPort,
                ClockSetAt = _agent?.ClockSetAt,
                ClockBehind = _agent?.ClockSetAt is null && Origin is { } template ? _description.StartedAt - template.CreatedAt : null,
                IdentityState = _identityState,
                Fill = _filled?.Info,
                Balloon = Balloon?.Show(_description.Memory),
                ConsolePorts = _sockets.Show(),
                Networks = [.. Devices.All.OfType<NetworkInSlot>().Select(adapter => adapter.Show(_description.Name))],
                VhostUser = [.. Devices.All.OfType<VhostUserInSlot>().Select(device => device.Show())],
            };
            return info.StopReason is { } reason && _machine.Harts.Unheard is { } unheard
                ? info with { StopReason = $"{reason}; telling of it: {unheard.Message}" }
                : info;
        }
    }

    /// <summary>It is to wait before it is started: its time does not go on meanwhile.</summary>
    public void Wait() => _machine.Board.Pause();

    /// <summary>Comes out of a pool as a guest of its own.</summary>
    /// <param name="options">What is asked of it.</param>
    /// <param name="name">Its name.</param>
    public void ComeOut(GuestOptions options, string name)
    {
        Describe(info => info with
        {
            Name = name,
            Notes = options.Notes ?? info.Notes,
            Labels = options.Labels.Count > 0 ? options.Labels : info.Labels,
            StartedAt = DateTimeOffset.UtcNow,
        });
        _identity = options.Identity;
        RenameLeases();
        ChangeCpu(options.CpuWeight, options.CpuLimit);
        if (options.OwnMemoryLimit is not null || options.OwnMemoryAction is not null)
        {
            ChangeOwnMemory(options.OwnMemoryLimit, options.OwnMemoryAction);
        }
    }

    /// <summary>Its template is there, and is another one now.</summary>
    public bool IsOutdated => _template is { IsCurrent: false } template && Directory.Exists(template.Template.Path);

    /// <summary>Starts it; returns once its first hart runs, unless somebody has suspended or stopped it already.</summary>
    /// <param name="clock">Is told of that.</param>
    /// <param name="cancellation">Gives up waiting.</param>
    public void Start(StartClock clock, CancellationToken cancellation)
    {
        _meter.Begin();
        _watch.Add(_memory);
        clock.Began(_hold.Begin() ? _machine.Harts.WaitUntilFirstRun(cancellation) : Stopwatch.GetTimestamp());
        _meter.NoteStart(clock);
        SetClockSoon();
        BecomeSoon();
    }

    /// <summary>The template that it was started from; null: it booted.</summary>
    public GuestTemplate? Origin => _ram.Base;

    /// <summary>Holds its harts and its time; returns once none runs.</summary>
    /// <param name="cancellation">Gives up; the guest is as it was.</param>
    /// <exception cref="GuestException">It has stopped.</exception>
    public void Suspend(CancellationToken cancellation) => _hold.Suspend(cancellation);

    /// <summary>Lets its harts and its time go on; while work holds them, afterwards.</summary>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">It has stopped, or has too much memory to go on.</exception>
    public void Resume(CancellationToken cancellation)
    {
        _hold.Resume(
            () =>
            {
                CheckResume();
                _memory.GoOn();
            },
            cancellation);
        SetClockSoon();
    }

    /// <summary>Finds out whether it could go on now.</summary>
    /// <exception cref="GuestException">It has stopped, or has too much memory to go on.</exception>
    public void CheckResume()
    {
        ThrowIfEnded();
        _memory.CheckMayGoOn(Name);
    }

    /// <inheritdoc/>
    public T WhileHeld<T>(Func<GuestBoard, GuestRam, CancellationToken, T> work, CancellationToken cancellation) =>
        _hold.While(stop => work(_machine.Board, _ram, stop), cancellation);

    /// <inheritdoc/>
    public T WithRam<T>(Func<GuestBoard, GuestRam, CancellationToken, T> work, CancellationToken cancellation) =>
        _hold.WithRam(stop => work(_machine.Board, _ram, stop), cancellation);

    /// <inheritdoc/>
    T IHeldGuest.Pause<T>(Func<T> work, out TimeSpan pause, CancellationToken stop) => _hold.Pause(work, out pause, stop);

    /// <inheritdoc/>
    void IHeldGuest.Slow(bool slow) => _hold.Slow(slow);

    /// <inheritdoc/>
    void IHeldGuest.Stop(string reason) => End(GuestEnd.Stopped(reason));

    /// <summary>Powers it off, and gives up its checkpoint; returns once no hart runs.</summary>
    /// <param name="cancellation">Gives up waiting, once the guest has been told.</param>
    public void Stop(CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        if (!EndReboot(null))
        {
            // It does not reboot any more, unless its harts end just now.
            End(GuestEnd.Stopped("stopped by the operator"), givesUp: true);
            WaitUntilEnded(cancellation);
            EndReboot(null);
        }
    }

    /// <summary>Waits for a state.</summary>
    /// <returns>False when the time ran out, or the guest ended in another state.</returns>
    public bool WaitForState(GuestState wanted, TimeSpan timeout, CancellationToken cancellation) =>
        _life.WaitFor(wanted, timeout, cancellation);

    /// <summary>Throws when it has stopped or failed.</summary>
    /// <exception cref="GuestException">It has (<see cref="GuestErrorIds.GuestStopped"/>).</exception>
    public void ThrowIfEnded() => _life.ThrowIfOver();

    /// <inheritdoc cref="GuestLife.StoppedError"/>
    public GuestException StoppedError() => _life.StoppedError();

    /// <inheritdoc cref="GuestHold.ThrowIfHeld"/>
    public void ThrowIfHeld() => _hold.ThrowIfHeld();

    /// <summary>Types on its console.</summary>
    /// <returns>The position of its output where what it writes in answer begins.</returns>
    /// <exception cref="GuestException">It has stopped, or it does not read.</exception>
    public long Type(string text)
    {
        ThrowIfEnded();

        if (!Console.TryType(text, out long position))
        {
            throw new GuestException(
                GuestErrorIds.ConsoleInputFull,
                $"Expected room for {text.Length} characters among the {GuestConsole.InputCapacity} bytes that may wait, found "
                + $"{Console.InputCount} bytes that guest '{Name}' has not read.",
                Name,
                "Wait until the guest reads its console, then send the rest.");
        }

        return position;
    }

    /// <summary>Gives back all that it holds, of a life that nobody saw: its console is another life's, and its end is not told.</summary>
    public void Discard()
    {
        _isDiscarded = true;
        Dispose();
    }

    /// <summary>Stops it and gives back all that it holds.</summary>
    public void Dispose()
    {
        Stop(CancellationToken.None);
        _hold.Dispose();
        _machine.Board.Dispose();
        _code.Dispose();
        _filled?.Dispose();
        Devices.Dispose();
        _sockets.Dispose();
    }

    /// <summary>Asks all harts to stop; the first reason counts.</summary>
    /// <param name="end">How it ends.</param>
    /// <param name="reboots">It begins again then.</param>
    /// <param name="givesUp">A checkpoint that is under way is given up, also if it needs no more of the guest than its RAM.</param>
    private void End(GuestEnd end, bool reboots = false, bool givesUp = false)
    {
        // What a guest does once its RAM has failed, such as to power off, is of no account.
        _life.End(() => _ram.FindFault() is { } fault ? GuestEnd.Failed(ToError(fault)) : end, reboots);
        _filled?.Close();
        _hold.Stop(givesUp || _ram.FindFault() is not null);
    }

    private void Fail(PsVmError failure) => End(GuestEnd.Failed(failure));

    private void OnHartFailed(Exception failure) => Fail(GuestEnd.ErrorOf(failure, Name));

    /// <summary>A guest whose RAM is not what it stored does not run on.</summary>
    private void OnSliceEnded()
    {
        if (_ram.FindFault() is { } fault)
        {
            OnRamFault(fault);
        }

        _memory.OnSlice();
    }

    /// <summary>Its harts do not go on; what else is to be done waits for them, and must not on their thread.</summary>
    private void OnMemoryExceeded(MemoryExcess excess)
    {
        _machine.Harts.HoldSoon();
        _ = Task.Run(() => Answer(excess));
    }

    private void Answer(MemoryExcess excess)
    {
        // Before anybody can see what becomes of it: who waits for that is to find the warning, too.
        _events.Exceeded(Info, excess);
        if (OwnMemory.Action == OwnMemoryAction.Stop)
        {
            End(GuestEnd.Stopped($"stopped by the host: {excess.Reason}"));
            return;
        }

        try
        {
            _hold.Suspend(CancellationToken.None, excess.Reason, () => _memory.IsStopped); // else it was reset, or resumed, meanwhile
        }
        catch (GuestException ended) when (ended.ErrorId == GuestErrorIds.GuestStopped)
        {
            // It ends anyway.
        }
    }

    private void OnRamFault(RamFault fault) => Fail(ToError(fault));

    private static PsVmError ToError(RamFault fault) => new(MemoryErrorIds.RamFault, fault.ToString()) { Target = fault.BackendId };

    private void OnHartsEnded()
    {
        _watch.Remove(_memory);

        // Its backends are free once those who wait learn of the end.
        _ram.Faulted -= OnRamFault;
        Exception? wrong = null;
        try
        {
            _machine.Board.Halt();
            Devices.EndLife(_ram);
            _ram.Dispose();
        }
        catch (Exception failure)
        {
            wrong = failure;
        }

        _meter.End();
        if (_isDiscarded)
        {
            return;
        }

        // Not asked again: an operator who has stopped it since has told of that end.
        if (_life.Finish(wrong))
        {
            _events.WantsReboot(this);
        }
        else
        {
            _events.Ended(Info);
        }
    }
}
