using System.Globalization;
using System.Text;

namespace PsVm.Module.Output;

/// <summary>Text that a guest, or a file, may have a hand in, made fit for a terminal: what would control it is shown instead.</summary>
internal static class VisibleText
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

    private static bool IsHarmless(string text, int i) => char.GetUnicodeCategory(text[i]) switch
    {
        UnicodeCategory.Control => text[i] is '\n' or '\t',
        UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator => false,
        UnicodeCategory.Surrogate => char.IsSurrogatePair(text, i) || (i > 0 && char.IsSurrogatePair(text, i - 1)),
        _ => true,
    };
}
