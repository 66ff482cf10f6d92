namespace PsVm;

/// <summary>
/// Which pages of a template its clones touch first: read ahead from the disk when a clone starts and they are not in memory. Data only.
/// </summary>
/// <remarks>Source: docs/template-format.md, "Working set".</remarks>
public sealed record TemplateWorkingSet
{
    /// <summary>Full path of the template's folder.</summary>
    public required string Template { get; init; }

    /// <summary>Full path of the file that holds it, beside the template.</summary>
    public required string Path { get; init; }

    /// <summary>Bytes of RAM in it.</summary>
    public long Bytes { get; init; }

    /// <summary>Ranges of pages in it.</summary>
    public int Ranges { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Path;
}
