namespace PsVm.Machine.Templates;

/// <summary>
/// What is recorded of a large file of a template: that of a block of RAM, or that of what was written over a disk. Pure.
/// </summary>
/// <param name="Name">Its name in any folder of ours.</param>
/// <param name="File">Full path of the file.</param>
/// <param name="InTemplate">It is one of the template's own; false: it was taken over where it is.</param>
/// <param name="Offset">Bytes into the file where the part begins.</param>
/// <param name="Size">Bytes of the part.</param>
/// <param name="Identity">Which file it was.</param>
/// <param name="Digest">What the file's content is known by; null: not recorded.</param>
/// <param name="Sha256">The same as other tools give it; null: not recorded.</param>
/// <param name="IsDisk">It is of a disk; else RAM.</param>
internal readonly record struct TemplatePart(
    string Name, string File, bool InTemplate, long Offset, long Size, FileIdentity Identity, string? Digest, string? Sha256, bool IsDisk)
{
    /// <summary>What it is, for errors.</summary>
    public string What => IsDisk ? "file of a disk" : "RAM file";

    /// <summary>The error of one that is not what was recorded.</summary>
    public string ChangedId => IsDisk ? GuestErrorIds.TemplateDiskChanged : GuestErrorIds.TemplateRamChanged;

    /// <summary>It is all of its file, and not a part of one that was taken over.</summary>
    public bool IsWhole => Offset == 0 && Identity.Size == Size;

    /// <summary>A block of RAM, wherever it stands in its template.</summary>
    public static implicit operator TemplatePart(TemplateRamBlock block) => Of(block, string.Empty);

    /// <summary>What was written over a disk, wherever that stands in its template.</summary>
    public static implicit operator TemplatePart(TemplateDiskFile file) => Of(file, string.Empty);

    /// <summary>The name of a disk's file in any folder of ours.</summary>
    /// <param name="disk">Number of the disk.</param>
    public static string DiskName(int disk) => $"disk{disk}.bin";

    /// <summary>The name of a block's file in any folder of ours.</summary>
    /// <param name="block">Number of the block.</param>
    public static string RamName(int block) => $"ram{block}.bin";

    /// <summary>All parts of a template: its blocks of RAM, and then those of its disks that have a file.</summary>
    public static TemplatePart[] Of(GuestTemplate template) =>
    [
        .. template.RamBlocks.Select((block, i) => Of(block, RamName(i))),
        .. template.Disks.Select((disk, i) => (disk.Written, Name: DiskName(i))).Where(disk => disk.Written is not null)
            .Select(disk => Of(disk.Written!, disk.Name)),
    ];

    /// <summary>A template of which the same parts are elsewhere, or known by something else.</summary>
    /// <param name="template">The template.</param>
    /// <param name="parts">Its parts, in the order of <see cref="Of(GuestTemplate)"/>.</param>
    public static GuestTemplate Put(GuestTemplate template, IReadOnlyList<TemplatePart> parts)
    {
        int next = template.RamBlocks.Count;
        return template with
        {
            RamBlocks = [.. template.RamBlocks.Zip(parts, (block, part) => block with
            {
                File = part.File,
                InTemplate = part.InTemplate,
                Offset = part.Offset,
                Identity = part.Identity,
                Digest = part.Digest,
                Sha256 = part.Sha256,
            })],
            Disks = [.. template.Disks.Select(
                disk => disk.Written is null ? disk : disk with { Written = Put(disk.Written, parts[next++]) })],
        };
    }

    private static TemplateDiskFile Put(TemplateDiskFile file, TemplatePart part) =>
        file with { File = part.File, Identity = part.Identity, Digest = part.Digest ?? file.Digest };

    private static TemplatePart Of(TemplateRamBlock block, string name) => new(
        name, block.File, block.InTemplate, block.Offset, block.Size, block.Identity, block.Digest, block.Sha256, IsDisk: false);

    private static TemplatePart Of(TemplateDiskFile file, string name) => new(
        name, file.File, InTemplate: true, 0, file.Identity.Size, file.Identity, file.Digest, Sha256: null, IsDisk: true);
}
