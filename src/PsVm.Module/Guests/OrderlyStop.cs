using System.Globalization;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>Asks guests to power off, all at once, and does something with each that has.</summary>
internal static class OrderlyStop
{
    /// <summary>How long guests have when the operator does not say.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>Asks all guests, then waits for them.</summary>
    /// <param name="guests">The guests, for which the operator has agreed.</param>
    /// <param name="timeout">How long they have together.</param>
    /// <param name="then">What is done with each that has stopped; null: nothing.</param>
    /// <param name="host">Where they live.</param>
    /// <param name="output">Each goes there once it has stopped; an error for each that has not.</param>
    /// <param name="cancellation">Gives up.</param>
    public static void Run(
        IReadOnlyList<GuestReference> guests,
        TimeSpan timeout,
        Action<GuestReference, CancellationToken>? then,
        IGuestHost host,
        ICmdletOutput output,
        CancellationToken cancellation)
    {
        string what = guests.Count == 1 ? $"guest '{guests[0]}'" : $"{guests.Count} guests";
        using ProgressTicker progress = new(output, $"Waiting for {what} to power off", timeout);
        (GuestReference Guest, Task<bool> Stopped)[] asked =
            [.. guests.Select(guest => (guest, host.ShutDownAsync(guest, timeout, cancellation)))];
        CmdletWorks.ForEach(asked, output, request =>
        {
            if (!request.Stopped.GetAwaiter().GetResult())
            {
                throw DidNotStop(host.Get(request.Guest, cancellation), timeout);
            }

            then?.Invoke(request.Guest, cancellation);
            output.WriteObject(new Guest(host, host.Get(request.Guest, cancellation)));
        }, cancellation);
    }

    private static CmdletException DidNotStop(GuestInfo guest, TimeSpan timeout) => new(new PsVmError(
        ModuleErrorIds.GuestDidNotStop,
        $"Guest '{guest.Name}' was asked to power off, and expected to have within "
        + $"{timeout.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture)} s, "
        + $"but it is {guest.State}.")
    {
        Target = guest.Name,
        RecommendedAction = "Give a longer -Timeout, or cut its power: -Force.",
        Category = ErrorKind.OperationTimeout,
    });
}
