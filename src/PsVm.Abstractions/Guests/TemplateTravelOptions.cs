namespace PsVm;

/// <summary>What an operator asks of a copy of a template, or of moving it.</summary>
public sealed record TemplateCopyOptions
{
    /// <summary>
    /// Where it comes: a folder that is there and is no template gets it under its name, anything else becomes its folder.
    /// </summary>
    public required string Destination { get; init; }

    /// <summary>The destination is a folder that gets it under its name, even when it is missing.</summary>
    public bool IntoFolder { get; init; }

    /// <summary>Replace a template that is there already.</summary>
    public bool Force { get; init; }
}

/// <summary>What an operator asks of an archive of a template.</summary>
public sealed record TemplateExportOptions
{
    /// <summary>The <see cref="CompressionLevel"/> when none is asked for.</summary>
    public const int DefaultCompressionLevel = 3;

    /// <summary>The file: in a folder that is there the archive has the template's name, anything else becomes the archive.</summary>
    public required string Path { get; init; }

    /// <summary>The path is a folder in which the archive has the template's name, even when it is missing.</summary>
    public bool IntoFolder { get; init; }

    /// <summary>Level of zstd, from 1 (fast) to 22 (small).</summary>
    public int CompressionLevel { get; init; } = DefaultCompressionLevel;

    /// <summary>Leave out the templates that it needs; they must be where it is imported.</summary>
    public bool NoParents { get; init; }

    /// <summary>Replace a file that is there already.</summary>
    public bool Force { get; init; }
}

/// <summary>What an operator asks of an import of templates.</summary>
public sealed record TemplateImportOptions
{
    /// <summary>The folder in which the templates come, each under its name; made when it is missing.</summary>
    public required string Folder { get; init; }

    /// <summary>Replace a template that has the name of the exported one; those that it needs replace none.</summary>
    public bool Force { get; init; }
}
