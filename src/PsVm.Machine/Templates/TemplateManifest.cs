using System.Text.Json;
using System.Text.Json.Serialization;
using PsVm.Machine.State;

namespace PsVm.Machine.Templates;

/// <summary>The file <c>template.json</c>, as it is written. Source: docs/template-format.md.</summary>
internal sealed record TemplateManifest
{
    /// <summary>The newest version that this code reads, and what it writes of a guest that had written much over a disk.</summary>
    public const uint Version = 4;

    /// <summary>What it writes of others with something in their slots, so that who knows no files of disks can read that.</summary>
    public const uint VersionWithSlots = 3;

    /// <summary>What it writes of all others, so that who knows no slots can read that.</summary>
    public const uint VersionWithoutSlots = 2;

    public required uint FormatVersion { get; init; }

    public required Guid Id { get; init; }

    public required string Guest { get; init; }

    public required string MachineType { get; init; }

    public required string Board { get; init; }

    public required IReadOnlyList<string> Devices { get; init; }

    public IReadOnlyList<string>? Slots { get; init; }

    public required int Harts { get; init; }

    public required string Isa { get; init; }

    public required IReadOnlyList<RamBlockManifest> Ram { get; init; }

    public required string Boot { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public TemplateParent? Parent { get; init; }

    public IReadOnlyList<DiskManifest>? Disks { get; init; }

    public IReadOnlyList<NetworkManifest>? Networks { get; init; }

    /// <summary>The version of a template's description: the oldest that has all that is to be said.</summary>
    public static uint VersionFor(GuestTemplate template) => template.Disks.Any(disk => disk.Written is not null) ? Version
        : template.Slots.Count > 0 ? VersionWithSlots : VersionWithoutSlots;

    /// <summary>A template's description as a manifest; files in its folder are named without it.</summary>
    public static TemplateManifest From(GuestTemplate template) => new()
    {
        FormatVersion = VersionFor(template),
        Id = template.Id,
        Guest = Line(template.Guest),
        MachineType = template.MachineType,
        Board = template.Board,
        Devices = template.Devices,
        Slots = template.Slots.Count == 0 ? null : template.Slots,
        Harts = template.Harts,
        Isa = template.Isa,
        Boot = Line(template.Boot),
        CreatedAt = template.CreatedAt,
        Parent = template.Parent,
        Disks = template.Disks.Count == 0 ? null : [.. template.Disks.Select(disk => new DiskManifest
        {
            Name = disk.Name,
            ReadOnly = disk.ReadOnly,
            Identity = disk.Identity,
            Digest = disk.Digest,
            Written = disk.Written is null ? null : DiskFileManifest.From(disk.Written),
        })],
        Networks = template.Networks.Count == 0 ? null : [.. template.Networks.Select(network => new NetworkManifest
        {
            Name = network.Name,
            Mac = network.Mac,
            Mtu = network.Mtu,
            Hub = network.Hub,
        })],
        Ram = [.. template.RamBlocks.Select(block => new RamBlockManifest
        {
            BackendId = Line(block.BackendId),
            Size = block.Size,
            ReadOnly = block.ReadOnly,
            File = block.InTemplate ? Path.GetFileName(block.File) : block.File,
            Offset = block.Offset,
            Identity = block.Identity,
            Digest = block.Digest,
            Sha256 = block.Sha256,
            ChangedBytes = block.ChangedBytes,
        })],
    };

    /// <summary>A name that an operator was free to choose, as manifests may have it.</summary>
    private static string Line(string name) => VisibleText.LineOf(name, TemplateManifestRules.LongestText);

    /// <summary>The manifest of a template in a folder as its description.</summary>
    public GuestTemplate ToTemplate(string folder) => new()
    {
        Path = folder,
        FormatVersion = (int)FormatVersion,
        Id = Id,
        Guest = Guest,
        MachineType = MachineType,
        Board = Board,
        Devices = Devices,
        Slots = Slots ?? [],
        Harts = Harts,
        Isa = Isa,
        Boot = Boot,
        CreatedAt = CreatedAt,
        Parent = Parent,
        Disks = [.. (Disks ?? []).Select(disk => new TemplateDisk
        {
            Name = disk.Name,
            ReadOnly = disk.ReadOnly,
            Identity = disk.Identity,
            Digest = disk.Digest,
            Written = disk.Written?.ToFile(folder),
        })],
        Networks = [.. (Networks ?? []).Select(network => new TemplateNetwork
        {
            Name = network.Name,
            Mac = network.Mac,
            Mtu = network.Mtu,
            Hub = network.Hub,
        })],
        Memory = Ram.Sum(block => block.Size), // checked when it was read
        RamBlocks = [.. Ram.Select(block => new TemplateRamBlock
        {
            BackendId = block.BackendId,
            Size = block.Size,
            ReadOnly = block.ReadOnly,
            File = Path.Combine(folder, block.File),
            InTemplate = !Path.IsPathRooted(block.File),
            Offset = block.Offset,
            Identity = block.Identity,
            Digest = block.Digest,
            Sha256 = block.Sha256,
            ChangedBytes = block.ChangedBytes,
        })],
    };

    /// <summary>As JSON.</summary>
    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, TemplateJson.Default.TemplateManifest);

    /// <summary>Reads a manifest.</summary>
    /// <param name="path">The file's path, for errors.</param>
    /// <param name="json">Its content.</param>
    /// <exception cref="GuestException">It is of a newer version, or not what the format says.</exception>
    public static TemplateManifest Read(string path, byte[] json)
    {
        try
        {
            using (JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false }))
            {
                // Before anything else, since a newer version may say the rest in another way.
                uint version = document.RootElement.GetProperty("formatVersion").GetUInt32();
                if (version > Version)
                {
                    throw StateFile.NewerVersion(path, "the template", version, Version);
                }
            }

            TemplateManifest manifest = JsonSerializer.Deserialize(json, TemplateJson.Default.TemplateManifest)
                ?? throw new JsonException("the value is null");
            return TemplateManifestRules.FirstBroken(manifest) is { } broken ? throw new JsonException(broken) : manifest;
        }
        catch (Exception wrong) when (
            wrong is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException)
        {
            throw new GuestException(
                GuestErrorIds.TemplateManifestInvalid,
                $"Expected a template's description in '{path}', found: {wrong.Message}",
                path,
                "Take the template from a backup, or make it again.",
                wrong);
        }
    }
}

/// <summary>What says in <c>template.json</c> which file is meant.</summary>
internal abstract record FileManifest
{
    /// <summary>Places of properties that stand behind these.</summary>
    protected const int BehindIdentity = OfIdentity + 1;

    private const int OfIdentity = 1;

    [JsonRequired, JsonPropertyOrder(OfIdentity)]
    public ulong Inode { get; init; }

    [JsonRequired, JsonPropertyOrder(OfIdentity)]
    public ulong Device { get; init; }

    [JsonRequired, JsonPropertyOrder(OfIdentity)]
    public long FileSize { get; init; }

    [JsonRequired, JsonPropertyOrder(OfIdentity)]
    public long ModifiedNanoseconds { get; init; }

    /// <summary>Null: it is of version 1.</summary>
    [JsonPropertyOrder(OfIdentity)]
    public long? ChangedNanoseconds { get; init; }

    /// <summary>All of these.</summary>
    [JsonIgnore]
    public FileIdentity Identity
    {
        get => new(Device, Inode, FileSize, ModifiedNanoseconds, ChangedNanoseconds ?? 0);
        init => (Device, Inode, FileSize, ModifiedNanoseconds, ChangedNanoseconds) =
            (value.Device, value.Inode, value.Size, value.ModifiedNanoseconds, value.ChangedNanoseconds);
    }
}

/// <summary>A block of RAM in <c>template.json</c>.</summary>
internal sealed record RamBlockManifest : FileManifest
{
    public required string BackendId { get; init; }

    public required long Size { get; init; }

    public bool ReadOnly { get; init; }

    public required string File { get; init; }

    public long Offset { get; init; }

    [JsonPropertyOrder(BehindIdentity)]
    public string? Digest { get; init; }

    [JsonPropertyOrder(BehindIdentity)]
    public string? Sha256 { get; init; }

    [JsonPropertyOrder(BehindIdentity)]
    public long? ChangedBytes { get; init; }
}

/// <summary>A disk in <c>template.json</c>.</summary>
internal sealed record DiskManifest : FileManifest
{
    public required string Name { get; init; }

    public bool ReadOnly { get; init; }

    [JsonPropertyOrder(BehindIdentity)]
    public string? Digest { get; init; }

    [JsonPropertyOrder(BehindIdentity)]
    public DiskFileManifest? Written { get; init; }
}

/// <summary>The file of a disk in <c>template.json</c>.</summary>
internal sealed record DiskFileManifest : FileManifest
{
    public required string File { get; init; }

    public required long Bytes { get; init; }

    [JsonPropertyOrder(BehindIdentity)]
    public required string Digest { get; init; }

    /// <summary>A file as it is written.</summary>
    public static DiskFileManifest From(TemplateDiskFile file) => new()
    {
        File = Path.GetFileName(file.File),
        Bytes = file.Bytes,
        Identity = file.Identity,
        Digest = file.Digest,
    };

    /// <summary>The file of a template in a folder.</summary>
    public TemplateDiskFile ToFile(string folder) => new()
    {
        File = Path.Combine(folder, File),
        Bytes = Bytes,
        Identity = Identity,
        Digest = Digest,
    };
}

/// <summary>A network adapter in <c>template.json</c>.</summary>
internal sealed record NetworkManifest
{
    public required string Name { get; init; }

    public required string Mac { get; init; }

    public required int Mtu { get; init; }

    public string? Hub { get; init; }
}

/// <summary>Reads and writes manifests without reflection.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = true,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    AllowDuplicateProperties = false,
    RespectNullableAnnotations = true)]
[JsonSerializable(typeof(TemplateManifest))]
internal sealed partial class TemplateJson : JsonSerializerContext;
