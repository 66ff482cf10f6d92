namespace PsVm;

/// <summary>A live backend as it was when asked. Data only, so that it can cross a process boundary: it holds no mapping.</summary>
public sealed record MemoryBackendInfo
{
    /// <summary>Unique among live backends, but for <c>ram.default</c>, which each guest may have one of.</summary>
    public required string Id { get; init; }

    /// <summary>Tells this backend from an earlier or later one of the same id.</summary>
    public Guid InstanceId { get; init; }

    /// <summary>Means this very backend.</summary>
    public BackendReference Reference => new(Id, InstanceId);

    /// <summary>What was asked for, with the id it got.</summary>
    public required MemoryBackendOptions Options { get; init; }

    /// <summary>What was decided and done.</summary>
    public required MappingOutcome Outcome { get; init; }

    /// <inheritdoc cref="BackendDescription.Size"/>
    public long Size => Outcome.Size;

    /// <inheritdoc cref="MappingOutcome.Address"/>
    public ulong Address => Outcome.Address;

    /// <summary>Which file it was when it was opened; null without a named file.</summary>
    public FileIdentity? File { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Id;
}
