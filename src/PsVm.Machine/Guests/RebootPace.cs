namespace PsVm.Machine.Guests;

/// <summary>How long a guest that reboots waits: not at all the first times, then the longer the faster it asks again.</summary>
internal static class RebootPace
{
    // Making a guest costs the host about a millisecond for a clone and up to a hundred for a kernel, so that a loop costs little of a CPU.
    private static readonly TimeSpan s_first = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_most = TimeSpan.FromSeconds(10);
    private const int Free = 3;

    /// <summary>The time to wait before the next life begins.</summary>
    /// <param name="reboots">How often it has rebooted.</param>
    /// <param name="uptime">How long the life lasted that ended.</param>
    public static TimeSpan Delay(int reboots, TimeSpan uptime)
    {
        if (reboots < Free || uptime >= s_most)
        {
            return TimeSpan.Zero;
        }

        double wanted = s_first.TotalMilliseconds * Math.Pow(2, Math.Min(reboots - Free, 10));
        return TimeSpan.FromMilliseconds(Math.Min(wanted, s_most.TotalMilliseconds));
    }
}
