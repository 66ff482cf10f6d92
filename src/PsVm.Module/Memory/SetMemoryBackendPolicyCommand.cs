using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Memory;

/// <summary>Sets the process-wide policy for backends made from now on.</summary>
[Cmdlet(VerbsCommon.Set, "MemoryBackendPolicy", SupportsShouldProcess = true)]
[OutputType(typeof(void))]
public sealed class SetMemoryBackendPolicyCommand : PsVmCmdlet
{
    /// <summary>Private file mappings are read-only, create no file and refuse consumers that discard; :$false lifts it.</summary>
    [Parameter(Mandatory = true)]
    [NotUnset]
    public SwitchParameter DenyPrivateDiscard { get; set; }

    internal static void Run(bool deny, IMemoryHost host, ICmdletOutput output)
    {
        if (output.ShouldProcess($"Set DenyPrivateDiscard to {deny} for this process"))
        {
            host.SetPolicy(deny);
        }
    }

    private protected override CmdletWork Bind()
    {
        bool deny = DenyPrivateDiscard;
        return (output, _) => Run(deny, ModuleServices.Memory, output);
    }
}
