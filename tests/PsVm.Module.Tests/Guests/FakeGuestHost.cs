namespace PsVm.Module.Tests.Guests;

/// <summary>Guests that only exist on paper. Waiting ends at once, with what <see cref="OnWait"/> says.</summary>
internal sealed class FakeGuestHost : IGuestHost
{
    private readonly Dictionary<string, GuestInfo> _guests = [];
    private readonly Dictionary<string, string> _consoles = [];

    public List<string> Calls { get; } = [];

    public List<GuestOptions> Started { get; } = [];

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

    public IReadOnlyList<GuestInfo> List() => [.. _guests.Values];

    public GuestInfo Get(string name) =>
        _guests.GetValueOrDefault(name) ?? throw new GuestException(GuestErrorIds.GuestNotFound, "not found", name);

    public GuestMeasurement Measure(string name, bool detailed) => Measure([name], detailed)[0];

    public IReadOnlyList<GuestMeasurement> Measure(IReadOnlyList<string> names, bool detailed)
    {
        Calls.Add($"measure {string.Join(' ', names)} {detailed}");
        return [.. names.Select(name => new GuestMeasurement { Name = Get(name).Name, State = Get(name).State })];
    }

    public void Suspend(string name) => Change("suspend", name, GuestState.Suspended);

    public void Resume(string name) => Change("resume", name, GuestState.Running);

    public void Stop(string name) => Change("stop", name, GuestState.Stopped);

    public GuestTemplate Checkpoint(string name, CheckpointOptions options, IProgress<double>? progress, CancellationToken cancellation)
    {
        Calls.Add($"checkpoint {Get(name).Name}");
        Checkpoints.Add(options);
        return Template(options.Path, name);
    }

    public static GuestTemplate Template(string path, string guest) =>
        new() { Path = path, Guest = guest, MachineType = "virt-1.1", Board = "virt", Isa = "rv64", Boot = "embedded guest" };

    public void Remove(string name)
    {
        Calls.Add($"remove {Get(name).Name}");
        _guests.Remove(name);
    }

    public bool WaitForText(string name, string text, TimeSpan timeout, CancellationToken cancellation) =>
        Wait($"text {text}", name, timeout);

    public bool WaitForState(string name, GuestState state, TimeSpan timeout, CancellationToken cancellation) =>
        Wait($"state {state}", name, timeout);

    public ConsoleText ReadConsole(string name, long position)
    {
        OnRead(name);
        long from = Math.Max(position, FirstHeld);
        string text = _consoles[Get(name).Name];
        return new ConsoleText(text[(int)from..], text.Length, from - position);
    }

    public void WriteConsole(string name, string text) => Calls.Add($"type {Get(name).Name} {text}");

    private bool Wait(string what, string name, TimeSpan timeout)
    {
        Calls.Add($"wait {what} {Get(name).Name} {timeout.TotalSeconds}");
        return OnWait(name);
    }

    private void Change(string call, string name, GuestState state)
    {
        Calls.Add($"{call} {Get(name).Name}");
        SetState(name, state);
    }
}
