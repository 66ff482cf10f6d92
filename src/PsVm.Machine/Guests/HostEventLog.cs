namespace PsVm.Machine.Guests;

/// <summary>The latest things that happened in a host. Safe from any thread.</summary>
internal sealed class HostEventLog
{
    /// <summary>Events that are kept; older ones are lost.</summary>
    public const int Capacity = 1024;

    private readonly Lock _gate = new();
    // Most events are never read: their words are put together when somebody does.
    private readonly Queue<Lazy<HostEvent>> _events = new();
    private long _end;

    /// <summary>Notes that something happened now.</summary>
    /// <param name="level">How much it matters.</param>
    /// <param name="id">One of <see cref="HostEventIds"/>.</param>
    /// <param name="guest">The guest that it is about; null: none.</param>
    /// <param name="message">What happened, in a line.</param>
    /// <param name="values">What there is to know of it by name; null: nothing.</param>
    public void Add(
        HostEventLevel level, string id, GuestInfo? guest, string message, IReadOnlyDictionary<string, object>? values = null) =>
        Add(now => Event(now, level, id, guest, message, values));

    /// <summary>Notes that something happened now.</summary>
    /// <param name="level">How much it matters.</param>
    /// <param name="id">One of <see cref="HostEventIds"/>.</param>
    /// <param name="guest">The guest that it is about.</param>
    /// <param name="describe">What happened, in a line, and what there is to know of it by name; asked when somebody reads it.</param>
    public void Add(
        HostEventLevel level, string id, GuestInfo guest,
            Func<GuestInfo, (string Message, IReadOnlyDictionary<string, object> Values)> describe) => Add(now =>
    {
        (string message, IReadOnlyDictionary<string, object> values) = describe(guest);
        return Event(now, level, id, guest, message, values);
    });

    /// <summary>Events from a position on.</summary>
    public HostEvents Read(long position)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        lock (_gate)
        {
            long held = _end - _events.Count;
            long start = Math.Clamp(position, held, _end);
            return new HostEvents(
                [.. _events.Skip((int)(start - held)).Select(happened => happened.Value)], _end, Math.Max(0, start - position));
        }
    }

    private static HostEvent Event(
        DateTimeOffset now, HostEventLevel level, string id, GuestInfo? guest, string message, IReadOnlyDictionary<string, object>? values)
    {
        HostEvent happened = new(now, level, id, message) { Guest = guest?.Reference };
        return values is null ? happened : happened with { Values = values };
    }

    private void Add(Func<DateTimeOffset, HostEvent> make)
    {
        lock (_gate)
        {
            if (_events.Count == Capacity)
            {
                _events.Dequeue();
            }

            DateTimeOffset now = DateTimeOffset.UtcNow;
            _events.Enqueue(new Lazy<HostEvent>(() => make(now)));
            _end++;
        }
    }
}
