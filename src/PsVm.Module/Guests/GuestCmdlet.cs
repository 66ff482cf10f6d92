using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>The base of cmdlets that act on guests.</summary>
public abstract class GuestCmdlet : PsVmCmdlet
{
    /// <summary>Guests: names, patterns with *, ? and [ ], or objects; an object means the very guest, whoever has its name now.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [GuestIdentity]
    [Alias("Guest")]
    [ArgumentCompleter(typeof(GuestNameCompleter))]
    public GuestReference[] Name { get; set; } = [];

    /// <summary>Work on the guests that this input item names.</summary>
    private protected CmdletWork OnGuests(Action<IReadOnlyList<GuestReference>, IGuestHost, ICmdletOutput, CancellationToken> run) =>
        Selection.OnGuests(Name, run);

    /// <summary>Changes guests one by one and sends each down the pipeline.</summary>
    internal static void Change(
        string verb,
        IEnumerable<GuestReference> guests,
        Action<GuestReference, CancellationToken> change,
        IGuestHost host,
        ICmdletOutput output,
        CancellationToken cancellation,
        Action<GuestReference>? check = null) =>
        CmdletWorks.ForEach(guests, output, guest =>
        {
            if (output.ShouldProcess(() => $"{verb} guest '{guest}'", () => check?.Invoke(guest)))
            {
                change(guest, cancellation);
                output.WriteObject(new Guest(host, host.Get(guest, cancellation)));
            }
        }, cancellation);
}
