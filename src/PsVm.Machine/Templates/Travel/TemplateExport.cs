using System.Security.Cryptography;
using Mono.Unix.Native;
using PsVm.Memory.Copying;
using PsVm.Memory.Mapping;

namespace PsVm.Machine.Templates.Travel;

/// <summary>Puts a template, and those it needs, into one file.</summary>
/// <param name="path">The template's folder.</param>
/// <param name="options">What is asked for.</param>
/// <param name="calls">The kernel.</param>
internal sealed class TemplateExport(string path, TemplateExportOptions options, FolderCalls calls)
{
    private readonly string _path = TemplateSource.FullPath(path);

    /// <summary>Where the archive comes.</summary>
    public string Target { get; } =
        TemplatePlace.Of(options.Path, Path.GetFileName(TemplateSource.FullPath(path)) + TemplateArchive.Extension, options.IntoFolder);

    /// <summary>Checks what can be checked without writing anything.</summary>
    /// <exception cref="GuestException">There is no such template, or no archive can come there.</exception>
    public void Check()
    {
        (int least, int most) = ArchiveWriter.Levels;
        if (options.CompressionLevel < least || options.CompressionLevel > most)
        {
            throw new GuestException(
                GuestErrorIds.CompressionLevelInvalid,
                $"Expected a compression level of {least} to {most}, found {options.CompressionLevel}.",
                _path,
                $"Leave it out: it is {TemplateExportOptions.DefaultCompressionLevel} then.");
        }

        _ = GuestTemplates.Read(_path);
        if (Directory.Exists(Target) || (Path.Exists(Target) && !options.Force))
        {
            throw ArchiveErrors.InUse(Target, Directory.Exists(Target) ? "a folder" : "a file");
        }

        if (Path.GetDirectoryName(Target) is { } folder && TemplateLeftovers.IsTemplate(folder))
        {
            throw ArchiveErrors.InUse(Target, $"that '{folder}' is a template, which would be none with a file in it");
        }

        try
        {
            TemplatePlace.CheckWritable(Target);
        }
        catch (IOException failure)
        {
            throw TemplateErrors.Unwritable(Target, failure, "archive");
        }
    }

    /// <summary>Writes the archive.</summary>
    /// <param name="progress">Told of bytes of RAM that are stored.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">There is no archive, or still the file that was there.</exception>
    public TemplateArchive Run(IProgress<StepProgress>? progress, CancellationToken cancellation)
    {
        Check();
        List<OpenedTemplate> chain = [];
        try
        {
            OpenChain(chain);
            Item[] items = [.. chain.Select((template, i) => Read(template, NameOf(chain, i), cancellation))];
            using PartialFile file = new(Target, chain.Aggregate(TemplateFolder.Readable, (mode, template) => mode & template.Mode), calls);
            ArchiveIndex index = Write(file, items, progress, cancellation);
            chain.ForEach(template => template.CheckUnchanged());
            cancellation.ThrowIfCancellationRequested();
            return file.Commit(options.Force)
                ? Describe(Target, index, [.. items.Select(item => item.Template)], RandomAccess.GetLength(file.File))
                : throw ArchiveErrors.InUse(Target, "something that came there meanwhile");
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw TemplateErrors.Unwritable(Target, failure, "archive");
        }
        finally
        {
            chain.ForEach(template => template.Dispose());
        }
    }

    /// <summary>An archive as a value.</summary>
    public static TemplateArchive Describe(string path, ArchiveIndex index, IReadOnlyList<GuestTemplate> templates, long length) => new()
    {
        Path = path,
        Length = length,
        DataBytes = index.DataBytes,
        CreatedAt = index.CreatedAt,
        Templates =
        [
            .. templates.Zip(index.Templates, (template, folder) => new ArchivedTemplate
            {
                Name = folder.Name,
                Id = template.Id,
                Guest = template.Guest,
                MachineType = template.MachineType,
                Memory = template.Memory,
                DataBytes = folder.Parts.Sum(part => part.DataBytes),
                ParentId = template.Parent?.Id,
            }),
        ],
    };

    private void OpenChain(List<OpenedTemplate> chain)
    {
        IEnumerable<TemplateSource> levels = options.NoParents
            ? [TemplateSource.Open(_path)]
            : TemplateSource.Open(_path).OpenChain([]).Levels;
        foreach (TemplateSource level in levels)
        {
            OpenedTemplate opened = OpenedTemplate.Open(level.Template.Path);
            chain.Add(opened);
            if (opened.Template.Id != level.Template.Id)
            {
                throw new GuestException(
                    GuestErrorIds.TemplateParentChanged,
                    $"Expected at '{opened.Template.Path}' template {level.Template.Id}, found that {opened.Template.Id} replaced it.",
                    _path);
            }
        }
    }

    /// <summary>The name of a template in the archive: that of its folder where it can be, and no other has it.</summary>
    private static string NameOf(List<OpenedTemplate> chain, int index)
    {
        GuestTemplate template = chain[index].Template;
        bool isTaken = chain.Take(index).Any(other => other.Template.Name.Equals(template.Name, StringComparison.OrdinalIgnoreCase));
        return !isTaken && ArchiveIndex.IsFolderName(template.Name) ? template.Name : $"{template.Id}";
    }

    /// <summary>
    /// What an archive says of a template, and what of its large files is data. All of it is read once, so that what is stored is what was
    /// recorded.
    /// </summary>
    private static Item Read(OpenedTemplate opened, string name, CancellationToken cancellation)
    {
        opened.CheckContent(verify: true, cancellation);
        List<TemplatePart> parts = [];
        List<IReadOnlyList<PageRange>> data = [];
        foreach (TemplatePart part in opened.Parts)
        {
            int i = parts.Count;
            parts.Add(part with
            {
                File = Path.Combine(opened.Template.Path, part.Name),
                InTemplate = true,
                Offset = 0,
                Digest = part.IsWhole && part.Digest is not null
                    ? part.Digest
                    : RamDigest.Of(opened.Files[i], part.Offset, part.Size, cancellation),
                Sha256 = part.IsWhole ? part.Sha256 : null,
                Identity = new FileIdentity(0, 0, part.Size, 0), // that of no file: whoever unpacks it otherwise has it read
            });
            data.Add(SparseContent.DataOf(opened.Files[i], part.Offset, part.Size, ArchiveIndex.MostRanges));
        }

        GuestTemplate template = TemplatePart.Put(opened.Template, parts);
        return new Item(name, opened, template, TemplateManifest.From(template).ToJson(), data);
    }

    private ArchiveIndex Write(PartialFile file, Item[] items, IProgress<StepProgress>? progress, CancellationToken cancellation)
    {
        ArchiveIndex index = new()
        {
            ArchiveVersion = ArchiveIndex.VersionFor(items.Select(item => item.Template)),
            CreatedAt = DateTimeOffset.UtcNow,
            Templates = [.. items.Select(item => item.ToFolder())],
        };
        UnixFileMode mode = (UnixFileMode)(int)items.Aggregate(TemplateFolder.Readable, (mode, item) => mode & item.Opened.Mode);
        FileStream stream = new(file.File, FileAccess.Write, bufferSize: 0); // not disposed: the file stays open
        using ArchiveWriter writer = new(stream, options.CompressionLevel, mode, index.CreatedAt);
        writer.Write(ArchiveIndex.FileName, index.ToJson());
        Array.ForEach(items, item => writer.Write($"{item.Name}/{TemplateSource.ManifestFile}", item.Description));
        Array.ForEach(items, item => writer.Write($"{item.Name}/{TemplateSource.StateFileName}", item.Opened.State));
        long done = 0, total = index.DataBytes;
        foreach (Item item in items)
        {
            for (int i = 0; i < item.Data.Count; i++)
            {
                TemplatePart part = item.Opened.Parts[i];
                writer.WriteSparse(item.Name, part.Name, item.Opened.Files[i], part.Offset, part.Size, item.Data[i], Advance, cancellation);
            }
        }

        writer.Finish();
        return index;

        void Advance(long bytes) => progress?.Report(new StepProgress(HostStep.Exporting, done += bytes, total));
    }

    /// <summary>A template on its way into an archive.</summary>
    /// <param name="Name">Its name there.</param>
    /// <param name="Opened">Its files.</param>
    /// <param name="Template">What is said of it there.</param>
    /// <param name="Description">The same as a file.</param>
    /// <param name="Data">What of each large file is data.</param>
    private sealed record Item(
        string Name, OpenedTemplate Opened, GuestTemplate Template, byte[] Description, IReadOnlyList<IReadOnlyList<PageRange>> Data)
    {
        public ArchivedFolder ToFolder() => new()
        {
            Name = Name,
            Description = ToFile(Description),
            State = ToFile(Opened.State),
            Ram = Listed(isDisk: false),
            Disks = Listed(isDisk: true) is { Length: > 0 } disks ? disks : null,
        };

        private ArchivedRam[] Listed(bool isDisk) =>
        [
            .. TemplatePart.Of(Template).Zip(Data).Where(part => part.First.IsDisk == isDisk)
                .Select(part => new ArchivedRam { Size = part.First.Size, DataBytes = part.Second.Sum(range => range.Length) }),
        ];

        private static ArchivedFile ToFile(byte[] content) =>
            new() { Size = content.Length, Sha256 = Convert.ToHexStringLower(SHA256.HashData(content)) };
    }
}
