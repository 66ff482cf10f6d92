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

    /// <summary>Name of the guest whose RAM it is; null: nobody's.</summary>
    public string? Guest { get; init; }

    /// <summary>
    /// The id with the guest's name before it, as in <c>web/ram.default</c>, which tells the default RAM of guests apart.
    /// </summary>
    public string QualifiedId => Guest is null ? Id : $"{Guest}{BackendReference.GuestSeparator}{Id}";

    /// <inheritdoc cref="BackendDescription.Size"/>
    public long Size => Outcome.Size;

    /// <inheritdoc cref="BackendDescription.Kind"/>
    public BackendKind Kind => Outcome.Kind;

    /// <inheritdoc cref="BackendDescription.Path"/>
    public string? Path => Outcome.Path;

    /// <inheritdoc cref="BackendDescription.Mapping"/>
    public string Mapping => Outcome.Mapping;

    /// <inheritdoc cref="BackendDescription.Share"/>
    public bool Share => Outcome.Share;

    /// <inheritdoc cref="BackendDescription.ReadOnly"/>
    public bool ReadOnly => Outcome.ReadOnly;

    /// <inheritdoc cref="MappingOutcome.EffectiveMode"/>
    public FileAccessMode EffectiveMode => Outcome.EffectiveMode;

    /// <inheritdoc cref="MappingOutcome.EffectiveDiscardPolicy"/>
    public DiscardPolicy EffectiveDiscardPolicy => Outcome.EffectiveDiscardPolicy;

    /// <inheritdoc cref="MappingOutcome.Address"/>
    public ulong Address => Outcome.Address;

    /// <summary>Which file it was when it was opened; null without a named file.</summary>
    public FileIdentity? File { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Id;
}
