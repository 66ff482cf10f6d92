using System.Management.Automation;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Memory;

/// <summary>Unmaps backends that no guest uses; their files stay.</summary>
[Cmdlet(VerbsCommon.Remove, "MemoryBackend", SupportsShouldProcess = true)]
[OutputType(typeof(void))]
public sealed class RemoveMemoryBackendCommand : BackendCmdlet
{
    internal static void Run(
        IEnumerable<BackendReference> backends, IMemoryHost host, ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(backends, output, backend =>
        {
            MemoryBackendInfo found = host.Get(backend, cancellation);
            if (output.ShouldProcess(() => $"Remove memory backend '{found}'", () => host.CheckRemove(backend)))
            {
                host.Remove(found.Reference, cancellation);
            }
        }, cancellation);

    private protected override CmdletWork Bind() => OnBackends(Run);
}
