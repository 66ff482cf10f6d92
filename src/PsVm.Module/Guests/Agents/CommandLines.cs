using System.Text;

namespace PsVm.Module.Guests.Agents;

/// <summary>Cuts what a command writes into lines, fit for a terminal; those of both outputs in the order in which they come.</summary>
/// <param name="guest">The guest's name.</param>
/// <param name="tell">Called with each line.</param>
internal sealed class CommandLines(string guest, Action<GuestConsoleLine> tell)
{
    private const int LongestLine = 1 << 13;

    private readonly (Decoder Decoder, StringBuilder Line)[] _outputs =
        [(Encoding.UTF8.GetDecoder(), new StringBuilder()), (Encoding.UTF8.GetDecoder(), new StringBuilder())];

    /// <summary>Takes a piece.</summary>
    public void Add(GuestCommandOutput piece)
    {
        (Decoder decoder, StringBuilder rest) = _outputs[piece.IsError ? 1 : 0];
        char[] text = new char[Encoding.UTF8.GetMaxCharCount(piece.Bytes.Length)];
        foreach (char letter in text.AsSpan(0, decoder.GetChars(piece.Bytes.Span, text, flush: false)))
        {
            if (letter != '\n')
            {
                rest.Append(letter);
            }

            if (letter == '\n' || rest.Length == LongestLine)
            {
                Tell(rest);
            }
        }
    }

    /// <summary>No more comes: what ended no line is one.</summary>
    public void End()
    {
        foreach ((_, StringBuilder rest) in _outputs)
        {
            if (rest.Length > 0)
            {
                Tell(rest);
            }
        }
    }

    private void Tell(StringBuilder rest)
    {
        tell(new GuestConsoleLine(guest, DateTimeOffset.UtcNow, VisibleText.Of($"{rest}".TrimEnd('\r'))));
        rest.Clear();
    }
}
