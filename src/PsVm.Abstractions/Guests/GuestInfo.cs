namespace PsVm;

/// <summary>A guest as it was when asked. Data only, so that it can cross a process boundary.</summary>
public sealed record GuestInfo
{
    /// <summary>Tells this guest from an earlier or later one of the same name.</summary>
    public Guid Id { get; init; }

    /// <summary>The guest's name.</summary>
    public required string Name { get; init; }

    /// <summary>Means this very guest.</summary>
    public GuestReference Reference => new(Name, Id);

    /// <summary>Where it is in its life.</summary>
    public GuestState State { get; init; }

    /// <summary>Why it stopped or failed; null while it runs.</summary>
    public string? StopReason { get; init; }

    /// <summary>Why the host suspended it; null: it is not suspended, or an operator did it.</summary>
    public string? SuspendReason { get; init; }

    /// <summary>What went wrong, when it failed; else null.</summary>
    public PsVmError? Failure { get; init; }

    /// <summary>The versioned machine type.</summary>
    public required string MachineType { get; init; }

    /// <summary>Number of harts.</summary>
    public int Harts { get; init; }

    /// <summary>RAM in bytes.</summary>
    public long Memory { get; init; }

    /// <summary>The mapping outcome of each backend, in address order.</summary>
    public IReadOnlyList<MappingOutcome> Backends { get; init => field = ValueList.Of(value); } = ValueList.Of<MappingOutcome>([]);

    /// <summary>Instructions retired by all harts.</summary>
    public long Instructions { get; init; }

    /// <summary>Host CPU time that its harts used.</summary>
    public TimeSpan CpuTime { get; init; }

    /// <summary>Share of a busy host's CPUs, beside those of other guests.</summary>
    public int CpuWeight { get; init; } = 100;

    /// <summary>Most host CPUs that its harts use together; null: all.</summary>
    public double? CpuLimit { get; init; }

    /// <summary>Most bytes of memory that it may have for itself; null: any number.</summary>
    public long? OwnMemoryLimit { get; init; }

    /// <summary>What is done when it takes more than that, or more than the host can spare.</summary>
    public OwnMemoryAction OwnMemoryAction { get; init; }

    /// <summary>When it started (UTC).</summary>
    public DateTimeOffset StartedAt { get; init; }

    /// <summary>When it stopped or failed (UTC); null while it runs.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>Time since the start, or from the start to the stop.</summary>
    public TimeSpan Uptime { get; init; }

    /// <summary>Time from the request to the first instruction.</summary>
    public TimeSpan StartLatency { get; init; }

    /// <summary>How often it has rebooted by itself since it was started.</summary>
    public int Reboots { get; init; }

    /// <summary>How often it was put back to its template since it was made.</summary>
    public int Resets { get; init; }

    /// <inheritdoc cref="GuestOptions.Notes"/>
    public string? Notes { get; init; }

    /// <inheritdoc cref="GuestOptions.Labels"/>
    public IReadOnlyDictionary<string, string> Labels { get; init => field = GuestLabels.Of(value); } = GuestLabels.None;

    /// <summary>What boots: a file's name or <c>embedded guest</c>.</summary>
    public required string Boot { get; init; }

    /// <summary>Full path of the kernel it booted; null: it booted none, or goes on from a template.</summary>
    public string? Kernel { get; init; }

    /// <summary>Full path of its initial RAM disk; null: it has none, or goes on from a template.</summary>
    public string? Initrd { get; init; }

    /// <summary>Full path of its machine-mode firmware; null: the built-in SBI, or it goes on from a template.</summary>
    public string? Firmware { get; init; }

    /// <summary>The kernel's command line; null: none was given, or it goes on from a template.</summary>
    public string? CommandLine { get; init; }

    /// <summary>Whether an agent in it answers, as far as that is known; nobody is asked for it.</summary>
    public GuestAgentState Agent { get; init; }

    /// <summary>
    /// When its agent has set its clock last (UTC): as it began from a template, was resumed or reset, and as the agent began. Null: none
    /// has, so a clone's clock is behind by the time since its template was made.
    /// </summary>
    public DateTimeOffset? ClockSetAt { get; init; }

    /// <summary>
    /// How far its wall clock is behind the host's at least, since it began with the time of its template and no agent has set it. Null: it
    /// booted, or an agent has. A kernel that woke from suspend to RAM has read the board's clock, and is right: PsVm cannot see that.
    /// </summary>
    public TimeSpan? ClockBehind { get; init; }

    /// <summary>Whether its agent has given it the identity that it was started with.</summary>
    public GuestIdentityState IdentityState { get; init; }

    /// <summary>The machine's own UUID; a clone gets its own, a restored guest keeps it.</summary>
    public Guid Uuid { get; init; }

    /// <summary>What the guest reads as its generation id: another for each clone.</summary>
    public Guid GenerationId { get; init; }

    /// <summary>Full path of the template it started from; null: it booted.</summary>
    public string? Template { get; init; }

    /// <summary>Its balloon; null: it has none.</summary>
    public GuestBalloon? Balloon { get; init; }

    /// <summary>Devices of it whose work other processes do (vhost-user).</summary>
    public IReadOnlyList<GuestVhostUser> VhostUser { get; init => field = ValueList.Of(value); } = ValueList.Of<GuestVhostUser>([]);

    /// <summary>Named ports of its console device, and the sockets by which programs of the host reach them.</summary>
    public IReadOnlyList<GuestConsolePort> ConsolePorts { get; init => field = ValueList.Of(value); } = ValueList.Of<GuestConsolePort>([]);

    /// <summary>Its network adapters.</summary>
    public IReadOnlyList<GuestNetworkAdapter> Networks { get; init => field = ValueList.Of(value); } =
        ValueList.Of<GuestNetworkAdapter>([]);

    /// <summary>The copy of a template that it was started on lazily (<see cref="GuestOptions.Lazy"/>); null: it was not.</summary>
    public GuestFill? Fill { get; init; }
}
