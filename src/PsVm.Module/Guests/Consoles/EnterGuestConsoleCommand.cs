using System.Management.Automation;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.Consoles;

/// <summary>Connects the operator's terminal with the console of a guest; of several, one after the other.</summary>
[Cmdlet(VerbsCommon.Enter, "GuestConsole", SupportsShouldProcess = true)]
[OutputType(typeof(void))]
public sealed class EnterGuestConsoleCommand : GuestCmdlet
{
    internal static void Run(
        IEnumerable<GuestReference> guests,
        IGuestHost host,
        ConsoleReadings readings,
        ICmdletOutput output,
        CancellationToken cancellation) =>
        CmdletWorks.ForEach(guests, output, guest =>
        {
            if (output.ShouldProcess(() => $"Connect the terminal with the console of guest '{guest}'"))
            {
                ConsoleSession.Run(host.Get(guest, cancellation), host, readings, cancellation);
            }
        }, cancellation);

    private protected override CmdletWork Bind() => OnGuests((guests, host, output, cancellation) =>
        Run(guests, host, ModuleServices.ConsoleReadings, output, cancellation));
}
