using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.Pools;

/// <summary>Gets pools of clones, in the order in which they were made.</summary>
[Cmdlet(VerbsCommon.Get, "GuestPool")]
[OutputType(typeof(GuestPool))]
public sealed class GetGuestPoolCommand : PsVmCmdlet
{
    /// <summary>Pools: names, patterns with *, ? and [ ], or objects; none: every pool.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [PoolIdentity]
    [ArgumentCompleter(typeof(PoolNameCompleter))]
    public string[] Name { get; set; } = ["*"];

    private protected override CmdletWork Bind()
    {
        string[] names = Name;
        return (output, cancellation) =>
        {
            foreach (GuestPool pool in PoolSelection.Find(names, ModuleServices.Guests.Pools, output, cancellation))
            {
                output.WriteObject(pool);
            }
        };
    }
}
