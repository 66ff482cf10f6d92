using System.Collections.Concurrent;

namespace PsVm.Module.Guests;

/// <summary>How far the console of each guest has been received.</summary>
internal sealed class ConsoleReadings
{
    private readonly ConcurrentDictionary<Guid, long> _positions = new();

    /// <summary>Where the next receive begins: characters since the start.</summary>
    public long Position(Guid guest) => _positions.GetValueOrDefault(guest);

    /// <summary>Remembers how far the console was received.</summary>
    public void Advance(Guid guest, long position) => _positions[guest] = position;
}
