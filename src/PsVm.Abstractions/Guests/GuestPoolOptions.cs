namespace PsVm;

/// <summary>What an operator asks of a pool of clones.</summary>
public sealed record GuestPoolOptions
{
    /// <summary>
    /// The pool's name: 1 to 50 of ASCII letters, digits, <c>-</c>, <c>.</c> and <c>_</c>, the first one a letter or digit; unique among
    /// pools.
    /// </summary>
    public required string Name { get; init; }

    /// <summary>
    /// What each clone is; its <see cref="GuestOptions.Template"/> is the pool's. Names, notes and labels are those of whoever takes it.
    /// </summary>
    public required GuestOptions Guest { get; init; }

    /// <summary>Clones that are held: 1 to 10000.</summary>
    public int Size { get; init; } = 1;

    /// <summary>Who takes one when none is held has one made, which takes as long as a start; else that is an error.</summary>
    public bool Grow { get; init; }
}
