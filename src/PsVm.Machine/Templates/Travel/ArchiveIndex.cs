using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace PsVm.Machine.Templates.Travel;

/// <summary>
/// The first entry of an archive: what else is in it, all of it, in this order. Source: docs/template-format.md, "Archives".
/// </summary>
internal sealed record ArchiveIndex
{
    /// <summary>The newest version that this code reads, and what it writes where a template has files of disks.</summary>
    public const uint Version = 2;

    private const uint VersionWithoutDisks = 1;

    /// <summary>Its name in the archive.</summary>
    public const string FileName = "archive.json";

    /// <summary>Most bytes that it may have.</summary>
    public const int MostBytes = 1 << 20;

    private const int MostTemplates = 256;
    private const int LongestName = 255; // NAME_MAX, bytes

    /// <summary>Most stretches of data that an entry may have; an exporter takes small holes for data where there are more.</summary>
    public const int MostRanges = 1 << 20;

    public required uint ArchiveVersion { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>The template that was exported, then the one it needs, then the one that one needs, and so on.</summary>
    public required IReadOnlyList<ArchivedFolder> Templates { get; init; }

    /// <summary>Bytes of large files that are stored.</summary>
    [JsonIgnore]
    public long DataBytes => Templates.Sum(template => template.Parts.Sum(file => file.DataBytes)); // checked when it was read

    /// <summary>The version of an archive of some templates: the oldest that has all that is in it.</summary>
    public static uint VersionFor(IEnumerable<GuestTemplate> templates) =>
        templates.Any(template => template.Disks.Any(disk => disk.Written is not null)) ? Version : VersionWithoutDisks;

    /// <summary>As JSON.</summary>
    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, ArchiveJson.Default.ArchiveIndex);

    /// <summary>Reads an index.</summary>
    /// <param name="archive">The archive's path, for errors.</param>
    /// <param name="json">Its content.</param>
    /// <exception cref="GuestException">It is of a newer version, or not what the format says.</exception>
    public static ArchiveIndex Read(string archive, byte[] json)
    {
        try
        {
            using (JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false }))
            {
                // Before anything else, since a newer version may say the rest in another way.
                uint version = document.RootElement.GetProperty("archiveVersion").GetUInt32();
                if (version > Version)
                {
                    throw ArchiveErrors.NewerVersion(archive, version);
                }
            }

            ArchiveIndex index =
                JsonSerializer.Deserialize(json, ArchiveJson.Default.ArchiveIndex) ?? throw new JsonException("the value is null");
            return index.FirstBroken() is { } broken ? throw new JsonException(broken) : index;
        }
        catch (Exception wrong) when (
            wrong is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException)
        {
            throw ArchiveErrors.Invalid(archive, $"a list of what is in it, '{FileName}'", wrong.Message, wrong);
        }
    }

    /// <summary>Whether a folder can have a name, wherever it is unpacked, and is listed there as a template.</summary>
    public static bool IsFolderName(string? name) =>
        !string.IsNullOrWhiteSpace(name) && name[0] != '.' && !name.Contains('/', StringComparison.Ordinal) && VisibleText.IsLine(name)
        && Encoding.UTF8.GetByteCount(name) <= LongestName;

    private string? FirstBroken()
    {
        if (ArchiveVersion == 0)
        {
            return "archiveVersion 0";
        }

        if (Templates.Count is 0 or > MostTemplates)
        {
            return $"{Templates.Count} templates, expected 1 to {MostTemplates}";
        }

        if (Templates.Any(template => template is null) || Templates.FirstOrDefault(template => !IsFolderName(template.Name)) is not null)
        {
            return "a template with a name that a folder cannot have";
        }

        // Some file systems do not tell names apart that differ in case.
        return Templates.DistinctBy(template => template.Name.ToUpperInvariant()).Count() != Templates.Count
            ? "two templates with one name"
            : Templates.Select(template => template.FirstBroken()).FirstOrDefault(broken => broken is not null)
            ?? (ArchiveVersion < Version && Templates.Any(template => template.Disks is not null)
                ? $"files of disks, which version {Version} has"
                : null)
            ?? (HaveNoSum() ? "sizes that have no sum" : null);
    }

    private bool HaveNoSum()
    {
        decimal sum = 0;
        foreach (ArchivedRam file in Templates.SelectMany(template => template.Parts))
        {
            sum += file.Size;
        }

        return sum > long.MaxValue;
    }
}

/// <summary>A template in an archive.</summary>
internal sealed record ArchivedFolder
{
    private const int MostBlocks = 64;

    /// <summary>Name of its folder.</summary>
    public required string Name { get; init; }

    public required ArchivedFile Description { get; init; }

    public required ArchivedFile State { get; init; }

    /// <summary>Its RAM files, in the order of its blocks.</summary>
    public required IReadOnlyList<ArchivedRam> Ram { get; init; }

    /// <summary>Of version 2: its files of disks, in the order of its disks that have one; null: it has none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ArchivedRam>? Disks { get; init; }

    /// <summary>Its large files, in the order in which they are stored.</summary>
    [JsonIgnore]
    public IReadOnlyList<ArchivedRam> Parts => Disks is null ? Ram : [.. Ram, .. Disks];

    /// <summary>What is wrong with it; null: nothing.</summary>
    public string? FirstBroken() =>
        Description.FirstBroken(TemplateSource.MostManifestBytes) ?? State.FirstBroken(TemplateSource.MostStateBytes)
        ?? (Ram.Count is 0 or > MostBlocks ? $"{Ram.Count} blocks of RAM, expected 1 to {MostBlocks}" : null)
        ?? (Disks is { Count: 0 or > MostBlocks } ? $"{Disks.Count} files of disks, expected 1 to {MostBlocks}, or nothing of them" : null)
        ?? Parts.Select(file => file is null ? "nothing in it" : file.FirstBroken()).FirstOrDefault(broken => broken is not null);
}

/// <summary>A small file in an archive, which is stored as it is.</summary>
internal sealed record ArchivedFile
{
    public required long Size { get; init; }

    /// <summary>SHA-256 of its content, lower-case hexadecimal.</summary>
    public required string Sha256 { get; init; }

    /// <summary>What is wrong with it; null: nothing.</summary>
    public string? FirstBroken(long most) => Size <= 0 || Size > most ? $"a file of {Size} bytes, expected 1 to {most}"
        : Sha256.Length != 64 || !Sha256.All(char.IsAsciiHexDigitLower) ? "a sha256 that is none"
        : null;
}

/// <summary>A large file in an archive, of which only data is stored.</summary>
internal sealed record ArchivedRam
{
    // What sizes and places of data are multiples of.
    public const int PageSize = 4096;

    public required long Size { get; init; }

    public required long DataBytes { get; init; }

    /// <summary>What is wrong with it; null: nothing.</summary>
    public string? FirstBroken() => Size <= 0 || Size % PageSize != 0 ? $"a large file of {Size} bytes"
        : DataBytes < 0 || DataBytes > Size || DataBytes % PageSize != 0 ? $"{DataBytes} bytes of data in a large file of {Size} bytes"
        : null;
}

/// <summary>Reads and writes indexes without reflection.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = true,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    AllowDuplicateProperties = false,
    RespectNullableAnnotations = true)]
[JsonSerializable(typeof(ArchiveIndex))]
internal sealed partial class ArchiveJson : JsonSerializerContext;
