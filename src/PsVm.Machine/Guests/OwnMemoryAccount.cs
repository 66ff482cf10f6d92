namespace PsVm.Machine.Guests;

/// <summary>What a guest may have of the host's memory for itself; its next life goes on with it. Safe from any thread.</summary>
internal sealed class OwnMemoryAccount
{
    /// <summary>The least that a limit can be: what a guest that does anything needs.</summary>
    public const long LeastLimit = 1 << 20;

    private long _limit;
    private int _action;

    /// <param name="limit">Bytes; null or 0: any number.</param>
    /// <param name="action">What is done to a guest that takes too much; null: it is suspended.</param>
    public OwnMemoryAccount(long? limit, OwnMemoryAction? action) => Change(limit ?? 0, action ?? OwnMemoryAction.Suspend);

    /// <summary>Bytes; 0: any number.</summary>
    public long Limit => Volatile.Read(ref _limit);

    /// <summary>What is done to a guest that takes too much.</summary>
    public OwnMemoryAction Action => (OwnMemoryAction)Volatile.Read(ref _action);

    /// <summary>Throws when a limit cannot be.</summary>
    /// <exception cref="GuestException"><see cref="GuestErrorIds.OwnMemoryLimitInvalid"/>.</exception>
    public static void Check(long? limit, string? guest)
    {
        if (limit is not (null or 0 or >= LeastLimit))
        {
            throw new GuestException(
                GuestErrorIds.OwnMemoryLimitInvalid,
                $"Expected a limit of own memory of {ByteSize.ToText(LeastLimit)} or more, or 0 for none, found "
                    + $"{ByteSize.ToExactText(limit.Value)}.",
                guest,
                "Give a size such as 64MB or 1GB.");
        }
    }

    /// <summary>What there is to say of it, added to what is known.</summary>
    public GuestInfo Show(GuestInfo guest) =>
        guest with { OwnMemoryLimit = Limit is var limit and not 0 ? limit : null, OwnMemoryAction = Action };

    /// <summary>Changes what is given; null stays as it is.</summary>
    public void Change(long? limit, OwnMemoryAction? action)
    {
        Volatile.Write(ref _limit, limit ?? _limit);
        Volatile.Write(ref _action, (int?)action ?? _action);
    }
}
