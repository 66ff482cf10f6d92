using System.Management.Automation;

namespace PsVm.Module.Guests;

/// <summary>Asks guests to power off and waits until they have, or cuts their power.</summary>
[Cmdlet(VerbsLifecycle.Stop, "Guest", SupportsShouldProcess = true)]
[OutputType(typeof(Guest))]
public sealed class StopGuestCommand : OrderlyStopCmdlet
{
    private protected override string Verb => "Stop";
}
