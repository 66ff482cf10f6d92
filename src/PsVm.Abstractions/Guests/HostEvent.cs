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
    /// <summary>What happened, in a line that is fit for a terminal (<see cref="VisibleText"/>).</summary>
    public string Message { get; init; } = VisibleText.Of(Message);

    /// <summary>The guest that it is about.</summary>
    public GuestReference? Guest { get; init; }

    /// <summary>What there is to know of it by name: whole numbers and texts; those whose name ends in Bytes are sizes.</summary>
    public IReadOnlyDictionary<string, object> Values { get; init; } =
        System.Collections.ObjectModel.ReadOnlyDictionary<string, object>.Empty;
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

    /// <summary>A guest asked to reboot, and does.</summary>
    public const string GuestRebooted = nameof(GuestRebooted);

    /// <summary>A pool of clones could not be filled again; told once until it can.</summary>
    public const string GuestPoolNotFilled = nameof(GuestPoolNotFilled);

    /// <summary>A guest was put back to its template.</summary>
    public const string GuestReset = nameof(GuestReset);

    /// <summary>A template was made of a guest: <c>template</c>, <c>pauseMilliseconds</c> for which it stood still.</summary>
    public const string GuestCheckpointed = nameof(GuestCheckpointed);

    /// <summary>
    /// A template that guests were started on lazily is all there: <c>source</c>, <c>destination</c>, <c>copiedBytes</c>.
    /// </summary>
    public const string TemplateFilled = nameof(TemplateFilled);

    /// <summary>A template that guests were started on lazily does not come to be all there, or not where it should.</summary>
    public const string TemplateFillFailed = nameof(TemplateFillFailed);

    /// <summary>A guest has another name.</summary>
    public const string GuestRenamed = nameof(GuestRenamed);

    /// <summary>A guest failed.</summary>
    public const string GuestFailed = nameof(GuestFailed);

    /// <summary>The host gives no memory for translated code, so guests are interpreted; told once, when the first is started.</summary>
    public const string TranslationUnavailable = nameof(TranslationUnavailable);

    /// <summary>A guest had more memory for itself than its limit: it was suspended or stopped, as the operator wants it.</summary>
    public const string OwnMemoryLimitPassed = nameof(OwnMemoryLimitPassed);

    /// <summary>
    /// The host, or its control group, has no more than the reserve of memory left; with a guest: it grew then, and was suspended or
    /// stopped.
    /// </summary>
    public const string MemoryReserveReached = nameof(MemoryReserveReached);

    /// <summary>What a guest was given, such as a disk, goes wrong; told once for each reason.</summary>
    public const string GuestDeviceFailed = nameof(GuestDeviceFailed);

    /// <summary>A guest has not become who it is to be (<see cref="GuestOptions.Identity"/>).</summary>
    public const string GuestIdentityFailed = nameof(GuestIdentityFailed);

    /// <summary>A guest was forgotten.</summary>
    public const string GuestRemoved = nameof(GuestRemoved);
}
