using System.Globalization;
using System.Diagnostics;
using PsVm.Module.Output;

namespace PsVm.Module.Hosting;

/// <summary>Shows how far something slow is, once a second, until disposed; quick actions show nothing.</summary>
internal sealed class ProgressTicker : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);
    private readonly ICmdletOutput _output;
    private readonly Func<TimeSpan, CmdletProgress> _at;
    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private readonly Timer _timer;
    private volatile bool _shown;

    /// <summary>Starts to show progress.</summary>
    /// <param name="output">Where it is shown.</param>
    /// <param name="at">How far it is after a time; called on any thread.</param>
    public ProgressTicker(ICmdletOutput output, Func<TimeSpan, CmdletProgress> at)
    {
        _output = output;
        _at = at;
        _timer = new Timer(_ => Show(), null, Interval, Interval);
    }

    /// <summary>Starts to show how the time passes.</summary>
    /// <param name="output">Where it is shown.</param>
    /// <param name="activity">What is being done.</param>
    /// <param name="limit">When it ends at the latest; infinite when that is unknown.</param>
    public ProgressTicker(ICmdletOutput output, string activity, TimeSpan limit)
        : this(output, elapsed => Elapsed(activity, elapsed, limit))
    {
    }

    /// <summary>The display goes away.</summary>
    public void Dispose()
    {
        // Waits for a callback under way, so that nothing is shown after the end.
        _timer.DisposeAsync().AsTask().GetAwaiter().GetResult();
        if (_shown)
        {
            _output.WriteProgress(_at(_watch.Elapsed) with { Completed = true });
        }
    }

    /// <summary>What is shown after a time when nothing but the limit is known.</summary>
    internal static CmdletProgress Elapsed(string activity, TimeSpan elapsed, TimeSpan limit) =>
        limit <= TimeSpan.Zero
            ? new CmdletProgress(activity, $"{elapsed.TotalSeconds:0} s")
            : new CmdletProgress(
                activity,
                $"{elapsed.TotalSeconds:0} of {limit.TotalSeconds.ToString("0.#", CultureInfo.InvariantCulture)} s",
                (int)Math.Clamp(elapsed / limit * 100, 0, 100));

    // A timer may come a little before its time, so the clock does not tell whether anything was shown.
    private void Show()
    {
        _shown = true;
        _output.WriteProgress(_at(_watch.Elapsed));
    }
}
