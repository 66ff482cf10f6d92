namespace PsVm;

/// <summary>A disk of a guest as it was when asked. Sizes are bytes.</summary>
public sealed record GuestDisk
{
    /// <summary>Name of the guest.</summary>
    public required string Guest { get; init; }

    /// <summary>What the guest and its templates know it by.</summary>
    public required string Name { get; init; }

    /// <summary>Full path of the image.</summary>
    public required string Path { get; init; }

    /// <summary>Its size.</summary>
    public long Size { get; init; }

    /// <summary>The guest cannot write it.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>How the image is open: ReadOnly or ReadWrite.</summary>
    public FileAccessMode EffectiveMode { get; init; }

    /// <summary>Why it is open so, in a line.</summary>
    public required string Reason { get; init; }

    /// <summary>Where the guest's writes go; None for a disk that it cannot write, too.</summary>
    public DiskOverlay Overlay { get; init; }

    /// <summary>What is written over the image, in whole blocks: memory, or room in the overlay's file.</summary>
    public long OverlayBytes { get; init; }

    /// <summary>Full path of the overlay's file; null: it has none.</summary>
    public string? OverlayPath { get; init; }

    /// <summary>
    /// What the guest of its template had written over the image, in whole blocks: all clones read it in the template's file, under what
    /// they write.
    /// </summary>
    public long TemplateBytes { get; init; }

    /// <summary>
    /// Full path of that file; null: there is none, or what it had written was little, and is in <see cref="OverlayBytes"/> of each clone.
    /// </summary>
    public string? TemplatePath { get; init; }

    /// <summary>What the guest has read.</summary>
    public long ReadBytes { get; init; }

    /// <summary>What the guest has written.</summary>
    public long WrittenBytes { get; init; }

    /// <summary>Requests that failed: the image cannot be read or written, or has shrunk.</summary>
    public long Failures { get; init; }

    /// <summary>Why the last one failed; null: none has.</summary>
    public string? LastFailure { get; init; }

    /// <summary>What another guest is to be given to have the same disk: the image by its name, and no more writable.</summary>
    public GuestDiskOptions ToOptions() => new() { Path = Path, Name = Name, ReadOnly = ReadOnly };

    /// <inheritdoc/>
    public override string ToString() => Name;
}
