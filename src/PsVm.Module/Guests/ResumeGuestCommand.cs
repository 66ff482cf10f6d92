using System.Management.Automation;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>Lets suspended guests go on.</summary>
[Cmdlet(VerbsLifecycle.Resume, "Guest", SupportsShouldProcess = true)]
[OutputType(typeof(Guest))]
public sealed class ResumeGuestCommand : GuestCmdlet
{
    internal static void Run(IEnumerable<GuestReference> guests, IGuestHost host, ICmdletOutput output, CancellationToken cancellation) =>
        Change("Resume", guests, host.Resume, host, output, cancellation, host.CheckResume);

    private protected override CmdletWork Bind() => OnGuests(Run);
}
