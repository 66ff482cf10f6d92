using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Templates;

/// <summary>The base of cmdlets that bring templates to another place on this host.</summary>
public abstract class CopyTemplateCmdlet : TemplatePathCmdlet
{
    private readonly List<string> _paths = [];
    private string _destination = string.Empty;

    /// <summary>
    /// Folders of templates, or patterns with *, ? and [ ]; a template object does as well. When templates are piped in, the first position
    /// is the destination's.
    /// </summary>
    [Parameter(Position = 0)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [TemplateIdentity]
    [ArgumentCompleter(typeof(TemplatePathCompleter))]
    public string[] Path { get; set; } = [];

    /// <summary>Templates from the pipeline: objects or paths.</summary>
    [Parameter(ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [TemplateIdentity]
    [ArgumentCompleter(typeof(TemplatePathCompleter))]
    public string[] InputObject { get; set; } = [];

    /// <summary>Where they come: a folder gets them under their names; what is not there yet becomes the template's folder.</summary>
    [Parameter(Position = 1)]
    [ValidateNotNullOrEmpty]
    public string Destination { get; set; } = string.Empty;

    /// <summary>Replaces a template that is there already.</summary>
    [Parameter]
    [NotUnset]
    public SwitchParameter Force { get; set; }

    /// <summary>Does it in the background, by a job: Receive-Job gives what it found, Stop-Job gives it up.</summary>
    [Parameter]
    [NotUnset]
    public SwitchParameter AsJob { get; set; }

    /// <summary>What the cmdlet does.</summary>
    private protected abstract CopyingWork Work { get; }

    internal static void Run(
        IReadOnlyList<string> paths, TemplateCopyOptions options, CopyingWork work, ITemplateHost templates,
        ICmdletOutput output, CancellationToken cancellation)
    {
        TemplateTravel.CheckNames(paths, options.Destination);
        TemplateCopyOptions wanted = options with { IntoFolder = options.IntoFolder || paths.Count > 1 };
        NeedingTemplates needing = new(templates, output);
        string[] along = [.. paths.Select(System.IO.Path.TrimEndingDirectorySeparator)];
        Dictionary<string, string> remarks = work.Leaves
            ? paths.ToDictionary(path => path, path => needing.Note(path, along, cancellation))
            : [];
        TemplateTravel.ForEach(
            paths,
            path => $"{work.Verb} template '{path}'{Leaving(path)} to '{work.Check(templates, path, wanted)}'{Replacing(path)}",
            path => $"{work.Activity} template '{path}'",
            (path, progress) =>
            {
                Replacing(path); // ShouldProcess asks for its text only where somebody is told
                return work.Do(templates, path, wanted, progress, cancellation);
            },
            output,
            cancellation);
        needing.Warn(cancellation);

        string Leaving(string path) => remarks.GetValueOrDefault(path) is { Length: > 0 } remark ? remark + "," : string.Empty;

        string Replacing(string path) => !wanted.Force ? string.Empty
            : $", in place of one that is there{needing.Note(work.Check(templates, path, wanted), [], cancellation)}";
    }

    private protected override bool IsAsJob => AsJob;

    private protected override CmdletWork? Bind()
    {
        (string[] paths, _destination) = Bind("a template", nameof(Path), Path, InputObject, nameof(Destination), Destination);
        _paths.AddRange(TemplatePaths(paths));
        return null;
    }

    private protected override CmdletWork? BindEnd()
    {
        if (_paths.Count == 0)
        {
            return null;
        }

        TemplateCopyOptions options =
            new() { Destination = ResolvePath(_destination)!, IntoFolder = _destination.EndsWith('/'), Force = Force };
        ITemplateHost templates = ModuleServices.Templates;
        CopyingWork work = Work;
        string[] paths = [.. _paths.Distinct()];
        return (output, cancellation) => Run(paths, options, work, templates, output, cancellation);
    }
}

/// <summary>What a cmdlet does that brings templates to another place.</summary>
/// <param name="Verb">What it is about to do.</param>
/// <param name="Activity">What it is doing.</param>
/// <param name="Leaves">The template is not where it was afterwards.</param>
/// <param name="Check">Says where it would come, or what is wrong.</param>
/// <param name="Do">Brings it there.</param>
internal sealed record CopyingWork(
    string Verb,
    string Activity,
    bool Leaves,
    Func<ITemplateHost, string, TemplateCopyOptions, string> Check,
    Func<ITemplateHost, string, TemplateCopyOptions, IProgress<StepProgress>, CancellationToken, GuestTemplate> Do);
