using System.Management.Automation;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Templates;

/// <summary>Tells whether guests can start from templates, without starting one.</summary>
[Cmdlet(VerbsDiagnostic.Test, "GuestTemplate")]
[OutputType(typeof(bool), typeof(TemplateReport))]
public sealed class TestGuestTemplateCommand : TemplateCmdlet
{
    /// <summary>Compares the SHA-256 of the RAM files, which reads all of them.</summary>
    [Parameter]
    public SwitchParameter Verify { get; set; }

    /// <summary>Folders in which the templates that these need are looked for, too.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] SearchPath { get; set; } = [];

    /// <summary>Gives the whole report, which says why.</summary>
    [Parameter]
    public SwitchParameter Detailed { get; set; }

    internal static void Run(
        IEnumerable<string> paths,
        bool detailed,
        Func<string, TemplateReport> test,
        ICmdletOutput output,
        CancellationToken cancellation) =>
        CmdletWorks.ForEach(paths, output, path =>
        {
            TemplateReport report = test(path);
            if (detailed)
            {
                output.WriteObject(report);
                return;
            }

            foreach (TemplateError error in report.Errors)
            {
                output.WriteVerbose($"[{error.Id}] '{report.Path}': {error.Message} {error.RecommendedAction}".TrimEnd());
            }

            output.WriteObject(report.IsValid);
        }, cancellation);

    /// <summary>Puts all that is wrong with a template on the error stream.</summary>
    internal static void WriteErrors(TemplateReport report, ICmdletOutput output)
    {
        foreach (TemplateError error in report.Errors)
        {
            output.WriteError(new CmdletException(error.Id, error.Message, report.Path, error.RecommendedAction));
        }
    }

    private protected override CmdletWork Bind()
    {
        IReadOnlyList<string> paths = ResolvedPaths();
        (bool verify, bool detailed) = (Verify, Detailed);
        string[] searchPath = [.. SearchPath.Select(folder => ResolvePath(folder)!)];
        return (output, cancellation) =>
        {
            using ProgressTicker? progress = verify
                ? new ProgressTicker(output, "Reading RAM files", Timeout.InfiniteTimeSpan)
                : null;
            Run(paths, detailed, path => ModuleServices.Templates.Test(path, verify, searchPath, cancellation), output, cancellation);
        };
    }
}
