using System.Globalization;
using System.Text;

namespace PsVm;

/// <summary>Text that a guest, or a file, may have a hand in, made fit for a terminal: what would control it is shown instead.</summary>
public static class VisibleText
{
    /// <summary>
    /// The text with each control character as its code, such as <c>\x1b</c> for ESC; line feeds and tabs stay. So are characters that
    /// change the order in which others are shown, and halves of surrogate pairs.
    /// </summary>
    public static string Of(string text)
    {
        int first = 0;
        while (first < text.Length && IsHarmless(text, first))
        {
            first++;
        }

        if (first == text.Length)
        {
            return text;
        }

        StringBuilder visible = new(text, 0, first, text.Length + 16);
        for (int i = first; i < text.Length; i++)
        {
            if (IsHarmless(text, i))
            {
                visible.Append(text[i]);
            }
            else
            {
                visible.Append(CultureInfo.InvariantCulture, $"{(text[i] < 0x100 ? $"\\x{(int)text[i]:x2}" : $"\\u{(int)text[i]:x4}")}");
            }
        }

        return visible.ToString();
    }

    /// <summary>Whether a name or the like is one line that shows as it is.</summary>
    /// <param name="text">The text.</param>
    public static bool IsLine(string text) => Of(text).Equals(text, StringComparison.Ordinal) && !text.AsSpan().ContainsAny('\n', '\t');

    /// <summary>A name or the like as one line that shows as it is, no longer than a bound.</summary>
    /// <param name="text">The text.</param>
    /// <param name="longest">The most UTF-16 code units of the line.</param>
    public static string LineOf(string text, int longest)
    {
        string line = Of(text).Replace("\n", "\\x0a", StringComparison.Ordinal).Replace("\t", "\\x09", StringComparison.Ordinal);
        return line.Length <= longest ? line
            : line[..(char.IsHighSurrogate(line[longest - 1]) ? longest - 1 : longest)];
    }

    private static bool IsHarmless(string text, int i) => char.GetUnicodeCategory(text[i]) switch
    {
        UnicodeCategory.Control => text[i] is '\n' or '\t',
        UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator => false,
        UnicodeCategory.Surrogate => char.IsSurrogatePair(text, i) || (i > 0 && char.IsSurrogatePair(text, i - 1)),
        _ => true,
    };
}
