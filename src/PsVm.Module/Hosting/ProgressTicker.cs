using System.Diagnostics;
using PsVm.Module.Output;

namespace PsVm.Module.Hosting;

/// <summary>Shows that something slow is still under way, once a second, until disposed; quick actions show nothing.</summary>
internal sealed class ProgressTicker : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);
    private readonly ICmdletOutput _output;
    private readonly string _activity;
    private readonly TimeSpan _limit;
    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private readonly Timer _timer;

    /// <summary>Starts to show progress.</summary>
    /// <param name="output">Where it is shown.</param>
    /// <param name="activity">What is being done.</param>
    /// <param name="limit">When it ends at the latest; infinite when that is unknown.</param>
    public ProgressTicker(ICmdletOutput output, string activity, TimeSpan limit)
    {
        _output = output;
        _activity = activity;
        _limit = limit;
        _timer = new Timer(_ => _output.WriteProgress(At(_watch.Elapsed)), null, Interval, Interval);
    }

    /// <summary>The display goes away.</summary>
    public void Dispose()
    {
        // Waits for a callback under way, so that nothing is shown after the end.
        _timer.DisposeAsync().AsTask().GetAwaiter().GetResult();
        if (_watch.Elapsed >= Interval)
        {
            _output.WriteProgress(At(_watch.Elapsed) with { Completed = true });
        }
    }

    /// <summary>What is shown after a time.</summary>
    internal CmdletProgress At(TimeSpan elapsed) =>
        _limit <= TimeSpan.Zero
            ? new CmdletProgress(_activity, $"{elapsed.TotalSeconds:0} s")
            : new CmdletProgress(
                _activity,
                $"{elapsed.TotalSeconds:0} of {_limit.TotalSeconds:0.#} s",
                (int)Math.Clamp(elapsed / _limit * 100, 0, 100));
}
