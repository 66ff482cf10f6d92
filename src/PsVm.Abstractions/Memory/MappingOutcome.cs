using System.Text.Json.Serialization;

namespace PsVm;

/// <summary>What was decided and done for one backend.</summary>
/// <remarks>Source: memory-backends rules, section 8. Sizes and offsets are bytes.</remarks>
public sealed record MappingOutcome : BackendDescription
{
    /// <summary>An outcome of nothing yet.</summary>
    [JsonConstructor]
    public MappingOutcome()
    {
    }

    /// <summary>An outcome that says of the backend what a description does.</summary>
    /// <param name="description">The description.</param>
    public MappingOutcome(BackendDescription description)
        : base(description)
    {
    }

    /// <summary>The backend's id.</summary>
    public required string Id { get; init; }

    /// <summary>The mode the file was opened with: ReadOnly or ReadWrite.</summary>
    public FileAccessMode EffectiveMode { get; init; }

    /// <summary>Why, in one line; the same before (Test-BackendOptions) and after.</summary>
    public required string Reason { get; init; }

    /// <summary>The versioned machine type whose defaults applied.</summary>
    public required string MachineType { get; init; }

    /// <summary>This backend created the file.</summary>
    public bool Created { get; init; }

    /// <summary>Auto chose ReadWrite, could not have it, and opened ReadOnly.</summary>
    public bool FellBack { get; init; }

    /// <summary>Host virtual address of the first byte; a number to look up in /proc/PID/maps.</summary>
    public ulong Address { get; init; }

    /// <summary>The discard policy in force; Auto means that pages of anonymous memory are dropped.</summary>
    public DiscardPolicy EffectiveDiscardPolicy { get; init; }

    /// <summary>Time from the request to the finished mapping.</summary>
    public TimeSpan Elapsed { get; init; }

    /// <summary>The backend's id.</summary>
    public override string ToString() => Id;
}
