namespace PsVm.Module.Tests.Guests;

/// <summary>Guests that only exist on paper. Waiting ends at once, with what <see cref="OnWait"/> says.</summary>
internal sealed class FakeGuestHost : IGuestHost
{
    private readonly Dictionary<string, GuestInfo> _guests = [];
    private readonly Dictionary<string, string> _consoles = [];

    public IReadOnlyList<string> MachineTypes { get; } = ["virt", "virt-1.1"];

    public string DescribeMachineType(string machineType) => $"what {machineType} has";

    public List<string> Calls { get; } = [];

    public List<GuestOptions> Started { get; } = [];

    /// <summary>What has happened.</summary>
    public List<HostEvent> Events { get; } = [];

    /// <summary>Mapping outcomes of the next guest.</summary>
    public IReadOnlyList<MappingOutcome> Backends { get; init; } = [];

    /// <summary>What happens before a guest starts.</summary>
    public Action<GuestOptions> OnStart { get; set; } = _ => { };

    /// <summary>What happens in the middle of a start or a checkpoint.</summary>
    public Action<IProgress<StepProgress>?> OnStep { get; set; } = _ => { };

    /// <summary>What was asked of checkpoints.</summary>
    public List<CheckpointOptions> Checkpoints { get; } = [];

    /// <summary>What happens while a cmdlet waits; true when what it waits for comes.</summary>
    public Func<string, bool> OnWait { get; set; } = _ => true;

    /// <summary>What happens when the console is read.</summary>
    public Action<string> OnRead { get; set; } = _ => { };

    /// <summary>Console text before this position is lost.</summary>
    public long FirstHeld { get; set; }

    public GuestInfo Add(string name, GuestState state = GuestState.Running, string console = "")
    {
        _guests[name] = new GuestInfo
        {
            Id = Guid.NewGuid(), Name = name, State = state, MachineType = "virt-1.1", Boot = "embedded guest", Backends = Backends,
        };
        _consoles[name] = console;
        return _guests[name];
    }

    public void Print(string name, string text) => _consoles[name] += text;

    public void SetState(string name, GuestState state, string? reason = null) =>
        _guests[name] = Get(name) with { State = state, StopReason = reason };

    public GuestInfo Start(GuestOptions options, IProgress<StepProgress>? progress, CancellationToken cancellation)
    {
        OnStart(options);
        OnStep(progress);
        Started.Add(options);
        return Add(options.Name ?? "guest1");
    }

    public IGuestPools Pools { get; } = new FakeGuestPools();

    public IGuestAgents Agents => throw new NotSupportedException("guests on paper have no agents");

    public void CheckStart(GuestOptions options, CancellationToken cancellation = default) => OnCheck(options.Name ?? "a guest");

    public void CheckNewName(string name) => OnCheck(name);

    public void CheckIdentity(CloneIdentity? identity, string? guest)
    {
    }

    public void CheckChange(GuestReference guest, GuestChange change) => OnCheck(Get(guest).Name);

    public void CheckMemoryTarget(GuestReference guest, long target, CancellationToken cancellation = default) =>
        OnCheck(Get(guest, cancellation).Name);

    /// <summary>What becomes of a guest that is told its target.</summary>
    public Func<GuestInfo, long, GuestInfo> OnTarget { get; set; } = (info, _) => info;

    public void SetMemoryTarget(GuestReference guest, long target, CancellationToken cancellation = default)
    {
        GuestInfo info = Get(guest, cancellation);
        _guests[info.Name] = OnTarget(info, target);
    }

    public void CheckRemove(GuestReference guest) => OnCheck(Get(guest).Name);

    public void CheckCheckpoint(GuestReference guest, CheckpointOptions options, CancellationToken cancellation = default) =>
        OnCheck(Get(guest, cancellation).Name);

    /// <summary>What is found out under -WhatIf.</summary>
    public Action<string> OnCheck { get; set; } = _ => { };

    public Action<int> OnCheckRoom { get; set; } = _ => { };

    public void CheckRoom(GuestOptions options, int count, CancellationToken cancellation = default) => OnCheckRoom(count);

    public void CheckStartAgain(GuestReference guest, CancellationToken cancellation = default) => OnCheck(Get(guest, cancellation).Name);

    public void CheckRestart(GuestReference guest, CancellationToken cancellation = default) => OnCheck(Get(guest, cancellation).Name);

    public GuestInfo StartAgain(GuestReference guest, IProgress<StepProgress>? progress, CancellationToken cancellation)
    {
        Calls.Add($"start again {Get(guest, cancellation).Name}");
        OnStep(progress);
        SetState(guest.Name, GuestState.Running);
        return Get(guest, cancellation);
    }

    public GuestInfo Reset(GuestReference guest, bool keepIdentity = false, CancellationToken cancellation = default)
    {
        Calls.Add($"reset {Get(guest, cancellation).Name}{(keepIdentity ? " keeping its identity" : "")}");
        return Get(guest, cancellation);
    }

    public TemplateWorkingSet RecordWorkingSet(GuestReference guest, CancellationToken cancellation = default)
    {
        Calls.Add($"record {Get(guest, cancellation).Name}");
        return new TemplateWorkingSet { Template = "/t", Path = "/.t.working-set" };
    }

    public TemplateWorkingSet RecordWorkingSet(string template, TimeSpan duration, CancellationToken cancellation = default)
    {
        Calls.Add($"record {template}");
        return new TemplateWorkingSet { Template = template, Path = template };
    }

    public void CheckReset(GuestReference guest, CancellationToken cancellation = default) => OnCheck(Get(guest, cancellation).Name);

    public GuestInfo Change(GuestReference guest, GuestChange change, CancellationToken cancellation = default)
    {
        Calls.Add($"change {Get(guest, cancellation).Name} {change.Name} {change.Notes}");
        return Get(guest, cancellation);
    }

    public IReadOnlyList<GuestInfo> List(CancellationToken cancellation = default) => [.. _guests.Values];

    public GuestInfo Get(GuestReference guest, CancellationToken cancellation = default) =>
        _guests.GetValueOrDefault(guest.Name) is { } found && (guest.Id ?? found.Id) == found.Id
            ? found
            : throw new GuestException(GuestErrorIds.GuestNotFound, "not found", guest.Name);

    public GuestMeasurement Measure(GuestReference guest, bool detailed, CancellationToken cancellation = default) =>
        Measure([guest], detailed, cancellation)[0];

    public IReadOnlyList<GuestMeasurement> Measure(
        IReadOnlyList<GuestReference> guests, bool detailed, CancellationToken cancellation = default)
    {
        Calls.Add($"measure {string.Join(' ', guests)} {detailed}");
        return [.. guests.Select(guest => new GuestMeasurement { Name = Get(guest).Name, State = Get(guest).State })];
    }

    /// <summary>The RAM of each guest.</summary>
    public IReadOnlyList<RamMap> Maps { get; set; } = [];

    public IReadOnlyList<GuestDisk> GetDisks(GuestReference guest, CancellationToken cancellation = default) => [];

    public IGuestDisks Disks => throw new NotSupportedException();

    public IGuestSharedFolders SharedFolders { get; } = new NoSharedFolders();

    public IGuestNetworks Networks => throw new NotSupportedException();

    public IReadOnlyList<RamMap> Map(GuestReference guest, long cellSize, CancellationToken cancellation = default)
    {
        Calls.Add($"map {Get(guest, cancellation).Name} {cellSize}");
        return Maps;
    }

    public void CheckResume(GuestReference guest) => OnCheck(Get(guest).Name);

    public void CheckNotStopped(GuestReference guest) => OnCheck(Get(guest).Name);

    public void Suspend(GuestReference guest, CancellationToken cancellation = default) => Change("suspend", guest, GuestState.Suspended);

    public void Resume(GuestReference guest, CancellationToken cancellation = default) => Change("resume", guest, GuestState.Running);

    public void Stop(GuestReference guest, CancellationToken cancellation = default) => Change("stop", guest, GuestState.Stopped);

    public async Task<bool> ShutDownAsync(GuestReference guest, TimeSpan timeout, CancellationToken cancellation = default)
    {
        await Task.CompletedTask;
        bool stops = Wait("shut down", guest.Name, timeout);
        if (stops)
        {
            SetState(guest.Name, GuestState.Stopped);
        }

        return stops;
    }

    public GuestTemplate Checkpoint(
        GuestReference guest, CheckpointOptions options, IProgress<StepProgress>? progress, CancellationToken cancellation)
    {
        OnStep(progress);
        Calls.Add($"checkpoint {Get(guest, cancellation).Name}");
        Checkpoints.Add(options);
        return Template(options.Path, guest.Name);
    }

    public GuestTemplate CheckpointHidden(GuestReference guest, IProgress<StepProgress>? progress, CancellationToken cancellation)
    {
        OnStep(progress);
        Calls.Add($"checkpoint {Get(guest, cancellation).Name} hidden");
        return Template("/hidden", guest.Name);
    }

    public void ReleaseHidden(string path) => Calls.Add($"release {path}");

    public static GuestTemplate Template(string path, string guest) =>
        new() { Path = path, Guest = guest, MachineType = "virt-1.1", Board = "virt", Isa = "rv64", Boot = "embedded guest" };

    public void Remove(GuestReference guest, CancellationToken cancellation = default)
    {
        Calls.Add($"remove {Get(guest, cancellation).Name}");
        _guests.Remove(guest.Name);
    }

    public bool WaitForText(GuestReference guest, string text, TimeSpan timeout, CancellationToken cancellation) =>
        Wait($"text {text}", guest.Name, timeout);

    public bool WaitForState(GuestReference guest, GuestState state, TimeSpan timeout, CancellationToken cancellation) =>
        Wait($"state {state}", guest.Name, timeout);

    /// <summary>Where consoles were cut by a reset.</summary>
    public long CutAt { get; set; }

    /// <summary>When console text from a position on came.</summary>
    public List<ConsoleMoment> Moments { get; } = [];

    /// <summary>What was waited for on consoles.</summary>
    public List<ConsoleExpectation> Expected { get; } = [];

    public ConsoleMatch? WaitForOutput(
        GuestReference guest, ConsoleExpectation expected, TimeSpan timeout, CancellationToken cancellation)
    {
        Expected.Add(expected);
        bool comes = Wait($"output {expected.Pattern}", guest.Name, timeout);
        return comes ? new ConsoleMatch(expected.From, _consoles[Get(guest, cancellation).Name].Length) : null;
    }

    public ConsoleText ReadConsole(GuestReference guest, long position, CancellationToken cancellation = default) =>
        ReadConsole(guest, position, int.MaxValue, cancellation);

    public ConsoleText ReadConsole(GuestReference guest, long position, int limit, CancellationToken cancellation = default)
    {
        OnRead(guest.Name);
        string text = _consoles[Get(guest, cancellation).Name];
        int from = (int)Math.Min(Math.Max(position, FirstHeld), text.Length);
        int end = (int)Math.Min(text.Length, (long)from + limit);
        return new ConsoleText(text[from..end], end, Math.Max(0, from - position)) { Moments = Moments, IsCut = position < CutAt };
    }

    public long WriteConsole(GuestReference guest, string text, CancellationToken cancellation = default)
    {
        Calls.Add($"type {Get(guest, cancellation).Name} {text}");
        long position = _consoles[guest.Name].Length;
        OnType(guest.Name, text);
        return position;
    }

    /// <summary>What happens when something is typed.</summary>
    public Action<string, string> OnType { get; set; } = (_, _) => { };

    public HostEvents ReadEvents(long position, CancellationToken cancellation = default)
    {
        long start = Math.Min(position, Events.Count);
        return new HostEvents([.. Events.Skip((int)start)], Events.Count, 0);
    }

    private bool Wait(string what, string name, TimeSpan timeout)
    {
        Calls.Add($"wait {what} {Get(name).Name} {timeout.TotalSeconds}");
        return OnWait(name);
    }

    private void Change(string call, GuestReference guest, GuestState state)
    {
        Calls.Add($"{call} {Get(guest).Name}");
        SetState(guest.Name, state);
    }

    /// <summary>No guest shares a folder.</summary>
    private sealed class NoSharedFolders : IGuestSharedFolders
    {
        public IReadOnlyList<GuestSharedFolder> Get(GuestReference guest, CancellationToken cancellation = default) => [];

        public GuestSharedFolder Add(GuestReference guest, GuestSharedFolderOptions folder, CancellationToken cancellation = default) =>
            throw new NotSupportedException();

        public void CheckAdd(GuestReference guest, GuestSharedFolderOptions folder, CancellationToken cancellation = default) =>
            throw new NotSupportedException();

        public void Remove(GuestReference guest, string tag, CancellationToken cancellation = default) => throw new NotSupportedException();

        public void CheckRemove(GuestReference guest, string tag, CancellationToken cancellation = default) =>
            throw new NotSupportedException();
    }
}
