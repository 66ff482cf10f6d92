namespace PsVm;

/// <summary>A pool of clones as it was when asked. Data only, so that it can cross a process boundary.</summary>
public sealed record GuestPool
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>Full path of the template that its clones start from.</summary>
    public required string Template { get; init; }

    /// <summary>Clones that are to be held.</summary>
    public int Size { get; init; }

    /// <summary>Clones that are held and can be taken at once.</summary>
    public int Held { get; init; }

    /// <inheritdoc cref="GuestPoolOptions.Grow"/>
    public bool Grow { get; init; }

    /// <summary>Clones that were taken.</summary>
    public long Taken { get; init; }

    /// <summary>Those of them that were made when they were asked for, since none was held.</summary>
    public long Grown { get; init; }

    /// <summary>RAM of each clone in bytes.</summary>
    public long Memory { get; init; }

    /// <summary>Bytes of RAM that the clones that are held have for themselves; the rest is the template's.</summary>
    public long OwnBytes { get; init; }

    /// <summary>When it was made (UTC).</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>Why it could not be filled the last time; null: it could.</summary>
    public PsVmError? Failure { get; init; }

    /// <summary>Its name.</summary>
    public override string ToString() => Name;
}
