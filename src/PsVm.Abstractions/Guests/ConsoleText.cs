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
    public string LastLine => LastLines(1) is [string last] ? last : string.Empty;

    /// <summary>The last lines that are not blank, as they show, at most 200 characters of each, oldest first.</summary>
    /// <param name="most">How many at most.</param>
    public IReadOnlyList<string> LastLines(int most)
    {
        const int longest = 200;
        List<string> lines = [];
        ReadOnlySpan<char> text = Text.AsSpan().Trim();
        while (!text.IsEmpty && lines.Count < most)
        {
            int start = text.LastIndexOf('\n') + 1;
            lines.Add(VisibleText.LineOf(text[start..].Trim().ToString(), longest));
            text = text[..start].TrimEnd();
        }

        lines.Reverse();
        return lines;
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
