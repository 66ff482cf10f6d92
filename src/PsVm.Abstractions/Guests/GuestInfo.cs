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

    /// <summary>What went wrong, when it failed; else null.</summary>
    public PsVmError? Failure { get; init; }

    /// <summary>The versioned machine type.</summary>
    public required string MachineType { get; init; }

    /// <summary>Number of harts.</summary>
    public int Harts { get; init; }

    /// <summary>RAM in bytes.</summary>
    public long Memory { get; init; }

    /// <summary>The mapping outcome of each backend, in address order.</summary>
    public IReadOnlyList<MappingOutcome> Backends { get; init; } = [];

    /// <summary>Instructions retired by all harts.</summary>
    public long Instructions { get; init; }

    /// <summary>Host CPU time that its harts used.</summary>
    public TimeSpan CpuTime { get; init; }

    /// <summary>When it started (UTC).</summary>
    public DateTimeOffset StartedAt { get; init; }

    /// <summary>When it stopped or failed (UTC); null while it runs.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>Time since the start, or from the start to the stop.</summary>
    public TimeSpan Uptime { get; init; }

    /// <summary>Time from the request to the first instruction.</summary>
    public TimeSpan StartLatency { get; init; }

    /// <summary>What boots: a file's name or <c>embedded guest</c>.</summary>
    public required string Boot { get; init; }

    /// <summary>The machine's own UUID; a clone gets its own, a restored guest keeps it.</summary>
    public Guid Uuid { get; init; }

    /// <summary>What the guest reads as its generation id: another for each clone.</summary>
    public Guid GenerationId { get; init; }

    /// <summary>Full path of the template it started from; null: it booted.</summary>
    public string? Template { get; init; }
}
