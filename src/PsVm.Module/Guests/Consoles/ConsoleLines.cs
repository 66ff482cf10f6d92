using System.Text;

namespace PsVm.Module.Guests.Consoles;

/// <summary>Cuts console text that arrives in pieces into lines, whether they end in CR LF or in LF.</summary>
internal sealed class ConsoleLines
{
    /// <summary>The most characters of a line; a longer one is given in parts, so that a guest that ends no line fills no memory.</summary>
    public const int LongestLine = 1 << 13;

    private readonly StringBuilder _rest = new();
    private DateTimeOffset _restTime;
    private bool _isPart;

    /// <summary>All lines of a piece of a guest's text, what follows the last line feed too, as they are fit for a terminal.</summary>
    public static IEnumerable<GuestConsoleLine> Of(string guest, ConsoleText piece)
    {
        ConsoleLines lines = new();
        IEnumerable<(string Text, DateTimeOffset Time)> whole = lines.Add(piece);
        return (lines.TakeRest() is { } rest ? whole.Append(rest) : whole)
            .Select(line => new GuestConsoleLine(guest, line.Time, VisibleText.Of(line.Text)));
    }

    /// <summary>Takes a piece of text.</summary>
    /// <returns>The lines that it completes, each with the time of its last character.</returns>
    public IReadOnlyList<(string Text, DateTimeOffset Time)> Add(ConsoleText piece)
    {
        List<(string, DateTimeOffset)> lines = [];
        int start = 0;
        while (start < piece.Text.Length)
        {
            int most = Math.Min(LongestLine - _rest.Length, piece.Text.Length - start);
            int length = piece.Text.AsSpan(start, most).IndexOf('\n');
            bool isWhole = length >= 0;
            length = isWhole ? length : most;
            _rest.Append(piece.Text, start, length);
            start += isWhole ? length + 1 : length;
            _restTime = piece.TimeOf(piece.Position + start - 1);
            if (isWhole || _rest.Length == LongestLine)
            {
                // Where the last part was all that remained of a line, its end makes no other line.
                if (!isWhole || !_isPart || _rest.Length > 0)
                {
                    lines.Add((Take(isWhole), _restTime));
                }

                _isPart = !isWhole;
            }
        }

        return lines;
    }

    /// <summary>Takes out what follows the last line feed, such as a prompt; null when nothing does.</summary>
    public (string Text, DateTimeOffset Time)? TakeRest() => Take(isWhole: true) is { Length: > 0 } rest ? (rest, _restTime) : null;

    private string Take(bool isWhole)
    {
        // A part that ends in half a character leaves it to the next.
        int length = _rest.Length - (!isWhole && char.IsHighSurrogate(_rest[^1]) ? 1 : 0);
        string text = _rest.ToString(0, length);
        _rest.Remove(0, length);
        return isWhole ? text.TrimEnd('\r') : text;
    }
}
