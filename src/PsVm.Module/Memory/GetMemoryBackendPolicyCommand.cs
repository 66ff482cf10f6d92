using System.Management.Automation;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Memory;

/// <summary>Gets the process-wide policy for backends.</summary>
[Cmdlet(VerbsCommon.Get, "MemoryBackendPolicy")]
[OutputType(typeof(MemoryBackendPolicy))]
public sealed class GetMemoryBackendPolicyCommand : PsVmCmdlet
{
    internal static void Run(IMemoryHost host, ICmdletOutput output) => output.WriteObject(host.Policy);

    private protected override CmdletWork Bind() => (output, _) => Run(ModuleServices.Memory, output);
}
