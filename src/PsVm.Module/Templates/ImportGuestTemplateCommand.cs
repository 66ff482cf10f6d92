using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Templates;

/// <summary>Makes templates of archives, with the templates they need.</summary>
[Cmdlet(VerbsData.Import, "GuestTemplate", SupportsShouldProcess = true)]
[OutputType(typeof(GuestTemplate), typeof(GuestJob))]
public sealed class ImportGuestTemplateCommand : TemplatePathCmdlet
{
    private readonly List<string> _paths = [];
    private string _destination = string.Empty;

    /// <summary>
    /// Archives, or patterns with *, ? and [ ]; an archive object or a file does as well. When archives are piped in, the first position is
    /// the destination's.
    /// </summary>
    [Parameter(Position = 0)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArchiveIdentity]
    public string[] Path { get; set; } = [];

    /// <summary>Archives from the pipeline: objects, files or paths.</summary>
    [Parameter(ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArchiveIdentity]
    public string[] InputObject { get; set; } = [];

    /// <summary>The folder in which the templates come, each under its name; the session's location when not given.</summary>
    [Parameter(Position = 1)]
    [ValidateNotNullOrEmpty]
    public string Destination { get; set; } = ".";

    /// <summary>Replaces a template that has the name of the exported one; those that it needs replace none.</summary>
    [Parameter]
    [NotUnset]
    public SwitchParameter Force { get; set; }

    /// <summary>Does it in the background, by a job: Receive-Job gives what it found, Stop-Job gives it up.</summary>
    [Parameter]
    [NotUnset]
    public SwitchParameter AsJob { get; set; }

    internal static void Run(
        IEnumerable<string> paths, TemplateImportOptions options, ITemplateHost templates,
        ICmdletOutput output, CancellationToken cancellation) =>
        TemplateTravel.ForEach(
            paths,
            path => Describe(templates.CheckImport(path, options), options),
            path => $"Importing '{path}'",
            (path, progress) => templates.Import(path, options, progress, cancellation),
            output,
            cancellation);

    private protected override bool IsAsJob => AsJob;

    private protected override CmdletWork? Bind()
    {
        (string[] paths, _destination) = Bind(
            "an archive", nameof(Path), Path, InputObject, nameof(Destination), Destination, isOptional: true);
        _paths.AddRange(Paths(paths, File.Exists));
        return null;
    }

    private protected override CmdletWork? BindEnd()
    {
        if (_paths.Count == 0)
        {
            return null;
        }

        TemplateImportOptions options = new() { Folder = ResolvePath(_destination)!, Force = Force };
        ITemplateHost templates = ModuleServices.Templates;
        string[] paths = [.. _paths.Distinct()];
        return (output, cancellation) => Run(paths, options, templates, output, cancellation);
    }

    private static string Describe(TemplateArchive archive, TemplateImportOptions options)
    {
        string parents = string.Join(", ", archive.Templates.Skip(1).Select(template => $"'{template.Name}'"));
        return $"Import template '{archive.Templates[0].Name}'{(parents.Length > 0 ? $", with what it needs ({parents})," : string.Empty)} "
            + $"from '{archive.Path}' to '{options.Folder}'{(options.Force ? ", in place of one that is there" : string.Empty)}";
    }
}
