using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;

namespace PsVm.Machine.Templates.Travel;

/// <summary>Makes templates of an archive in a folder: all of them, or none.</summary>
/// <param name="archive">The archive's path.</param>
/// <param name="options">What is asked for.</param>
/// <param name="calls">The kernel.</param>
internal sealed class TemplateImport(string archive, TemplateImportOptions options, FolderCalls calls)
{
    private readonly string _archive = Path.GetFullPath(archive);
    private readonly string _folder = TemplateSource.FullPath(options.Folder);

    /// <summary>Checks what can be checked without writing anything; reads the beginning of the archive.</summary>
    /// <exception cref="GuestException">There is no such archive, or its templates cannot come there.</exception>
    public TemplateArchive Check()
    {
        using ArchiveReader reader = ArchiveReader.Open(_archive);
        if (!IsThere(reader))
        {
            _ = Plan(reader);
        }

        try
        {
            TemplatePlace.CheckWritable(Place(reader, 0));
        }
        catch (IOException failure)
        {
            throw TemplateErrors.Unwritable(_folder, failure);
        }

        return TemplateExport.Describe(_archive, reader.Index, reader.Templates, new FileInfo(_archive).Length);
    }

    /// <summary>Imports the archive.</summary>
    /// <param name="progress">Told of bytes of RAM that are written.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>The template that was exported; it may have been there.</returns>
    /// <exception cref="GuestException">There is no new template, and what was there still is.</exception>
    public GuestTemplate Run(IProgress<StepProgress>? progress, CancellationToken cancellation)
    {
        using ArchiveReader reader = ArchiveReader.Open(_archive);
        if (IsThere(reader))
        {
            return GuestTemplates.Read(Place(reader, 0));
        }

        string?[] present = Plan(reader);
        List<Unpacked?> unpacked = [];
        try
        {
            TemplatePlace.CheckRoom(_folder, reader.Index.DataBytes);
            Unpack(reader, present, unpacked, progress, cancellation);
            return Commit(unpacked, present, cancellation);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw TemplateErrors.Unwritable(_folder, failure);
        }
        finally
        {
            unpacked.ForEach(template => template?.Folder.Dispose());
        }
    }

    /// <summary>Whether the very template is in its place, as what another one needed, or from an earlier time.</summary>
    private bool IsThere(ArchiveReader reader) =>
        !options.Force && Directory.Exists(_folder) && IsTemplate(Place(reader, 0), reader.Templates[0].Id);

    /// <summary>Finds out which templates are there already: of those that others need, only what is missing is written.</summary>
    /// <returns>The path of each that is there; null: it is to be written.</returns>
    private string?[] Plan(ArchiveReader reader)
    {
        TemplatePlace.Check(Place(reader, 0), options.Force);
        var present = new string?[reader.Templates.Count];
        for (int i = 1; i < present.Length; i++)
        {
            present[i] = Find(reader.Templates[i].Id);
            if (present[i] is null)
            {
                TemplatePlace.Check(Place(reader, i), force: false);
            }
        }

        // What the last one needs was left out, and is found beside it alone: no path from elsewhere is followed.
        if (reader.Templates[^1].Parent is { } parent && Find(parent.Id) is null)
        {
            throw new GuestException(
                GuestErrorIds.TemplateParentNotFound,
                $"Expected in the archive '{_archive}' or in '{_folder}' template {parent.Id}, which '{reader.Index.Templates[^1].Name}' "
                    + "is made on, found none.",
                _archive,
                "Import that one to the same folder first, or export this one with its parents.");
        }

        return present;
    }

    private void Unpack(
        ArchiveReader reader, string?[] present, List<Unpacked?> unpacked, IProgress<StepProgress>? progress,
        CancellationToken cancellation)
    {
        for (int i = 0; i < present.Length; i++)
        {
            byte[] state = reader.ReadState(i);
            if (present[i] is not null)
            {
                unpacked.Add(null);
                continue;
            }

            string place = Place(reader, i);
            TemplateFolder folder = new(
                place, i == 0 && options.Force && Directory.Exists(place), reader.Mode | FilePermissions.S_IRUSR, calls);
            unpacked.Add(new Unpacked(folder, new TemplateWriter(folder, place), reader.Templates[i], []));
            TemplatePlace.CheckFileSystem(folder.Path, place, calls);
            unpacked[i]!.Writer.WriteState(state);
        }

        long done = 0, total = reader.Index.DataBytes;
        for (int i = 0; i < present.Length; i++)
        {
            TemplatePart[] parts = TemplatePart.Of(reader.Templates[i]);
            for (int part = 0; part < parts.Length; part++)
            {
                SafeFileHandle? file = unpacked[i]?.Folder.CreateFile(parts[part].Name);
                reader.ReadPart(i, part, file, Advance, cancellation);
                if (file is not null)
                {
                    unpacked[i]!.Files.Add(file);
                }
            }
        }

        reader.ReadEnd();

        void Advance(long bytes) => progress?.Report(new StepProgress(HostStep.Importing, done += bytes, total));
    }

    /// <summary>Compares what was written with its digests, and puts it into its place: first what others need.</summary>
    private GuestTemplate Commit(List<Unpacked?> unpacked, string?[] present, CancellationToken cancellation)
    {
        var written = new GuestTemplate?[unpacked.Count];
        for (int i = unpacked.Count - 1; i >= 0; i--)
        {
            if (unpacked[i] is { } template)
            {
                written[i] = Finish(template, ParentOf(i), cancellation);
            }
        }

        TemplatePlace.Check(unpacked[0]!.Target, options.Force);
        cancellation.ThrowIfCancellationRequested();
        for (int i = unpacked.Count - 1; i >= 0; i--)
        {
            if (unpacked[i] is { } template && !template.Folder.Commit(replace: i == 0 && options.Force)
                && (i == 0 || Find(written[i]!.Id) is null))
            {
                throw TemplatePlace.InUse(template.Target, "something that came there meanwhile");
            }
        }

        foreach (GuestTemplate template in written.OfType<GuestTemplate>())
        {
            WorkingSet.Follow(template, origin: null);
        }

        return written[0]!;

        string? ParentOf(int i) => unpacked[i]!.Template.Parent is not { } parent ? null
            : i + 1 < unpacked.Count ? present[i + 1] ?? unpacked[i + 1]!.Target
            : Find(parent.Id);
    }

    private static GuestTemplate Finish(Unpacked template, string? parent, CancellationToken cancellation)
    {
        GuestTemplate described =
            template.Template with { Parent = parent is null ? null : new TemplateParent(parent, template.Template.Parent!.Id) };
        GuestTemplate written = template.Writer.Finish(described, template.Files, _ => true, cancellation);
        TemplateWriter.Verify(written, template.Files, cancellation);
        TemplateSource.CheckFiles(template.Folder.Path);
        return written;
    }

    private string Place(ArchiveReader reader, int template) => Path.Combine(_folder, reader.Index.Templates[template].Name);

    /// <summary>A template in the folder that guests can start from, by its id.</summary>
    private string? Find(Guid id) => !Directory.Exists(_folder) ? null
        : GuestTemplates.List(_folder).Where(report => report.Template?.Id == id).Select(report => report.Path)
            .FirstOrDefault(path => IsTemplate(path, id));

    private static bool IsTemplate(string path, Guid id) =>
        GuestTemplates.Exists(path) && GuestTemplates.Test(path) is { IsValid: true } report && report.Template!.Id == id;

    /// <summary>A template that is being written.</summary>
    private sealed record Unpacked(TemplateFolder Folder, TemplateWriter Writer, GuestTemplate Template, List<SafeFileHandle> Files)
    {
        public string Target => Writer.Target;
    }
}
