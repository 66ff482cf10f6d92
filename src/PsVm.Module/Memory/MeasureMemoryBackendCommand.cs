using System.Management.Automation;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Memory;

/// <summary>Measures what backends cost the host now.</summary>
[Cmdlet(VerbsDiagnostic.Measure, "MemoryBackend")]
[OutputType(typeof(MemoryUsage))]
public sealed class MeasureMemoryBackendCommand : BackendCmdlet
{
    internal static void Run(
        IEnumerable<BackendReference> backends, IMemoryHost host, ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(backends, output, backend => output.WriteObject(host.Measure(backend, cancellation)), cancellation);

    private protected override CmdletWork Bind() => OnBackends(Run);
}
