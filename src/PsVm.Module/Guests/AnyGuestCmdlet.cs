using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>The base of cmdlets that do guests no harm, and so mean every guest when none is named.</summary>
public abstract class AnyGuestCmdlet : PsVmCmdlet
{
    /// <summary>Guests: names, patterns with *, ? and [ ], or objects; none: every guest.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [GuestIdentity]
    [ArgumentCompleter(typeof(GuestNameCompleter))]
    public GuestReference[] Name { get; set; } = ["*"];

    /// <summary>Work on the guests that this input item names.</summary>
    private protected CmdletWork OnGuests(Action<IReadOnlyList<GuestReference>, IGuestHost, ICmdletOutput, CancellationToken> run) =>
        Selection.OnGuests(Name, run);
}
