using System.Management.Automation;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>Waits until guests are in a state or have written a text on the console.</summary>
[Cmdlet(VerbsLifecycle.Wait, "Guest", DefaultParameterSetName = "State")]
[OutputType(typeof(Guest))]
public sealed class WaitGuestCommand : GuestCmdlet
{
    /// <summary>The text to wait for, anywhere on the console since the start; case counts.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Text")]
    [ValidateNotNullOrEmpty]
    public string? ForText { get; set; }

    /// <summary>The state to wait for.</summary>
    [Parameter(ParameterSetName = "State")]
    public GuestState State { get; set; } = GuestState.Stopped;

    /// <summary>Seconds to wait for each guest; without it, for ever.</summary>
    [Parameter]
    [ValidateRange(0.0, 2_000_000.0)]
    public double? Timeout { get; set; }

    internal static void Run(
        IEnumerable<string> names,
        string? text,
        GuestState state,
        TimeSpan timeout,
        IGuestHost host,
        ICmdletOutput output,
        CancellationToken cancellation)
    {
        string expected = text is null ? $"to be {state}" : $"to write '{text}'";
        CmdletWorks.ForEach(names, output, name =>
        {
            using ProgressTicker progress = new(output, $"Waiting for guest '{name}' {expected}", timeout);
            bool reached = text is null
                ? host.WaitForState(name, state, timeout, cancellation)
                : host.WaitForText(name, text, timeout, cancellation);
            GuestInfo guest = host.Get(name);
            if (!reached)
            {
                throw NotReached(guest, expected, timeout, LastLine(host.ReadConsole(name, 0).Text));
            }

            output.WriteObject(new Guest(host, guest));
        }, cancellation);
    }

    private protected override CmdletWork Bind()
    {
        (string? text, GuestState state) = (ForText, State);
        TimeSpan timeout = Timeout is { } seconds ? TimeSpan.FromSeconds(seconds) : System.Threading.Timeout.InfiniteTimeSpan;
        return OnGuests((names, host, output, cancellation) => Run(names, text, state, timeout, host, output, cancellation));
    }

    private static CmdletException NotReached(GuestInfo guest, string expected, TimeSpan timeout, string lastLine)
    {
        string console = lastLine.Length == 0 ? "it has written nothing" : $"its last line is '{lastLine}'";
        return guest.State is GuestState.Stopped or GuestState.Failed
            ? new CmdletException(
                ModuleErrorIds.GuestStoppedFirst,
                $"Guest '{guest.Name}' was expected {expected}, but it is {guest.State} ({guest.StopReason}); {console}.",
                guest.Name,
                $"Read its console: Receive-GuestConsole '{guest.Name}' -All.")
            : new CmdletException(
                ModuleErrorIds.GuestWaitTimeout,
                $"Guest '{guest.Name}' was expected {expected} within {timeout.TotalSeconds:0.###} s, but it is {guest.State}; {console}.",
                guest.Name,
                $"Give a longer -Timeout, or read its console: Receive-GuestConsole '{guest.Name}' -All.");
    }

    private static string LastLine(string console) =>
        console.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).LastOrDefault(string.Empty);
}
