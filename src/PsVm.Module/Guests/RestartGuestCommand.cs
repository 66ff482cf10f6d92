using System.Management.Automation;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>Stops guests that run, and starts them again with what they were made of.</summary>
[Cmdlet(VerbsLifecycle.Restart, "Guest", SupportsShouldProcess = true)]
[OutputType(typeof(Guest))]
public sealed class RestartGuestCommand : OrderlyStopCmdlet
{
    private protected override string Verb => "Restart";

    private protected override bool LogsLives => true;

    private protected override Action<GuestReference, CancellationToken> Then(IGuestHost host, ICmdletOutput output) =>
        (guest, cancellation) => StartGuestCommand.StartAgain(guest, host, output, isPart: true, cancellation);

    private protected override Action<GuestReference, CancellationToken> CheckThen(IGuestHost host) => host.CheckRestart;
}
