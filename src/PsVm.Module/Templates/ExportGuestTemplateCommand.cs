using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Templates;

/// <summary>Puts templates into archives, one file each, with the templates they need.</summary>
[Cmdlet(VerbsData.Export, "GuestTemplate", SupportsShouldProcess = true)]
[OutputType(typeof(TemplateArchive), typeof(GuestJob))]
public sealed class ExportGuestTemplateCommand : TemplatePathCmdlet
{
    private readonly List<string> _paths = [];
    private string _path = string.Empty;

    /// <summary>
    /// Folders of templates, or patterns with *, ? and [ ]; a template object does as well. When templates are piped in, the first position
    /// is the archive's.
    /// </summary>
    [Parameter(Position = 0)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [TemplateIdentity]
    [ArgumentCompleter(typeof(TemplatePathCompleter))]
    public string[] Template { get; set; } = [];

    /// <summary>Templates from the pipeline: objects or paths.</summary>
    [Parameter(ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [TemplateIdentity]
    [ArgumentCompleter(typeof(TemplatePathCompleter))]
    public string[] InputObject { get; set; } = [];

    /// <summary>The archive; in a folder it is called as the template is, with .psvm.</summary>
    [Parameter(Position = 1)]
    [ValidateNotNullOrEmpty]
    public string Path { get; set; } = string.Empty;

    /// <summary>Level of zstd, from 1 (fast) to 22 (small).</summary>
    [Parameter]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public int CompressionLevel { get; set; } = TemplateExportOptions.DefaultCompressionLevel;

    /// <summary>Leaves out the templates that a differential one needs; they must be where it is imported.</summary>
    [Parameter]
    public SwitchParameter NoParents { get; set; }

    /// <summary>Replaces a file that is there already.</summary>
    [Parameter]
    [NotUnset]
    public SwitchParameter Force { get; set; }

    /// <summary>Does it in the background, by a job: Receive-Job gives what it found, Stop-Job gives it up.</summary>
    [Parameter]
    [NotUnset]
    public SwitchParameter AsJob { get; set; }

    internal static void Run(
        IReadOnlyList<string> paths, TemplateExportOptions options, ITemplateHost templates,
        ICmdletOutput output, CancellationToken cancellation)
    {
        TemplateTravel.CheckNames(paths, options.Path);
        TemplateExportOptions wanted = options with { IntoFolder = options.IntoFolder || paths.Count > 1 };
        TemplateTravel.ForEach(
            paths,
            path => $"Export template '{path}' to '{templates.CheckExport(path, wanted)}'"
                + (wanted.Force ? ", in place of a file that is there" : string.Empty),
            path => $"Exporting template '{path}'",
            (path, progress) => templates.Export(path, wanted, progress, cancellation),
            output,
            cancellation);
    }

    private protected override bool IsAsJob => AsJob;

    private protected override CmdletWork? Bind()
    {
        (string[] paths, _path) = Bind("a template", nameof(Template), Template, InputObject, nameof(Path), Path);
        _paths.AddRange(TemplatePaths(paths));
        return null;
    }

    private protected override CmdletWork? BindEnd()
    {
        if (_paths.Count == 0)
        {
            return null;
        }

        TemplateExportOptions options = new()
        {
            Path = ResolvePath(_path)!,
            IntoFolder = _path.EndsWith('/'),
            CompressionLevel = CompressionLevel,
            NoParents = NoParents,
            Force = Force,
        };
        ITemplateHost templates = ModuleServices.Templates;
        string[] paths = [.. _paths.Distinct()];
        return (output, cancellation) => Run(paths, options, templates, output, cancellation);
    }
}
