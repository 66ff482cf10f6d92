using System.Management.Automation;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>Powers guests off at once.</summary>
[Cmdlet(VerbsLifecycle.Stop, "Guest", SupportsShouldProcess = true)]
[OutputType(typeof(Guest))]
public sealed class StopGuestCommand : GuestCmdlet
{
    /// <summary>Says in a script that the guest is not asked. The board has no power button, so it never is.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    internal static void Run(IEnumerable<GuestReference> guests, IGuestHost host, ICmdletOutput output, CancellationToken cancellation) =>
        Change("Stop", guests, host.Stop, host, output, cancellation);

    private protected override CmdletWork Bind() => OnGuests(Run);
}
