using System.Management.Automation;
using PsVm.Memory;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Memory;

/// <summary>Unmaps backends that no guest uses; their files stay.</summary>
[Cmdlet(VerbsCommon.Remove, "MemoryBackend", SupportsShouldProcess = true)]
[OutputType(typeof(void))]
public sealed class RemoveMemoryBackendCommand : BackendCmdlet
{
    internal static void Run(
        IEnumerable<Func<MemoryBackend>> selected, MemoryBackends backends, ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(selected, output, select =>
        {
            string id = select().Id;
            if (output.ShouldProcess($"Remove memory backend '{id}'"))
            {
                backends.Remove(id);
            }
        }, cancellation);

    private protected override CmdletWork Bind()
    {
        IEnumerable<Func<MemoryBackend>> selected = Selected();
        return (output, cancellation) => Run(selected, ModuleServices.Backends, output, cancellation);
    }
}
