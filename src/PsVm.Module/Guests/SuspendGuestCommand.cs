using System.Management.Automation;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>Holds guests where they are.</summary>
[Cmdlet(VerbsLifecycle.Suspend, "Guest", SupportsShouldProcess = true)]
[OutputType(typeof(Guest))]
public sealed class SuspendGuestCommand : GuestCmdlet
{
    internal static void Run(IEnumerable<GuestReference> guests, IGuestHost host, ICmdletOutput output, CancellationToken cancellation) =>
        Change("Suspend", guests, host.Suspend, host, output, cancellation, host.CheckNotStopped);

    private protected override CmdletWork Bind() => OnGuests(Run);
}
