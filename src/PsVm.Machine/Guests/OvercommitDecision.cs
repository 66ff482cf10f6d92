namespace PsVm.Machine.Guests;

/// <summary>Who is to stop growing when memory runs out. Pure.</summary>
internal static class OvercommitDecision
{
    /// <summary>Growth of which nobody is blamed, ever: what a guest that waits for its console may need.</summary>
    public const long Harmless = 64 << 10;

    /// <summary>The guest that is to be held: the one that has grown most, when that is much.</summary>
    /// <param name="available">Bytes that are left.</param>
    /// <param name="reserve">Bytes that are to be left.</param>
    /// <param name="growths">What each guest has grown by since memory became short, in bytes.</param>
    /// <returns>Its place in the list; null: nobody's.</returns>
    /// <remarks>
    /// In the upper half of the reserve a guest may grow by a sixteenth of it, so that one that runs away is told from those that live on
    /// as they did. In the lower half nobody may grow any more.
    /// </remarks>
    public static int? Choose(long available, long reserve, IReadOnlyList<long> growths)
    {
        if (available > reserve || growths.Count == 0)
        {
            return null;
        }

        int most = 0;
        for (int i = 1; i < growths.Count; i++)
        {
            most = growths[i] > growths[most] ? i : most;
        }

        long tolerated = available > reserve / 2 ? Math.Max(reserve / 16, Harmless) : Harmless;
        return growths[most] > tolerated ? most : null;
    }

    /// <summary>Bytes that guests may touch, all together, before memory is looked at again.</summary>
    /// <param name="available">Bytes that are left.</param>
    /// <param name="reserve">Bytes that are to be left.</param>
    /// <remarks>
    /// Half of what is left above the reserve, so that a guest at any speed is seen a few times on its way there; not as much as would take
    /// seconds, since others than guests take memory, too; and no less than what a look is cheap beside.
    /// </remarks>
    public static long Allowance(long available, long reserve)
    {
        const long least = 2L << 20, most = 64L << 20;
        return available > reserve
            ? Math.Clamp((available - reserve) / 2, least, most)
            : Math.Clamp(reserve / 32, Harmless, least);
    }
}
