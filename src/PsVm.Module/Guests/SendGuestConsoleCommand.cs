using System.Management.Automation;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>Types on the console of guests.</summary>
[Cmdlet(VerbsCommunications.Send, "GuestConsole", SupportsShouldProcess = true)]
[OutputType(typeof(void))]
public sealed class SendGuestConsoleCommand : GuestCmdlet
{
    /// <summary>The text to type.</summary>
    [Parameter(Mandatory = true, Position = 1)]
    [AllowEmptyString]
    public string Text { get; set; } = string.Empty;

    /// <summary>Does not end the text with a line feed.</summary>
    [Parameter]
    public SwitchParameter NoNewline { get; set; }

    internal static void Run(
        IEnumerable<GuestReference> guests, string text, bool noNewline, IGuestHost host, ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(guests, output, guest =>
        {
            if (output.ShouldProcess($"Type '{text}' on the console of guest '{guest}'"))
            {
                host.WriteConsole(guest, noNewline ? text : text + "\n", cancellation);
            }
        }, cancellation);

    private protected override CmdletWork Bind()
    {
        (string text, bool noNewline) = (Text, NoNewline);
        return OnGuests((guests, host, output, cancellation) => Run(guests, text, noNewline, host, output, cancellation));
    }
}
