namespace PsVm;

/// <summary>
/// How far a copy of a template is that guests run on while it is made. Data only, so that it can cross a process boundary.
/// </summary>
public sealed record GuestFill
{
    /// <summary>What the template is copied from.</summary>
    public required string Source { get; init; }

    /// <summary>Full path of the template that the copy becomes; null: the copy goes with the last guest that has it.</summary>
    public string? Destination { get; init; }

    /// <summary>What is done.</summary>
    public GuestFillState State { get; init; }

    /// <summary>Bytes of RAM that the source has; what it has not is zeros, and there from the start.</summary>
    public long Bytes { get; init; }

    /// <summary>
    /// Bytes of these that are there. They are in the copy's files, which all guests on it share, and in no guest's own memory.
    /// </summary>
    public long BytesFetched { get; init; }

    /// <summary>Why the rest does not come, or the copy is no template; null: nothing is wrong.</summary>
    public PsVmError? Failure { get; init; }

    /// <summary>Where it is and how far: <c>Filling, 40 MiB of 256 MiB</c>.</summary>
    public override string ToString() =>
        State == GuestFillState.Filling ? $"{State}, {ByteSize.ToText(BytesFetched)} of {ByteSize.ToText(Bytes)}" : $"{State}";
}

/// <summary>What is done with a copy that guests run on while it is made.</summary>
public enum GuestFillState
{
    /// <summary>RAM is fetched: what guests need first, and the rest in order.</summary>
    Filling,

    /// <summary>All is there, and compared with the template's digests.</summary>
    Verifying,

    /// <summary>All is there and as it was recorded; with a destination, a template.</summary>
    Complete,

    /// <summary>It was given up.</summary>
    Failed,
}
