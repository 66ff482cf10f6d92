using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>The base of cmdlets that stop guests: they ask all guests of the input at once, or cut the power of each.</summary>
public abstract class OrderlyStopCmdlet : GuestCmdlet
{
    private readonly List<GuestReference> _toAsk = [];

    /// <summary>Cuts the power at once; the guest is not asked.</summary>
    [Parameter]
    [NotUnset]
    [Alias("TurnOff")]
    public SwitchParameter Force { get; set; }

    /// <summary>Seconds, or a TimeSpan, that the guests have to power off; 10 s when not given. No meaning with Force.</summary>
    [Parameter]
    [Duration]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public TimeSpan Timeout { get; set; } = OrderlyStop.Patience;

    /// <summary>What is done, for the question whether to do it.</summary>
    private protected abstract string Verb { get; }

    /// <summary>What is done with each guest once it has stopped; null: nothing.</summary>
    private protected virtual Action<GuestReference, CancellationToken>? Then(IGuestHost host, ICmdletOutput output) => null;

    /// <summary>Finds out what would be wrong with that; null: nothing can be.</summary>
    private protected virtual Action<GuestReference, CancellationToken>? CheckThen(IGuestHost host) => null;

    /// <summary>Cuts the power of each guest in turn.</summary>
    internal static void Cut(
        string verb,
        IEnumerable<GuestReference> guests,
        Action<GuestReference, CancellationToken>? then,
        IGuestHost host,
        ICmdletOutput output,
        CancellationToken cancellation,
        Action<GuestReference>? check = null) =>
        Change(
            verb,
            guests,
            (guest, stop) =>
            {
                host.Stop(guest, stop);
                then?.Invoke(guest, stop);
            },
            host,
            output,
            cancellation,
            check);

    private protected override CmdletWork Bind()
    {
        if (Force)
        {
            return OnGuests((guests, host, output, cancellation) =>
                Cut(Verb, guests, Then(host, output), host, output, cancellation, guest => CheckThen(host)?.Invoke(guest, cancellation)));
        }

        return OnGuests((guests, host, output, cancellation) => CmdletWorks.ForEach(guests, output, guest =>
        {
            if (output.ShouldProcess(() => $"{Verb} guest '{guest}'", () => CheckThen(host)?.Invoke(guest, cancellation)))
            {
                _toAsk.Add(guest);
            }
        }, cancellation));
    }

    private protected override CmdletWork? BindEnd()
    {
        TimeSpan timeout = Timeout;
        IGuestHost host = ModuleServices.Guests;
        return _toAsk.Count == 0
            ? null
            : (output, cancellation) => OrderlyStop.Run(_toAsk, timeout, Then(host, output), host, output, cancellation);
    }
}
