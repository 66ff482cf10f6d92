using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Templates;

/// <summary>Gets templates by path, or those in a folder.</summary>
[Cmdlet(VerbsCommon.Get, "GuestTemplate", DefaultParameterSetName = "Folder")]
[OutputType(typeof(GuestTemplate))]
public sealed class GetGuestTemplateCommand : PsVmCmdlet
{
    private const int MostNames = 5;

    /// <summary>Folders of templates; a template object does as well, and is read anew.</summary>
    [Parameter(
        Mandatory = true, Position = 0, ParameterSetName = "Path", ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [Identity("Path")]
    public string[] Path { get; set; } = [];

    /// <summary>The folder whose templates are listed; the session's location when not given.</summary>
    [Parameter(ParameterSetName = "Folder")]
    [ValidateNotNullOrEmpty]
    public string Folder { get; set; } = ".";

    internal static void Run(
        IEnumerable<string> paths, Func<string, GuestTemplate> read, ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(paths, output, path => output.WriteObject(read(path)), cancellation);

    /// <summary>Gives the templates in a folder, and tells once of what is there of some that were never finished.</summary>
    internal static void List(string folder, ITemplateHost templates, ICmdletOutput output, CancellationToken cancellation)
    {
        foreach (GuestTemplate template in templates.List(folder, cancellation))
        {
            output.WriteObject(template);
        }

        IReadOnlyList<string> leftovers = templates.Leftovers(folder, cancellation);
        if (leftovers.Count > 0)
        {
            string names = string.Join(", ", leftovers.Take(MostNames).Select(path => $"'{System.IO.Path.GetFileName(path)}'"));
            output.WriteWarning(
                $"[{ModuleErrorIds.TemplateLeftovers}] Expected only templates in '{folder}', found what checkpoints that were cut short left: "
                + $"{names}{(leftovers.Count > MostNames ? $" and {leftovers.Count - MostNames} more" : string.Empty)}. "
                + "The next checkpoint to this folder removes it.");
        }
    }

    private protected override CmdletWork Bind()
    {
        if (ParameterSetName == "Path")
        {
            string[] paths = [.. Path.Select(path => ResolvePath(path)!)];
            return (output, cancellation) => Run(paths, path => ModuleServices.Templates.Read(path, cancellation), output, cancellation);
        }

        string folder = ResolvePath(Folder)!;
        return (output, cancellation) => List(folder, ModuleServices.Templates, output, cancellation);
    }
}
