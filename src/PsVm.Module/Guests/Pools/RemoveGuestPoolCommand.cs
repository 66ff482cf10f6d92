using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.Pools;

/// <summary>Ends pools of clones; guests that were taken out of them go on.</summary>
[Cmdlet(VerbsCommon.Remove, "GuestPool", SupportsShouldProcess = true)]
[OutputType(typeof(void))]
public sealed class RemoveGuestPoolCommand : PsVmCmdlet
{
    /// <summary>Pools: names, patterns with *, ? and [ ], or objects.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [PoolIdentity]
    [ArgumentCompleter(typeof(PoolNameCompleter))]
    public string[] Name { get; set; } = [];

    internal static void Run(IEnumerable<string> names, IGuestPools pools, ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(PoolSelection.Find(names, pools, output, cancellation), output, pool =>
        {
            if (output.ShouldProcess(() => $"Remove pool '{pool}' {Clones(pool.Held)}"))
            {
                pools.Remove(pool.Name, cancellation);
            }
        }, cancellation);

    private static string Clones(int held) => held switch
    {
        0 => "which holds no clone",
        1 => "and the clone that it holds",
        _ => $"and the {held} clones that it holds",
    };

    private protected override CmdletWork Bind()
    {
        string[] names = Name;
        return (output, cancellation) => Run(names, ModuleServices.Guests.Pools, output, cancellation);
    }
}
