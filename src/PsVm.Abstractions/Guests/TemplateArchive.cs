namespace PsVm;

/// <summary>A template, and those it needs, in one file. Data only. Source: docs/template-format.md, "Archives". Sizes are bytes.</summary>
public sealed record TemplateArchive
{
    /// <summary>How names of archives end.</summary>
    public const string Extension = ".psvm";

    /// <summary>Full path of the file.</summary>
    public required string Path { get; init; }

    /// <summary>Name of the file.</summary>
    public string Name => System.IO.Path.GetFileName(Path);

    /// <summary>Bytes of the file.</summary>
    public long Length { get; init; }

    /// <summary>Bytes of RAM in it, before they were compressed; holes are not stored.</summary>
    public long DataBytes { get; init; }

    /// <summary>When it was made (UTC).</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>The template that was exported, then the one that it needs, then the one that that one needs, and so on.</summary>
    public IReadOnlyList<ArchivedTemplate> Templates { get; init => field = ValueList.Of(value); } = ValueList.Of<ArchivedTemplate>([]);

    /// <inheritdoc/>
    public override string ToString() => Path;
}

/// <summary>A template in an archive. Sizes are bytes.</summary>
public sealed record ArchivedTemplate
{
    /// <summary>Name of its folder.</summary>
    public required string Name { get; init; }

    /// <summary>Its <see cref="GuestTemplate.Id"/>.</summary>
    public Guid Id { get; init; }

    /// <summary>Name of the guest that was checkpointed.</summary>
    public required string Guest { get; init; }

    /// <summary>The versioned machine type of that guest.</summary>
    public required string MachineType { get; init; }

    /// <summary>RAM in bytes.</summary>
    public long Memory { get; init; }

    /// <summary>Bytes of RAM that are stored, before they were compressed.</summary>
    public long DataBytes { get; init; }

    /// <summary>Id of the template that it needs; null: it stands alone.</summary>
    public Guid? ParentId { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Name;
}
