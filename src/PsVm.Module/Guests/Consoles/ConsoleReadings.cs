using System.Collections.Concurrent;

namespace PsVm.Module.Guests.Consoles;

/// <summary>How far the console of each guest has been received, and what of it has been looked at by any cmdlet.</summary>
internal sealed class ConsoleReadings
{
    private readonly ConcurrentDictionary<Guid, long> _received = new();
    private readonly ConcurrentDictionary<Guid, ConsoleMark> _seen = new();

    /// <summary>Where the next receive begins: characters since the start.</summary>
    public long Position(Guid guest) => _received.GetValueOrDefault(guest);

    /// <summary>Remembers how far the console was received.</summary>
    public void Advance(Guid guest, long position)
    {
        _received[guest] = position;
        See(guest, position);
    }

    /// <summary>Where what is new begins; null when nothing of the console was looked at.</summary>
    public ConsoleMark? Seen(Guid guest) => _seen.TryGetValue(guest, out ConsoleMark mark) ? mark : null;

    /// <summary>What comes before a position was looked at.</summary>
    public void See(Guid guest, long position) => _seen.AddOrUpdate(
        guest,
        (_, seen) => new ConsoleMark(seen, null),
        static (_, mark, seen) => seen > mark.Position ? new ConsoleMark(seen, null) : mark,
        position);

    /// <summary>A text was typed: what is new begins at a position, with its echo.</summary>
    public void Type(Guid guest, long position, string text) => _seen[guest] = new ConsoleMark(position, text);
}

/// <summary>Where something on a console begins.</summary>
/// <param name="Position">Characters since the start.</param>
/// <param name="Typed">What was typed there, whose echo comes first; null: nothing.</param>
internal readonly record struct ConsoleMark(long Position, string? Typed);
