namespace PsVm.Module.Guests.Consoles;

/// <summary>Where in the text that a console holds a receive begins.</summary>
internal static class ConsoleStart
{
    /// <summary>
    /// The position of the first of the last lines, and of the first line that has something from a time on, whichever is later.
    /// </summary>
    /// <param name="held">All that the console holds.</param>
    /// <param name="tail">How many lines; what follows the last line feed is one. Null: all.</param>
    /// <param name="since">The time; null: any.</param>
    public static long Of(ConsoleText held, int? tail, DateTimeOffset? since) =>
        held.Position + Math.Max(tail is { } lines ? OfTail(held.Text, lines) : 0, since is { } time ? OfTime(held, time) : 0);

    private static int OfTail(string text, int lines)
    {
        // The line feed that ends the last line begins no other.
        int start = text.EndsWith('\n') ? text.Length - 1 : text.Length;
        if (lines == 0)
        {
            return text.Length;
        }

        while (lines > 0 && start > 0)
        {
            start = text.LastIndexOf('\n', start - 1);
            lines--;
            if (start < 0)
            {
                return 0;
            }
        }

        return lines > 0 ? 0 : start + 1;
    }

    private static int OfTime(ConsoleText held, DateTimeOffset since)
    {
        foreach (ConsoleMoment moment in held.Moments)
        {
            if (moment.Last >= since)
            {
                int first = (int)Math.Max(0, moment.Position - held.Position);
                return first == 0 ? 0 : held.Text.LastIndexOf('\n', first - 1) + 1;
            }
        }

        return held.Text.Length;
    }
}
