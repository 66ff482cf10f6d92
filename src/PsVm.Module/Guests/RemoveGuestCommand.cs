using System.Management.Automation;
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
    public SwitchParameter Force { get; set; }

    internal static void Run(
        IEnumerable<string> names, bool force, IGuestHost host, ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(names, output, name =>
        {
            if (output.ShouldProcess(force ? $"Stop and remove guest '{name}'" : $"Remove guest '{name}'"))
            {
                if (force)
                {
                    host.Stop(name);
                }

                host.Remove(name);
            }
        }, cancellation);

    private protected override CmdletWork Bind()
    {
        bool force = Force;
        return OnGuests((names, host, output, cancellation) => Run(names, force, host, output, cancellation));
    }
}
