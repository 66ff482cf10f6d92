using System.Globalization;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.Consoles;

/// <summary>Waits for something on a guest's console; what came is looked at then.</summary>
internal static class ConsoleWait
{
    /// <summary>Waits.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="expected">What is waited for.</param>
    /// <param name="timeout">How long it has, as the operator said.</param>
    /// <param name="host">Where it lives.</param>
    /// <param name="readings">What was looked at.</param>
    /// <param name="output">Where progress goes.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <param name="rest">What is left of <paramref name="timeout"/>; null: all.</param>
    /// <exception cref="CmdletException">GuestStoppedFirst or GuestWaitTimeout: it did not come.</exception>
    public static ConsoleMatch Run(
        GuestInfo guest,
        ConsoleExpectation expected,
        TimeSpan timeout,
        IGuestHost host,
        ConsoleReadings readings,
        ICmdletOutput output,
        CancellationToken cancellation,
        TimeSpan? rest = null)
    {
        string action = expected.IsRegex ? $"to write what matches '{expected.Pattern}'" : $"to write '{expected.Pattern}'";
        using ProgressTicker progress = new(output, $"Waiting for guest '{guest.Name}' {action}", timeout);
        ConsoleMatch match = host.WaitForOutput(guest.Reference, expected, rest ?? timeout, cancellation)
            ?? throw NotReached(guest.Reference, action, timeout, host, cancellation);
        readings.See(guest.Id, match.End);
        return match;
    }

    /// <summary>The error that a guest did not get where it was expected.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="expected">What it was expected: to do or to be something.</param>
    /// <param name="timeout">How long it had.</param>
    /// <param name="host">Where it lives.</param>
    /// <param name="cancellation">Gives up.</param>
    public static CmdletException NotReached(
        GuestReference guest, string expected, TimeSpan timeout, IGuestHost host, CancellationToken cancellation)
    {
        GuestInfo info = host.Get(guest, cancellation);
        string lastLine = host.ReadConsole(guest, 0, cancellation).LastLine;
        string console = lastLine.Length == 0 ? "it has written nothing" : $"its last line is '{lastLine}'";
        string look = $"Receive-GuestConsole '{info.Name}' -All.";
        return new CmdletException(info.State.IsOver()
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
                $"Guest '{info.Name}' was expected {expected} within "
                + $"{timeout.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture)} s, "
                + $"but it is {info.State}; {console}.")
            {
                Target = info.Name,
                RecommendedAction = $"Give a longer -Timeout, or read its console: {look}",
                Category = ErrorKind.OperationTimeout,
            });
    }
}
