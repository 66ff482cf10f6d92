using System.Management.Automation;
using PsVm.Memory;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Memory;

/// <summary>Measures what backends cost the host now.</summary>
[Cmdlet(VerbsDiagnostic.Measure, "MemoryBackend")]
[OutputType(typeof(MemoryUsage))]
public sealed class MeasureMemoryBackendCommand : BackendCmdlet
{
    internal static void Run(IEnumerable<Func<MemoryBackend>> selected, ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(selected, output, select => output.WriteObject(select().Measure()), cancellation);

    private protected override CmdletWork Bind()
    {
        IEnumerable<Func<MemoryBackend>> selected = Selected();
        return (output, cancellation) => Run(selected, output, cancellation);
    }
}
