using System.Management.Automation;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Memory;

/// <summary>Measures what backends cost the host now.</summary>
/// <remarks>All of the pipeline at once: the kernel visits the mappings of the process once, however many backends there are.</remarks>
[Cmdlet(VerbsDiagnostic.Measure, "MemoryBackend")]
[OutputType(typeof(MemoryUsage))]
public sealed class MeasureMemoryBackendCommand : AnyBackendCmdlet
{
    private readonly List<BackendReference> _backends = [];

    internal static void Run(
        IEnumerable<BackendReference> backends, IMemoryHost host, ICmdletOutput output, CancellationToken cancellation)
    {
        BackendReference[] found = [.. Selection.Backends(backends, host, output, cancellation).Select(backend => backend.Reference)];
        CmdletWorks.TogetherOrEach(found, some => host.Measure(some, cancellation), output, cancellation);
    }

    private protected override CmdletWork? Bind()
    {
        _backends.AddRange(Id);
        return null;
    }

    private protected override CmdletWork? BindEnd()
    {
        IMemoryHost host = ModuleServices.Memory;
        return _backends.Count == 0 ? null : (output, cancellation) => Run(_backends, host, output, cancellation);
    }
}
