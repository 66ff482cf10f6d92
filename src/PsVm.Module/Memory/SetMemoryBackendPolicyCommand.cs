using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Memory;

/// <summary>
/// Sets the process-wide policy for memory: whether backends made from now on may discard, and how much memory guests must leave.
/// </summary>
[Cmdlet(VerbsCommon.Set, "MemoryBackendPolicy", SupportsShouldProcess = true, DefaultParameterSetName = Reserve)]
[OutputType(typeof(void))]
public sealed class SetMemoryBackendPolicyCommand : PsVmCmdlet
{
    private const string Discards = "DenyPrivateDiscard", Reserve = "MemoryReserve";

    /// <summary>Private file mappings are read-only, create no file and refuse consumers that discard; :$false lifts it.</summary>
    [Parameter(Mandatory = true, ParameterSetName = Discards)]
    [NotUnset]
    public SwitchParameter DenyPrivateDiscard { get; set; }

    /// <summary>
    /// Memory of the host, or of its control group, that guests must leave, such as 1GB: who grows when there is less is held. 0: all may
    /// be taken.
    /// </summary>
    /// <remarks>Null, as in a variable that was not set, is the default.</remarks>
    [Parameter(Mandatory = true, ParameterSetName = Reserve)]
    [Parameter(ParameterSetName = Discards)]
    [AllowNull]
    [Size]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public long? MemoryReserve { get; set; }

    internal static void Run(bool? deny, (bool IsGiven, long? Bytes) reserve, IMemoryHost host, ICmdletOutput output)
    {
        if (deny is { } denies && output.ShouldProcess(() => $"Set DenyPrivateDiscard to {denies} for this process"))
        {
            host.SetPolicy(denies);
        }

        if (reserve.IsGiven && output.ShouldProcess(() => Describe(reserve.Bytes), () => host.CheckMemoryReserve(reserve.Bytes)))
        {
            host.SetMemoryReserve(reserve.Bytes);
        }
    }

    private protected override CmdletWork Bind()
    {
        bool? deny = IsGiven(nameof(DenyPrivateDiscard)) ? DenyPrivateDiscard : null;
        (bool, long?) reserve = (IsGiven(nameof(MemoryReserve)), MemoryReserve);
        return (output, _) => Run(deny, reserve, ModuleServices.Memory, output);
    }

    private static string Describe(long? reserve) =>
        $"Set the memory reserve to {(reserve is { } bytes ? ByteSize.ToText(bytes) : "its default")} for this process";
}
