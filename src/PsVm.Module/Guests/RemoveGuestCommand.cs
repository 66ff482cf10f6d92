using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>Forgets stopped guests and releases what they held.</summary>
[Cmdlet(VerbsCommon.Remove, "Guest", SupportsShouldProcess = true)]
[OutputType(typeof(void))]
public sealed class RemoveGuestCommand : GuestCmdlet
{
    /// <summary>Stops a guest that still runs first.</summary>
    [Parameter]
    [NotUnset]
    public SwitchParameter Force { get; set; }

    internal static void Run(
        IEnumerable<GuestReference> guests, bool force, IGuestHost host, ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(guests, output, guest =>
        {
            Action? check = force ? null : () => host.CheckRemove(guest);
            if (output.ShouldProcess(() => force ? $"Stop and remove guest '{guest}'" : $"Remove guest '{guest}'", check))
            {
                if (force)
                {
                    host.Stop(guest, cancellation);
                }

                host.Remove(guest, cancellation);
            }
        }, cancellation);

    private protected override CmdletWork Bind()
    {
        bool force = Force;
        return OnGuests((guests, host, output, cancellation) => Run(guests, force, host, output, cancellation));
    }
}
