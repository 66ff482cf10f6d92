namespace PsVm.Machine.Devices;

/// <summary>When each stretch of a console's output came. Bounded: the longer ago, the coarser, once there are many stretches.</summary>
/// <remarks>Not safe from several threads at once.</remarks>
internal sealed class ConsoleClock(TimeProvider time)
{
    /// <summary>The most moments that are kept; 40 bytes each.</summary>
    public const int Capacity = 2048;

    private static readonly TimeSpan s_shortest = TimeSpan.FromMilliseconds(10);

    private readonly List<ConsoleMoment> _moments = [];

    /// <summary>Characters from a position on come now.</summary>
    /// <param name="position">Position of the first of them.</param>
    /// <param name="held">Position of the oldest character whose time may still be asked for.</param>
    public void Note(long position, long held)
    {
        DateTimeOffset now = time.GetUtcNow();
        if (_moments.Count > 0)
        {
            ConsoleMoment moment = _moments[^1];

            // The clock may be set back; the order of the text counts.
            now = now < moment.Last ? moment.Last : now;
            if (now - moment.First < s_shortest)
            {
                _moments[^1] = moment with { Last = now };
                return;
            }
        }

        if (_moments.Count == Capacity)
        {
            Thin(held);
        }

        _moments.Add(new ConsoleMoment(position, now, now));
    }

    /// <summary>The moments of the characters between two positions.</summary>
    public IReadOnlyList<ConsoleMoment> Between(long start, long end) =>
        start >= end ? [] : [.. _moments.Skip(FirstAt(start)).TakeWhile(moment => moment.Position < end)];

    /// <summary>Index of the moment in which a character came.</summary>
    private int FirstAt(long position)
    {
        int after = _moments.FindIndex(moment => moment.Position > position);
        return Math.Max(0, (after < 0 ? _moments.Count : after) - 1);
    }

    /// <summary>Forgets the moments of what is lost; where that is not half of them, makes one of each two.</summary>
    private void Thin(long held)
    {
        _moments.RemoveRange(0, FirstAt(held));
        if (_moments.Count <= Capacity / 2)
        {
            return;
        }

        int kept = 0;
        for (int i = 0; i < _moments.Count; i += 2)
        {
            _moments[kept++] = _moments[i] with { Last = _moments[Math.Min(i + 1, _moments.Count - 1)].Last };
        }

        _moments.RemoveRange(kept, _moments.Count - kept);
    }
}
