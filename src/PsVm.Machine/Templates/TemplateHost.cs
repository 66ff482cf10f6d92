using PsVm.Machine.Templates.Travel;

namespace PsVm.Machine.Templates;

/// <summary>The templates on this machine's file systems.</summary>
public sealed class TemplateHost : ITemplateHost
{
    /// <summary>What is asked of the kernel; tests let it fail.</summary>
    internal FolderCalls FolderCalls { get; init; } = FolderCalls.Kernel;

    /// <inheritdoc/>
    public GuestTemplate Read(string path, CancellationToken cancellation = default) => GuestTemplates.Read(path);

    /// <inheritdoc/>
    public IReadOnlyList<TemplateReport> List(string folder, CancellationToken cancellation = default) =>
        GuestTemplates.List(folder, cancellation);

    /// <inheritdoc/>
    public bool Exists(string path) => GuestTemplates.Exists(path);

    /// <inheritdoc/>
    public IReadOnlyList<string> Leftovers(string folder, CancellationToken cancellation = default) => GuestTemplates.Leftovers(folder);

    /// <inheritdoc/>
    public TemplateReport Test(
        string path, bool verify, IReadOnlyList<string>? searchPath = null, CancellationToken cancellation = default) =>
        GuestTemplates.Test(path, verify, searchPath, cancellation);

    /// <inheritdoc/>
    public GuestTemplate Compress(
        string path, CompressOptions options, IProgress<StepProgress>? progress = null, CancellationToken cancellation = default) =>
        new TemplateMerge(path, options, FolderCalls).Run(progress, cancellation);

    /// <inheritdoc/>
    public IReadOnlyList<GuestTemplate> CheckCompress(string path, CompressOptions options) =>
        new TemplateMerge(path, options, FolderCalls).Check();

    /// <inheritdoc/>
    public IReadOnlyList<TemplateNode> Tree(string folder, CancellationToken cancellation = default) =>
        TemplateTree.Of(folder, cancellation);

    /// <inheritdoc/>
    public IReadOnlyList<GuestTemplate> Needing(string path, CancellationToken cancellation = default) =>
        TemplateTree.Needing(path, cancellation);

    /// <inheritdoc/>
    public void CheckRemove(string path) => GuestTemplates.CheckRemove(path);

    /// <inheritdoc/>
    public void Remove(string path, CancellationToken cancellation = default) => GuestTemplates.Remove(path);

    /// <inheritdoc/>
    public TemplateArchive Export(
        string path, TemplateExportOptions options, IProgress<StepProgress>? progress, CancellationToken cancellation) =>
        new TemplateExport(path, options, FolderCalls).Run(progress, cancellation);

    /// <inheritdoc/>
    public string CheckExport(string path, TemplateExportOptions options)
    {
        TemplateExport export = new(path, options, FolderCalls);
        export.Check();
        return export.Target;
    }

    /// <inheritdoc/>
    public GuestTemplate Import(
        string archive, TemplateImportOptions options, IProgress<StepProgress>? progress, CancellationToken cancellation) =>
        new TemplateImport(archive, options, FolderCalls).Run(progress, cancellation);

    /// <inheritdoc/>
    public TemplateArchive CheckImport(string archive, TemplateImportOptions options) =>
        new TemplateImport(archive, options, FolderCalls).Check();

    /// <inheritdoc/>
    public GuestTemplate Copy(
        string path, TemplateCopyOptions options, IProgress<StepProgress>? progress, CancellationToken cancellation) =>
        new TemplateCopy(path, options, FolderCalls).Copy(progress, cancellation);

    /// <inheritdoc/>
    public string CheckCopy(string path, TemplateCopyOptions options) => Checked(path, options, move: false);

    /// <inheritdoc/>
    public GuestTemplate Move(
        string path, TemplateCopyOptions options, IProgress<StepProgress>? progress, CancellationToken cancellation) =>
        new TemplateCopy(path, options, FolderCalls).Move(progress, cancellation);

    /// <inheritdoc/>
    public string CheckMove(string path, TemplateCopyOptions options) => Checked(path, options, move: true);

    private string Checked(string path, TemplateCopyOptions options, bool move)
    {
        TemplateCopy copy = new(path, options, FolderCalls);
        copy.Check(move);
        return copy.Target;
    }
}
