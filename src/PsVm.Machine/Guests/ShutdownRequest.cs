using System.Diagnostics;

namespace PsVm.Machine.Guests;

/// <summary>Asks a guest to power off, in the words of Linux's magic SysRq on a serial console, and waits until it has.</summary>
/// <remarks>Source: Linux, Documentation/admin-guide/sysrq.rst; drivers/tty/serial/8250/8250_port.c receives break and key.</remarks>
/// <param name="find">The guest's present life.</param>
/// <param name="timeout">How long it has.</param>
internal sealed class ShutdownRequest(Func<LiveGuest> find, TimeSpan timeout)
{
    // Sync, remount read-only, power off.
    private const string Keys = "suo";

    // Linux obeys the last of the keys that it finds in the port's FIFO at once, so each waits until the one before has been received.
    private static readonly TimeSpan s_betweenKeys = TimeSpan.FromMilliseconds(100);

    // A kernel that boots drops what it received before its driver began.
    private static readonly TimeSpan s_untilAskedAgain = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(20);

    /// <summary>Asks and waits.</summary>
    /// <returns>False: the time has run out, and it runs on.</returns>
    public async Task<bool> RunAsync(CancellationToken cancellation)
    {
        long began = Stopwatch.GetTimestamp();
        TimeSpan limit = timeout == Timeout.InfiniteTimeSpan ? TimeSpan.MaxValue : timeout;
        TimeSpan nextAt = TimeSpan.Zero;
        int key = 0;
        LiveGuest guest = find();
        try
        {
            while (!guest.Info.State.IsOver())
            {
                Wake(guest, cancellation);
                TimeSpan elapsed = Stopwatch.GetElapsedTime(began);
                if (elapsed >= nextAt && (key == 0 || guest.Console.InputCount == 0) && guest.Console.TrySendBreak(Keys[key % Keys.Length]))
                {
                    key++;
                    nextAt = elapsed + (key % Keys.Length == 0 ? s_untilAskedAgain : s_betweenKeys);
                }

                if (elapsed >= limit)
                {
                    return false;
                }

                await Task.Delay(TimeSpan.FromTicks(Math.Min(s_look.Ticks, (limit - elapsed).Ticks)), cancellation).ConfigureAwait(false);
                guest = find();
            }

            return true;
        }
        finally
        {
            guest.Console.WithdrawBreaks();
        }
    }

    private static void Wake(LiveGuest guest, CancellationToken cancellation)
    {
        try
        {
            if (guest.Info.State == GuestState.Suspended)
            {
                guest.Resume(cancellation);
            }
        }
        catch (GuestException ended) when (ended.ErrorId == GuestErrorIds.GuestStopped)
        {
            // It ends just now; its state tells in a moment.
        }
    }
}
