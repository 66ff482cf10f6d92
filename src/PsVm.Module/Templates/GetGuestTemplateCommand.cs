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

    private protected override CmdletWork Bind()
    {
        if (ParameterSetName == "Path")
        {
            string[] paths = [.. Path.Select(path => ResolvePath(path)!)];
            return (output, cancellation) => Run(paths, path => ModuleServices.Templates.Read(path, cancellation), output, cancellation);
        }

        string folder = ResolvePath(Folder)!;
        return (output, cancellation) =>
        {
            foreach (GuestTemplate template in ModuleServices.Templates.List(folder, cancellation))
            {
                output.WriteObject(template);
            }
        };
    }
}
