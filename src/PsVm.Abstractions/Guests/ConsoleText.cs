namespace PsVm;

/// <summary>A piece of console output.</summary>
/// <param name="Text">The text.</param>
/// <param name="NextPosition">Where to go on reading.</param>
/// <param name="Lost">Characters between the asked position and the text that the bounded buffer no longer holds.</param>
public sealed record ConsoleText(string Text, long NextPosition, long Lost)
{
    /// <summary>The guest was reset between the position that was asked for and the text: what it had written before is gone.</summary>
    public bool IsCut { get; init; }

    /// <summary>When the text came, oldest first; the first moment begins at or before the text.</summary>
    public IReadOnlyList<ConsoleMoment> Moments { get; init; } = [];

    /// <summary>Position of the text's first character.</summary>
    public long Position => NextPosition - Text.Length;

    /// <summary>The last line that is not blank, as it shows, at most 200 characters of it; empty: there is none.</summary>
    public string LastLine
    {
        get
        {
            const int longest = 200;
            ReadOnlySpan<char> text = Text.AsSpan().Trim();
            return VisibleText.LineOf(text[(text.LastIndexOf('\n') + 1)..].Trim().ToString(), longest);
        }
    }

    /// <summary>When a character came, exact to the length of its moment.</summary>
    /// <param name="position">The character's position; one before all moments counts to the first.</param>
    public DateTimeOffset TimeOf(long position)
    {
        int low = 0;
        int high = Moments.Count - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            (low, high) = Moments[middle].Position <= position ? (middle, high) : (low, middle - 1);
        }

        return Moments.Count == 0 ? default : Moments[low].Last;
    }
}

/// <summary>When a stretch of console output came. It ends where the next moment begins.</summary>
/// <param name="Position">Position of its first character: characters since the start.</param>
/// <param name="First">When its first character came (UTC).</param>
/// <param name="Last">When its last character came (UTC): some milliseconds later, or more in output that is long past.</param>
public readonly record struct ConsoleMoment(long Position, DateTimeOffset First, DateTimeOffset Last);
