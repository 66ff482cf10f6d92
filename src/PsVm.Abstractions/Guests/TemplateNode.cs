namespace PsVm;

/// <summary>A template and its place among those that are made on each other. Data only; sizes are bytes.</summary>
public sealed record TemplateNode
{
    /// <summary>The template.</summary>
    public required GuestTemplate Template { get; init; }

    /// <summary>Full path of its folder.</summary>
    public string Path => Template.Path;

    /// <summary>Name of its folder.</summary>
    public string Name => Template.Name;

    /// <summary>The guest that it was made of.</summary>
    public string Guest => Template.Guest;

    /// <summary>How many templates it needs, as far as they are known.</summary>
    public int Depth { get; init; }

    /// <summary>Its name behind lines that lead to the template that it is made on, for people.</summary>
    public required string Tree { get; init; }

    /// <summary>
    /// Full path of the template that it is made on, where that is now; null: it stands alone, or that one was not found.
    /// </summary>
    public string? Parent { get; init; }

    /// <summary>It is made on a template that was not found: guests cannot start from it.</summary>
    public bool IsOrphan => Template.Differential && Parent is null;

    /// <summary>Full paths of the templates in the folder that are made on it.</summary>
    public IReadOnlyList<string> Children { get; init => field = ValueList.Of(value); } = ValueList.Of<string>([]);

    /// <summary>RAM of its guests.</summary>
    public long Memory => Template.Memory;

    /// <summary>What changed since the template that it is made on; null: it stands alone.</summary>
    public long? Changed => Template.Differential ? Template.RamBlocks.Sum(block => block.ChangedBytes) : null;

    /// <summary>What its own files take on the disk; blocks that are shared by reflinks count in each.</summary>
    public long OnDisk { get; init; }

    /// <summary>Guests of this process that were started from it and have not stopped; null: nobody has asked.</summary>
    public int? Clones { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Path;
}
