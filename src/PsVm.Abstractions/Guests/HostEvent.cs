namespace PsVm;

/// <summary>How much something that happened matters to an operator.</summary>
public enum HostEventLevel
{
    /// <summary>As it was asked for.</summary>
    Information,

    /// <summary>Worth a look.</summary>
    Warning,

    /// <summary>Something ended that should have gone on.</summary>
    Error,
}

/// <summary>Something that happened in a host, whoever was looking then. Data only, so that it can cross a process boundary.</summary>
/// <param name="Time">When (UTC).</param>
/// <param name="Level">How much it matters.</param>
/// <param name="Id">Stable id of its kind: one of <see cref="HostEventIds"/>.</param>
/// <param name="Message">What happened, in a line.</param>
public sealed record HostEvent(DateTimeOffset Time, HostEventLevel Level, string Id, string Message)
{
    /// <summary>The guest that it is about.</summary>
    public GuestReference? Guest { get; init; }
}

/// <summary>What happened in a host from a position on.</summary>
/// <param name="Events">The events, oldest first.</param>
/// <param name="NextPosition">Where to go on reading.</param>
/// <param name="Lost">Events between the asked position and the first one here that the bounded log no longer holds.</param>
public sealed record HostEvents(IReadOnlyList<HostEvent> Events, long NextPosition, long Lost);

/// <summary>The stable ids of the kinds of events.</summary>
public static class HostEventIds
{
    /// <summary>A guest was put together and runs.</summary>
    public const string GuestStarted = nameof(GuestStarted);

    /// <summary>A guest was powered off, by itself or by an operator.</summary>
    public const string GuestStopped = nameof(GuestStopped);

    /// <summary>A guest failed.</summary>
    public const string GuestFailed = nameof(GuestFailed);

    /// <summary>The host gives no memory for translated code, so guests are interpreted.</summary>
    public const string TranslationUnavailable = nameof(TranslationUnavailable);

    /// <summary>A guest was forgotten.</summary>
    public const string GuestRemoved = nameof(GuestRemoved);
}
