using PsVm.Machine.Guests;

namespace PsVm.Benchmarks;

/// <summary>What benchmarks do with guests.</summary>
internal static class GuestHostExtensions
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(120);

    /// <summary>Waits until a text is on a guest's console.</summary>
    /// <param name="host">The guest's host.</param>
    /// <param name="guest">Its name.</param>
    /// <param name="text">The text.</param>
    /// <param name="patience">How long; null: two minutes.</param>
    /// <exception cref="BenchmarkException">It does not come.</exception>
    public static void WaitFor(this GuestHost host, string guest, string text, TimeSpan? patience = null)
    {
        TimeSpan most = patience ?? s_patience;
        if (!host.WaitForText(guest, text, most, CancellationToken.None))
        {
            throw new BenchmarkException($"Expected '{text}' on the console of {guest} within {most.TotalSeconds} s, found it not.");
        }
    }

    /// <summary>Ends a guest, and forgets it.</summary>
    public static void End(this GuestHost host, string guest)
    {
        host.Stop(guest);
        host.Remove(guest);
    }
}
