namespace PsVm;

/// <summary>Why guests cannot start from a template.</summary>
/// <param name="Id">Stable id of the cause, the <see cref="PsVmException.ErrorId"/> that a start would fail with.</param>
/// <param name="Message">What was expected and what was found.</param>
/// <param name="RecommendedAction">What to do; null where there is nothing to advise.</param>
public sealed record TemplateError(string Id, string Message, string? RecommendedAction)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Id}: {Message}";
}

/// <summary>What was found out about a template.</summary>
public sealed record TemplateReport
{
    /// <summary>Full path of its folder.</summary>
    public required string Path { get; init; }

    /// <summary>Name of its folder.</summary>
    public string Name => System.IO.Path.GetFileName(System.IO.Path.TrimEndingDirectorySeparator(Path));

    /// <summary>Guests can start from it.</summary>
    public bool IsValid => Errors.Count == 0;

    /// <summary>The SHA-256 of each RAM file was compared, as far as nothing else was wrong.</summary>
    public bool Verified { get; init; }

    /// <summary>The template; null when its description cannot be read.</summary>
    public GuestTemplate? Template { get; init; }

    /// <summary>All that is wrong.</summary>
    public IReadOnlyList<TemplateError> Errors { get; init => field = ValueList.Of(value); } = ValueList.Of<TemplateError>([]);
}
