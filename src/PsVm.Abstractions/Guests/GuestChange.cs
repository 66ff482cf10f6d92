namespace PsVm;

/// <summary>What an operator wants to be different about a guest; null stays as it is.</summary>
public sealed record GuestChange
{
    /// <summary>Another name, unique among guests.</summary>
    public string? Name { get; init; }

    /// <summary>What to remember; empty: nothing.</summary>
    public string? Notes { get; init; }

    /// <summary>Labels instead of those that it has.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary>Another share of a busy host's CPUs: 1 to 10000.</summary>
    public int? CpuWeight { get; init; }

    /// <summary>Another number of host CPUs that its harts may use together: 0.01 to 1000; 0: all.</summary>
    public double? CpuLimit { get; init; }

    /// <summary>Another most of bytes of own memory: at least 1 MiB; 0: any number. Counts at once.</summary>
    public long? OwnMemoryLimit { get; init; }

    /// <summary>What else is to be done when it takes more than that, or more than the host can spare.</summary>
    public OwnMemoryAction? OwnMemoryAction { get; init; }
}
