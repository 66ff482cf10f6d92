using System.Management.Automation;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>Receives what guests have written on their console.</summary>
[Cmdlet(VerbsCommunications.Receive, "GuestConsole")]
[OutputType(typeof(string))]
public sealed class ReceiveGuestConsoleCommand : GuestCmdlet
{
    // Short enough to look live, long enough to cost nothing.
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);

    /// <summary>From the start, instead of from where the last receive ended.</summary>
    [Parameter]
    public SwitchParameter All { get; set; }

    /// <summary>The text as it came, control characters included, instead of lines in which they are shown as text.</summary>
    [Parameter]
    public SwitchParameter Raw { get; set; }

    /// <summary>Goes on until the guest stops.</summary>
    [Parameter]
    public SwitchParameter Wait { get; set; }

    internal static void Run(
        IEnumerable<GuestReference> guests,
        bool all,
        bool raw,
        bool wait,
        IGuestHost host,
        ConsoleReadings readings,
        ICmdletOutput output,
        CancellationToken cancellation) =>
        CmdletWorks.ForEach(guests, output, guest =>
        {
            // The very guest that is there now: another may get the name meanwhile.
            GuestInfo info = host.Get(guest, cancellation);
            long position = all ? 0 : readings.Position(info.Id);
            ConsoleLines lines = new();
            bool more = true;
            while (more)
            {
                // The state first: whatever is written before the end is then read.
                more = wait && host.Get(info.Reference, cancellation).State is GuestState.Running or GuestState.Suspended;
                ConsoleText piece = host.ReadConsole(info.Reference, position, cancellation);
                Write(piece, raw, lines, output);
                position = piece.NextPosition;
                readings.Advance(info.Id, position);
                if (more && piece.Text.Length == 0 && cancellation.WaitHandle.WaitOne(Poll))
                {
                    cancellation.ThrowIfCancellationRequested();
                }
            }

            if (lines.TakeRest() is { } rest)
            {
                output.WriteObject(VisibleText.Of(rest));
            }
        }, cancellation);

    private protected override CmdletWork Bind()
    {
        (bool all, bool raw, bool wait) = (All, Raw, Wait);
        return OnGuests((guests, host, output, cancellation) =>
            Run(guests, all, raw, wait, host, ModuleServices.ConsoleReadings, output, cancellation));
    }

    private static void Write(ConsoleText piece, bool raw, ConsoleLines lines, ICmdletOutput output)
    {
        if (piece.Lost > 0)
        {
            output.WriteWarning($"[{ModuleErrorIds.ConsoleTextLost}] {piece.Lost} characters before this text are no longer held.");
        }

        if (!raw)
        {
            foreach (string line in lines.Add(piece.Text))
            {
                output.WriteObject(VisibleText.Of(line));
            }
        }
        else if (piece.Text.Length > 0)
        {
            output.WriteObject(piece.Text);
        }
    }
}
