using PsVm.Module.Tests.Guests;

namespace PsVm.Module.Tests.Templates;

/// <summary>A host with a template at every path but <c>/none</c>, which remembers what it was asked for.</summary>
internal class FakeTemplateHost : ITemplateHost
{
    /// <summary>What was done, and what was only asked for.</summary>
    public List<string> Calls { get; } = [];

    /// <summary>What it was asked for with.</summary>
    public List<object> Options { get; } = [];

    public virtual GuestTemplate Read(string path, CancellationToken cancellation = default) => throw NotFound(path);

    public virtual IReadOnlyList<TemplateReport> List(string folder, CancellationToken cancellation = default) => [];

    public bool Exists(string path) => true;

    public virtual IReadOnlyList<string> Leftovers(string folder, CancellationToken cancellation = default) => [];

    public TemplateReport Test(
        string path, bool verify, IReadOnlyList<string>? searchPath = null, CancellationToken cancellation = default) =>
        throw NotFound(path);

    public GuestTemplate Compress(
        string path, CompressOptions options, IProgress<StepProgress>? progress, CancellationToken cancellation) =>
        throw NotFound(path);

    public virtual IReadOnlyList<GuestTemplate> CheckCompress(string path, CompressOptions options) => throw NotFound(path);

    public virtual IReadOnlyList<TemplateNode> Tree(string folder, CancellationToken cancellation = default) => throw NotFound(folder);

    public virtual IReadOnlyList<GuestTemplate> Needing(string path, CancellationToken cancellation = default) => [];

    public virtual void CheckRemove(string path) => throw NotFound(path);

    public virtual void Remove(string path, CancellationToken cancellation = default) => throw NotFound(path);

    public TemplateArchive Export(
        string path, TemplateExportOptions options, IProgress<StepProgress>? progress, CancellationToken cancellation)
    {
        progress?.Report(new StepProgress(HostStep.Exporting, 1, 1));
        return new TemplateArchive { Path = Note("export", path, options.Path, options) };
    }

    public string CheckExport(string path, TemplateExportOptions options) => Note("check export", path, options.Path, options);

    public GuestTemplate Import(
        string archive, TemplateImportOptions options, IProgress<StepProgress>? progress, CancellationToken cancellation) =>
        FakeGuestHost.Template(Note("import", archive, options.Folder, options), "web");

    public TemplateArchive CheckImport(string archive, TemplateImportOptions options)
    {
        Note("check import", archive, options.Folder, options);
        return new TemplateArchive
        {
            Path = archive,
            Templates = [.. new[] { "web-patched", "web" }.Select(
                name => new ArchivedTemplate { Name = name, Guest = "web", MachineType = "virt-1.2" })],
        };
    }

    public GuestTemplate Copy(
        string path, TemplateCopyOptions options, IProgress<StepProgress>? progress, CancellationToken cancellation) =>
        FakeGuestHost.Template(Note("copy", path, options.Destination, options), "web");

    public string CheckCopy(string path, TemplateCopyOptions options) => Note("check copy", path, options.Destination, options);

    public GuestTemplate Move(
        string path, TemplateCopyOptions options, IProgress<StepProgress>? progress, CancellationToken cancellation) =>
        FakeGuestHost.Template(Note("move", path, options.Destination, options), "web");

    public string CheckMove(string path, TemplateCopyOptions options) => Note("check move", path, options.Destination, options);

    private string Note(string what, string path, string destination, object options)
    {
        Calls.Add($"{what} {path}");
        Options.Add(options);
        return path == "/none" ? throw NotFound(path) : destination;
    }

    private static GuestException NotFound(string path) => new(GuestErrorIds.TemplateNotFound, "none", path);
}
