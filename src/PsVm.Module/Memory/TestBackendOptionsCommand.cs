using System.Management.Automation;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Memory;

/// <summary>Tells what New-MemoryBackend would do with the same parameters, and changes nothing.</summary>
[Cmdlet(VerbsDiagnostic.Test, "BackendOptions", DefaultParameterSetName = "Parameters")]
[OutputType(typeof(bool), typeof(BackendReport))]
public sealed class TestBackendOptionsCommand : BackendOptionsCmdlet
{
    /// <summary>Gives the whole report, which says why: errors and warnings.</summary>
    [Parameter]
    public SwitchParameter Detailed { get; set; }

    internal static void Run(
        MemoryBackendOptions options, bool detailed, IMemoryHost host, ICmdletOutput output, CancellationToken cancellation)
    {
        BackendReport report = host.Test(options, cancellation);
        if (detailed)
        {
            output.WriteObject(report);
            return;
        }

        foreach (BackendError error in report.Errors)
        {
            output.WriteVerbose($"[{error.Id}] {error.Message} {error.RecommendedAction}".TrimEnd());
        }

        output.WriteWarnings(report.Warnings);
        output.WriteObject(report.IsValid);
    }

    private protected override CmdletWork Bind()
    {
        MemoryBackendOptions options = BindOptions();
        bool detailed = Detailed;
        return (output, cancellation) => Run(options, detailed, ModuleServices.Memory, output, cancellation);
    }
}
