using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Templates;

/// <summary>Gets templates by path, or those in a folder.</summary>
[Cmdlet(VerbsCommon.Get, "GuestTemplate", DefaultParameterSetName = "Folder")]
[OutputType(typeof(GuestTemplate), typeof(TemplateNode))]
public sealed class GetGuestTemplateCommand : TemplatePathCmdlet
{
    private const int MostNames = 5;

    /// <summary>Folders of templates, or patterns with *, ? and [ ]; a template object does as well, and is read anew.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = "Path", ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [TemplateIdentity]
    [ArgumentCompleter(typeof(TemplatePathCompleter))]
    public string[] Path { get; set; } = [];

    /// <summary>The folder whose templates are listed; the session's location when not given.</summary>
    [Parameter(ParameterSetName = "Folder")]
    [ValidateNotNullOrEmpty]
    public string Folder { get; set; } = ".";

    /// <summary>Gives them as a tree: each after the one that it is made on, with what it takes and how many guests of it run.</summary>
    [Parameter(ParameterSetName = "Folder")]
    [NotUnset]
    public SwitchParameter Tree { get; set; }

    internal static void Run(
        IEnumerable<string> paths, Func<string, GuestTemplate> read, ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(paths, output, path => output.WriteObject(read(path)), cancellation);

    /// <summary>
    /// Gives the templates in a folder and an error for each damaged one, and tells once of what is there of some that were never finished.
    /// </summary>
    internal static void List(string folder, ITemplateHost templates, ICmdletOutput output, CancellationToken cancellation)
    {
        foreach (TemplateReport report in templates.List(folder, cancellation))
        {
            if (report.Template is { } template)
            {
                output.WriteObject(template);
            }

            TestGuestTemplateCommand.WriteErrors(report, output);
        }

        WarnOfLeftovers(folder, templates, output, cancellation);
    }

    /// <summary>Gives the templates in a folder as a tree, and else what <see cref="List"/> gives.</summary>
    internal static void ListTree(
        string folder, ITemplateHost templates, IGuestHost guests, ICmdletOutput output, CancellationToken cancellation)
    {
        ILookup<string?, GuestInfo> clones = guests.List(cancellation).Where(guest => !guest.State.IsOver())
            .ToLookup(guest => guest.Template);
        foreach (TemplateNode node in templates.Tree(folder, cancellation))
        {
            output.WriteObject(node with { Clones = clones[node.Path].Count() });
        }

        foreach (TemplateReport report in templates.List(folder, cancellation).Where(report => report.Template is null))
        {
            TestGuestTemplateCommand.WriteErrors(report, output);
        }

        WarnOfLeftovers(folder, templates, output, cancellation);
    }

    private static void WarnOfLeftovers(string folder, ITemplateHost templates, ICmdletOutput output, CancellationToken cancellation)
    {
        IReadOnlyList<string> leftovers = templates.Leftovers(folder, cancellation);
        if (leftovers.Count > 0)
        {
            string names = string.Join(", ", leftovers.Take(MostNames).Select(path => $"'{System.IO.Path.GetFileName(path)}'"));
            output.WriteWarning(
                $"[{ModuleErrorIds.TemplateLeftovers}] Expected only templates in '{folder}', found what checkpoints that were cut short "
                + "left: "
                + $"{names}{(leftovers.Count > MostNames ? $" and {leftovers.Count - MostNames} more" : string.Empty)}. "
                + "The next checkpoint to this folder removes it.");
        }
    }

    private protected override CmdletWork Bind()
    {
        if (ParameterSetName == "Path")
        {
            IReadOnlyList<string> paths = TemplatePaths(Path);
            return (output, cancellation) => Run(paths, path => ModuleServices.Templates.Read(path, cancellation), output, cancellation);
        }

        string folder = ResolvePath(Folder)!;
        if (Tree)
        {
            return (output, cancellation) => ListTree(folder, ModuleServices.Templates, ModuleServices.Guests, output, cancellation);
        }

        return (output, cancellation) => List(folder, ModuleServices.Templates, output, cancellation);
    }
}
