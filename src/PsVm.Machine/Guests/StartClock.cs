using System.Diagnostics;

namespace PsVm.Machine.Guests;

/// <summary>Splits the time that a start takes into its parts. Begins with the request.</summary>
/// <param name="progress">Told of a part that takes its time; null: no one asks.</param>
internal sealed class StartClock(IProgress<StepProgress>? progress = null)
{
    private readonly long _requestedAt = Stopwatch.GetTimestamp();
    private long? _lastEndedAt;

    /// <summary>The parts that are over.</summary>
    public StartTimes Times { get; private set; } = new();

    /// <summary>Time from the request to the end of the last part.</summary>
    public TimeSpan Latency => Stopwatch.GetElapsedTime(_requestedAt, _lastEndedAt ?? _requestedAt);

    /// <summary>Some of what boots is in its RAM.</summary>
    /// <param name="done">Bytes of it.</param>
    /// <param name="total">Bytes in all.</param>
    public void Loaded(long done, long total) => progress?.Report(new StepProgress(HostStep.Loading, done, total));

    /// <summary>What it starts from is open and recognised.</summary>
    public void Opened() => Times = Times with { Open = EndPart(Stopwatch.GetTimestamp()) };

    /// <summary>Its RAM is mapped.</summary>
    public void Mapped() => Times = Times with { Map = EndPart(Stopwatch.GetTimestamp()) };

    /// <summary>Its board is where it begins.</summary>
    public void Restored() => Times = Times with { Restore = EndPart(Stopwatch.GetTimestamp()) };

    /// <summary>Its first instruction ran.</summary>
    /// <param name="stamp">When, as <see cref="Stopwatch.GetTimestamp"/> counts.</param>
    public void Began(long stamp) => Times = Times with { FirstInstruction = EndPart(stamp) };

    private TimeSpan EndPart(long stamp)
    {
        TimeSpan part = Stopwatch.GetElapsedTime(_lastEndedAt ?? _requestedAt, stamp);
        _lastEndedAt = stamp;
        return part;
    }
}
