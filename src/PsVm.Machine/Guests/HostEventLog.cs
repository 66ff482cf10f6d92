namespace PsVm.Machine.Guests;

/// <summary>The latest things that happened in a host. Safe from any thread.</summary>
internal sealed class HostEventLog
{
    /// <summary>Events that are kept; older ones are lost.</summary>
    public const int Capacity = 1024;

    private readonly Lock _gate = new();
    private readonly Queue<HostEvent> _events = new();
    private long _end;

    /// <summary>Notes that something happened now.</summary>
    /// <param name="level">How much it matters.</param>
    /// <param name="id">One of <see cref="HostEventIds"/>.</param>
    /// <param name="guest">The guest that it is about; null: none.</param>
    /// <param name="message">What happened, in a line.</param>
    public void Add(HostEventLevel level, string id, GuestInfo? guest, string message)
    {
        lock (_gate)
        {
            if (_events.Count == Capacity)
            {
                _events.Dequeue();
            }

            _events.Enqueue(new HostEvent(DateTimeOffset.UtcNow, level, id, message) { Guest = guest?.Reference });
            _end++;
        }
    }

    /// <summary>Events from a position on.</summary>
    public HostEvents Read(long position)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        lock (_gate)
        {
            long held = _end - _events.Count;
            long start = Math.Clamp(position, held, _end);
            return new HostEvents([.. _events.Skip((int)(start - held))], _end, Math.Max(0, start - position));
        }
    }
}
