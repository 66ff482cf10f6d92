using System.Text.Json.Serialization;

namespace PsVm;

/// <summary>An error that New-MemoryBackend would give.</summary>
/// <param name="Id">Stable id of the cause.</param>
/// <param name="Message">What was expected and what was found.</param>
/// <param name="RecommendedAction">What to do; null where there is nothing to advise.</param>
public sealed record BackendError(string Id, string Message, string? RecommendedAction)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Id}: {Message}";
}

/// <summary>What New-MemoryBackend would do with the same options, found out without changing anything.</summary>
/// <remarks>Source: memory-backends rules, section 8. Names as in <see cref="MappingOutcome"/> where they apply.</remarks>
public sealed record BackendReport : BackendDescription
{
    /// <summary>A report of nothing yet.</summary>
    [JsonConstructor]
    public BackendReport()
    {
    }

    /// <summary>A report that says of the backend what a description does.</summary>
    /// <param name="description">The description.</param>
    public BackendReport(BackendDescription description)
        : base(description)
    {
    }

    /// <summary>New-MemoryBackend would succeed.</summary>
    public bool IsValid => Errors.Count == 0;

    /// <summary>The backend's id; null: it would be generated.</summary>
    public string? Id { get; init; }

    /// <summary>The mode the file would be opened with; null where the options contradict each other.</summary>
    public FileAccessMode? EffectiveMode { get; init; }

    /// <summary>Why, in one line.</summary>
    public string? Reason { get; init; }

    /// <summary>The versioned machine type whose defaults apply; null when it is unknown.</summary>
    public string? MachineType { get; init; }

    /// <summary>The file would be created.</summary>
    public bool WouldCreate { get; init; }

    /// <summary>Auto would choose ReadWrite, not get it, and open ReadOnly.</summary>
    public bool WouldFallBack { get; init; }

    /// <summary>The discard policy that would be in force; null where it is in error.</summary>
    public DiscardPolicy? EffectiveDiscardPolicy { get; init; }

    /// <summary>Errors, each with a stable id.</summary>
    public IReadOnlyList<BackendError> Errors { get; init => field = ValueList.Of(value); } = ValueList.Of<BackendError>([]);
}
