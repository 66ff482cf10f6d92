namespace PsVm.Machine.Devices;

/// <summary>Looks for a text character by character, never going back (Knuth, Morris, Pratt).</summary>
internal sealed class TextSearch
{
    private readonly string _text;
    private readonly int[] _borders;

    /// <summary>Begins to look for a text of one character or more.</summary>
    public TextSearch(string text)
    {
        _text = text;
        _borders = new int[text.Length];
        for (int i = 1, border = 0; i < text.Length; i++)
        {
            border = Extend(border, text[i]);
            _borders[i] = border;
        }
    }

    /// <summary>Whether the whole text has come.</summary>
    public bool Found => Matched == _text.Length;

    /// <summary>How many characters were looked at until it was found.</summary>
    public long Looked { get; private set; }

    /// <summary>How much of the text's beginning stands at the end of what was looked at.</summary>
    public int Matched { get; private set; }

    /// <summary>Looks at the next character; once the text is found, at none.</summary>
    public void Advance(char character)
    {
        if (!Found)
        {
            Matched = Extend(Matched, character);
            Looked++;
        }
    }

    private int Extend(int matched, char character)
    {
        while (matched > 0 && _text[matched] != character)
        {
            matched = _borders[matched - 1];
        }

        return _text[matched] == character ? matched + 1 : 0;
    }
}
