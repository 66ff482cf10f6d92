namespace PsVm.Module.Tests.Guests;

/// <summary>Guests that only exist on paper. Waiting ends at once, with what <see cref="OnWait"/> says.</summary>
internal sealed class FakeGuestHost : IGuestHost
{
    private readonly Dictionary<string, GuestInfo> _guests = [];
    private readonly Dictionary<string, string> _consoles = [];

    public IReadOnlyList<string> MachineTypes { get; } = ["virt", "virt-1.1"];

    public List<string> Calls { get; } = [];

    public List<GuestOptions> Started { get; } = [];

    /// <summary>What has happened.</summary>
    public List<HostEvent> Events { get; } = [];

    /// <summary>Mapping outcomes of the next guest.</summary>
    public IReadOnlyList<MappingOutcome> Backends { get; init; } = [];

    /// <summary>What happens before a guest starts.</summary>
    public Action<GuestOptions> OnStart { get; set; } = _ => { };

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

    public GuestInfo Start(GuestOptions options, CancellationToken cancellation)
    {
        OnStart(options);
        Started.Add(options);
        return Add(options.Name ?? "guest1");
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

    public void Suspend(GuestReference guest, CancellationToken cancellation = default) => Change("suspend", guest, GuestState.Suspended);

    public void Resume(GuestReference guest, CancellationToken cancellation = default) => Change("resume", guest, GuestState.Running);

    public void Stop(GuestReference guest, CancellationToken cancellation = default) => Change("stop", guest, GuestState.Stopped);

    public GuestTemplate Checkpoint(
        GuestReference guest, CheckpointOptions options, IProgress<double>? progress, CancellationToken cancellation)
    {
        Calls.Add($"checkpoint {Get(guest, cancellation).Name}");
        Checkpoints.Add(options);
        return Template(options.Path, guest.Name);
    }

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

    public ConsoleText ReadConsole(GuestReference guest, long position, CancellationToken cancellation = default)
    {
        OnRead(guest.Name);
        long from = Math.Max(position, FirstHeld);
        string text = _consoles[Get(guest, cancellation).Name];
        return new ConsoleText(text[(int)from..], text.Length, from - position);
    }

    public void WriteConsole(GuestReference guest, string text, CancellationToken cancellation = default) =>
        Calls.Add($"type {Get(guest, cancellation).Name} {text}");

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
}
