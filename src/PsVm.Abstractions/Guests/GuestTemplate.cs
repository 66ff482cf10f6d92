namespace PsVm;

/// <summary>A guest that was checkpointed: machine state and RAM in files, from which clones start. Data only.</summary>
/// <remarks>Source: docs/template-format.md. Sizes are bytes.</remarks>
public sealed record GuestTemplate
{
    /// <summary>Full path of its folder.</summary>
    public required string Path { get; init; }

    /// <summary>Name of its folder.</summary>
    public string Name => System.IO.Path.GetFileName(System.IO.Path.TrimEndingDirectorySeparator(Path));

    /// <summary>Version of the format.</summary>
    public int FormatVersion { get; init; }

    /// <summary>Tells this template from every other.</summary>
    public Guid Id { get; init; }

    /// <summary>Name of the guest that was checkpointed.</summary>
    public required string Guest { get; init; }

    /// <summary>The versioned machine type of that guest.</summary>
    public required string MachineType { get; init; }

    /// <summary>The board, which all machine types of a family share.</summary>
    public required string Board { get; init; }

    /// <summary>The board's devices.</summary>
    public IReadOnlyList<string> Devices { get; init => field = ValueList.Of(value); } = ValueList.Of<string>([]);

    /// <summary>
    /// What its guest was given into the board's virtio slots, by its role, such as <c>disk:root</c>, from the first slot up.
    /// </summary>
    public IReadOnlyList<string> Slots { get; init => field = ValueList.Of(value); } = ValueList.Of<string>([]);

    /// <summary>Number of harts.</summary>
    public int Harts { get; init; }

    /// <summary>What the harts can do, as a device tree says it.</summary>
    public required string Isa { get; init; }

    /// <summary>RAM in bytes.</summary>
    public long Memory { get; init; }

    /// <summary>Blocks of RAM in address order.</summary>
    public IReadOnlyList<TemplateRamBlock> RamBlocks { get; init => field = ValueList.Of(value); } = ValueList.Of<TemplateRamBlock>([]);

    /// <summary>Disks that the guest had; clones need them, too.</summary>
    public IReadOnlyList<TemplateDisk> Disks { get; init => field = ValueList.Of(value); } = ValueList.Of<TemplateDisk>([]);

    /// <summary>Network adapters that the guest had; clones have them, too, and each may lead elsewhere.</summary>
    public IReadOnlyList<TemplateNetwork> Networks { get; init => field = ValueList.Of(value); } = ValueList.Of<TemplateNetwork>([]);

    /// <summary>What the guest booted: a file's name or <c>embedded guest</c>.</summary>
    public required string Boot { get; init; }

    /// <summary>When it was made (UTC).</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>
    /// How long its guest stood still when it was made by copying RAM; null: that is not known any more, or the guest was stopped. Not
    /// stored.
    /// </summary>
    public TimeSpan? Pause { get; init; }

    /// <summary>What was noticed when it was made. Not stored.</summary>
    public IReadOnlyList<BackendWarning> Warnings { get; init => field = ValueList.Of(value); } = ValueList.Of<BackendWarning>([]);

    /// <summary>The template that it needs; null: it stands alone.</summary>
    public TemplateParent? Parent { get; init; }

    /// <summary>It holds only what changed since its <see cref="Parent"/>.</summary>
    public bool Differential => Parent is not null;

    /// <inheritdoc/>
    public override string ToString() => Path;
}

/// <summary>The template that a differential one was made on.</summary>
/// <param name="Path">Full path of its folder.</param>
/// <param name="Id">Its <see cref="GuestTemplate.Id"/>.</param>
public sealed record TemplateParent(string Path, Guid Id);

/// <summary>
/// A disk that a template's guest had: by what it is, not where. What its guest had written to an overlay is in the template.
/// </summary>
public sealed record TemplateDisk
{
    /// <summary>What the guest knows it by.</summary>
    public required string Name { get; init; }

    /// <summary>The guest cannot write it.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>Which file its image was, and what it looked like, when the template was made.</summary>
    public required FileIdentity Identity { get; init; }

    /// <summary>What the image's content is known by wherever it is, as of RAM files; null: not recorded.</summary>
    public string? Digest { get; init; }

    /// <summary>The template's file with what its guest had written over the disk; null: that is little, or nothing.</summary>
    public TemplateDiskFile? Written { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Name;
}

/// <summary>What a template's guest had written over a disk, in a file of the template that all clones read.</summary>
public sealed record TemplateDiskFile
{
    /// <summary>Full path of the file, which is in the template's folder.</summary>
    public required string File { get; init; }

    /// <summary>Bytes of the blocks in it.</summary>
    public long Bytes { get; init; }

    /// <summary>Which file it was, and what it looked like, when the template was made.</summary>
    public required FileIdentity Identity { get; init; }

    /// <summary>What the file's content is known by wherever it is, as of RAM files.</summary>
    public required string Digest { get; init; }

    /// <inheritdoc/>
    public override string ToString() => System.IO.Path.GetFileName(File);
}

/// <summary>A network adapter that a template's guest had: by what it is to the guest, not what it led to.</summary>
public sealed record TemplateNetwork
{
    /// <summary>What templates and operators know it by.</summary>
    public required string Name { get; init; }

    /// <summary>The address that it had; clones have others.</summary>
    public required string Mac { get; init; }

    /// <summary>Most bytes of a packet of IP.</summary>
    public int Mtu { get; init; }

    /// <summary>The segment that it was on, which is where clones are when nothing else is said; null: it was on none.</summary>
    public string? Hub { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Name;
}

/// <summary>A block of a template's RAM.</summary>
public sealed record TemplateRamBlock
{
    /// <summary>Id of the backend that it was.</summary>
    public required string BackendId { get; init; }

    /// <summary>Bytes of guest RAM.</summary>
    public long Size { get; init; }

    /// <summary>The memory is ROM.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>
    /// Full path of the file with its content: all of it, or in a differential template the changed pages in their places.
    /// </summary>
    public required string File { get; init; }

    /// <summary>The file is one of the template's own, in its folder; false: it was taken over where it is.</summary>
    public bool InTemplate { get; init; }

    /// <summary>Bytes into the file where the block begins.</summary>
    public long Offset { get; init; }

    /// <summary>Which file it was, and what it looked like, when the template was made.</summary>
    public required FileIdentity Identity { get; init; }

    /// <summary>
    /// What the file's content is known by wherever it is: a SHA-256 over those of its pieces, lower-case hexadecimal; null in a template
    /// of version 1. Source: docs/template-format.md, "Digests".
    /// </summary>
    public string? Digest { get; init; }

    /// <summary>SHA-256 of the whole file, lower-case hexadecimal, as other tools give it; null: not recorded.</summary>
    public string? Sha256 { get; init; }

    /// <summary>
    /// Bytes that it has itself: what changed since the parent, and what was taken along with that, so that there are few ranges; null in a
    /// template that stands alone.
    /// </summary>
    public long? ChangedBytes { get; init; }

    /// <summary>Id of the backend that it was.</summary>
    public override string ToString() => BackendId;
}
