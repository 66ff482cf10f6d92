using System.Management.Automation;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Memory;

/// <summary>Gets live backends.</summary>
[Cmdlet(VerbsCommon.Get, "MemoryBackend")]
[OutputType(typeof(MemoryBackendInfo))]
public sealed class GetMemoryBackendCommand : AnyBackendCmdlet
{
    internal static void Run(IEnumerable<BackendReference> backends, IMemoryHost host, ICmdletOutput output, CancellationToken cancellation)
    {
        foreach (MemoryBackendInfo info in Selection.Backends(backends, host, output, cancellation))
        {
            output.WriteObject(info);
        }
    }

    private protected override CmdletWork Bind()
    {
        BackendReference[] backends = Id;
        return (output, cancellation) => Run(backends, ModuleServices.Memory, output, cancellation);
    }
}
