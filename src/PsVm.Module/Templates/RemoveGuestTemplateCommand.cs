using System.Management.Automation;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Templates;

/// <summary>Removes templates from disk.</summary>
[Cmdlet(VerbsCommon.Remove, "GuestTemplate", SupportsShouldProcess = true)]
[OutputType(typeof(void))]
public sealed class RemoveGuestTemplateCommand : TemplateCmdlet
{
    internal static void Run(IEnumerable<string> paths, Action<string> remove, ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(paths, output, path =>
        {
            if (output.ShouldProcess($"Remove template '{path}'"))
            {
                remove(path);
            }
        }, cancellation);

    private protected override CmdletWork Bind()
    {
        string[] paths = ResolvedPaths();
        return (output, cancellation) => Run(paths, path => ModuleServices.Templates.Remove(path, cancellation), output, cancellation);
    }
}
