using PsVm.Machine.Devices;

namespace PsVm.Machine.Guests;

/// <summary>What a guest shows of a text that was typed.</summary>
internal static class ConsoleEcho
{
    /// <summary>
    /// What is looked for: the last line of what was typed that shows anything, as it would be shown; null when none does.
    /// </summary>
    public static string? Of(string typed) => typed
        .Split('\r', '\n')
        .Select(line => string.Concat(Shown(line).Select(index => line[index])))
        .LastOrDefault(line => line.Length > 0);

    /// <summary>Looks for the echo; control characters and sequences, with which line editors break and colour it, may be in it.</summary>
    /// <param name="echo">The echo.</param>
    /// <param name="output">What was written since it was typed.</param>
    /// <returns>
    /// Where the echo ends, and true; or where it may have begun at the end of the output (else its length), and false.
    /// </returns>
    public static (int Index, bool Found) Find(string echo, string output)
    {
        TextSearch search = new(echo);
        List<int> shown = [];
        foreach (int index in Shown(output))
        {
            shown.Add(index);
            search.Advance(output[index]);
            if (search.Found)
            {
                return (index + 1, true);
            }
        }

        return (search.Matched == 0 ? output.Length : shown[^search.Matched], false);
    }

    /// <summary>Indices of the characters that neither control the terminal nor belong to a sequence that does.</summary>
    private static IEnumerable<int> Shown(string text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == '\u001b')
            {
                i = EndOfSequence(text, i);
            }
            else if (!char.IsControl(text[i]))
            {
                yield return i;
            }
        }
    }

    /// <summary>Index of the last character of an escape sequence (ECMA-48, 5.3 to 5.5).</summary>
    private static int EndOfSequence(string output, int start)
    {
        int i = start + 1;
        if (i < output.Length && output[i] == '[')
        {
            i++;
            while (i < output.Length && output[i] is >= '\u0020' and <= '\u003f')
            {
                i++;
            }
        }

        return i;
    }
}
