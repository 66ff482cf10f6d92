using System.Management.Automation;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>Puts clones back to where their template ends.</summary>
[Cmdlet(VerbsCommon.Reset, "Guest", SupportsShouldProcess = true)]
[OutputType(typeof(Guest))]
public sealed class ResetGuestCommand : GuestCmdlet
{
    /// <summary>The guests have the generation id of their template, and its random seeds.</summary>
    [Parameter]
    public SwitchParameter KeepIdentity { get; set; }

    internal static void Run(
        IEnumerable<GuestReference> guests, bool keepIdentity, IGuestHost host, ICmdletOutput output, CancellationToken cancellation) =>
        Change(
            "Reset",
            guests,
            (guest, stop) => host.Reset(guest, keepIdentity, stop),
            host,
            output,
            cancellation,
            guest => host.CheckReset(guest, cancellation));

    private protected override CmdletWork Bind()
    {
        bool keepIdentity = KeepIdentity;
        return OnGuests((guests, host, output, cancellation) => Run(guests, keepIdentity, host, output, cancellation));
    }
}
