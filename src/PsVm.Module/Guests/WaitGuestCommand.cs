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
        IEnumerable<GuestReference> guests,
        string? text,
        GuestState state,
        TimeSpan timeout,
        IGuestHost host,
        ICmdletOutput output,
        CancellationToken cancellation)
    {
        string expected = text is null ? $"to be {state}" : $"to write '{text}'";
        CmdletWorks.ForEach(guests, output, guest =>
        {
            using ProgressTicker progress = new(output, $"Waiting for guest '{guest}' {expected}", timeout);
            bool reached = text is null
                ? host.WaitForState(guest, state, timeout, cancellation)
                : host.WaitForText(guest, text, timeout, cancellation);
            GuestInfo info = host.Get(guest, cancellation);
            if (!reached)
            {
                throw NotReached(info, expected, timeout, VisibleText.Of(LastLine(host.ReadConsole(guest, 0, cancellation).Text)));
            }

            output.WriteObject(new Guest(host, info));
        }, cancellation);
    }

    private protected override CmdletWork Bind()
    {
        (string? text, GuestState state) = (ForText, State);
        TimeSpan timeout = Timeout is { } seconds ? TimeSpan.FromSeconds(seconds) : System.Threading.Timeout.InfiniteTimeSpan;
        return OnGuests((guests, host, output, cancellation) => Run(guests, text, state, timeout, host, output, cancellation));
    }

    private static CmdletException NotReached(GuestInfo info, string expected, TimeSpan timeout, string lastLine)
    {
        string console = lastLine.Length == 0 ? "it has written nothing" : $"its last line is '{lastLine}'";
        string look = $"Receive-GuestConsole '{info.Name}' -All.";
        return new CmdletException(info.State is GuestState.Stopped or GuestState.Failed
            ? new PsVmError(
                ModuleErrorIds.GuestStoppedFirst,
                $"Guest '{info.Name}' was expected {expected}, but it is {info.State} ({info.StopReason}); {console}.")
            {
                Target = info.Name,
                RecommendedAction = $"Read its console: {look}",
                Category = ErrorKind.OperationStopped,
            }
            : new PsVmError(
                ModuleErrorIds.GuestWaitTimeout,
                $"Guest '{info.Name}' was expected {expected} within {timeout.TotalSeconds:0.###} s, but it is {info.State}; {console}.")
            {
                Target = info.Name,
                RecommendedAction = $"Give a longer -Timeout, or read its console: {look}",
                Category = ErrorKind.OperationTimeout,
            });
    }

    private static string LastLine(string console) =>
        console.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).LastOrDefault(string.Empty);
}
