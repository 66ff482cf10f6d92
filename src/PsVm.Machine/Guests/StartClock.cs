using System.Diagnostics;

namespace PsVm.Machine.Guests;

/// <summary>Splits the time that a start takes into its parts. Begins with the request.</summary>
internal sealed class StartClock
{
    private readonly long _requestedAt = Stopwatch.GetTimestamp();
    private long _partBeganAt;

    public StartClock() => _partBeganAt = _requestedAt;

    /// <summary>The parts that are over.</summary>
    public StartTimes Times { get; private set; } = new();

    /// <summary>Time from the request to the end of the last part.</summary>
    public TimeSpan Latency => Stopwatch.GetElapsedTime(_requestedAt, _partBeganAt);

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
        TimeSpan part = Stopwatch.GetElapsedTime(_partBeganAt, stamp);
        _partBeganAt = stamp;
        return part;
    }
}
