using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>The base of cmdlets that act on guests.</summary>
public abstract class GuestCmdlet : PsVmCmdlet
{
    /// <summary>Guests, by name or as objects; an object means the very guest, whoever has its name now.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [GuestIdentity]
    [ArgumentCompleter(typeof(GuestNameCompleter))]
    public GuestReference[] Name { get; set; } = [];

    /// <summary>Work on the guests that this input item names.</summary>
    private protected CmdletWork OnGuests(Action<IReadOnlyList<GuestReference>, IGuestHost, ICmdletOutput, CancellationToken> run) =>
        OnGuests(Name, run);

    /// <summary>Work on guests; the operator is told first of those that have failed meanwhile.</summary>
    private protected static CmdletWork OnGuests(
        IReadOnlyList<GuestReference> guests, Action<IReadOnlyList<GuestReference>, IGuestHost, ICmdletOutput, CancellationToken> run)
    {
        Session session = Session.Current;
        IGuestHost host = ModuleServices.Guests;
        return (output, cancellation) =>
        {
            session.WarnOfFailures(guests, host, output, cancellation);
            run(guests, host, output, cancellation);
        };
    }

    /// <summary>Changes guests one by one and sends each down the pipeline.</summary>
    internal static void Change(
        string verb,
        IEnumerable<GuestReference> guests,
        Action<GuestReference, CancellationToken> change,
        IGuestHost host,
        ICmdletOutput output,
        CancellationToken cancellation) =>
        CmdletWorks.ForEach(guests, output, guest =>
        {
            if (output.ShouldProcess($"{verb} guest '{guest}'"))
            {
                change(guest, cancellation);
                output.WriteObject(new Guest(host, host.Get(guest, cancellation)));
            }
        }, cancellation);
}
