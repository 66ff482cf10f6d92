namespace PsVm;

/// <summary>What is waited for on a console.</summary>
public sealed record ConsoleExpectation
{
    /// <summary>The text, or the regular expression; case counts. The text is looked at with lines that end in LF alone.</summary>
    public required string Pattern { get; init; }

    /// <summary>
    /// Whether it is a regular expression of .NET, in which <c>^</c> and <c>$</c> are the ends of lines, and <c>$</c> is the end of what
    /// has been written so far, too. A match is found when it is no longer than <see cref="LongestMatch"/>.
    /// </summary>
    public bool IsRegex { get; init; }

    /// <summary>Where to begin to look: characters since the start.</summary>
    public long From { get; init; }

    /// <summary>
    /// A text that was typed there, whose echo does not count: only what comes after the echo of its last line is looked at. Where the
    /// guest shows no echo, all that it writes counts.
    /// </summary>
    public string? Typed { get; init; }

    /// <summary>The most characters that a match of a regular expression may have.</summary>
    public const int LongestMatch = 1 << 16;
}

/// <summary>What was waited for has come.</summary>
/// <param name="From">Where was looked: after the echo, when there was one.</param>
/// <param name="End">The position after its last character.</param>
public sealed record ConsoleMatch(long From, long End);
