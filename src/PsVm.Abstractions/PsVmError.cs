namespace PsVm;

/// <summary>An error as data, which can cross a process boundary: what was expected, what was found, and what to do.</summary>
/// <param name="Id">Stable id of the cause.</param>
/// <param name="Message">What was expected and what was found.</param>
public sealed record PsVmError(string Id, string Message)
{
    /// <summary>What was expected and what was found, fit for a terminal (<see cref="VisibleText"/>).</summary>
    public string Message { get; init; } = VisibleText.Of(Message);

    /// <summary>What it is about: a path, an id, a name; null: nothing that has one.</summary>
    public string? Target { get; init; }

    /// <summary>What sort of error it is.</summary>
    public ErrorKind Category { get; init; } = ErrorKinds.Of(Id);

    /// <summary>What to do; null where there is nothing to advise.</summary>
    public string? RecommendedAction { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"{Id}: {Message}";
}
