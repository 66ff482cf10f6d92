using System.Text;

namespace PsVm;

/// <summary>Command lines as a POSIX shell quotes them (POSIX.1-2017, Shell Command Language, 2.2 Quoting).</summary>
public static class QemuCommandLine
{
    private const string Plain = "%+,-./:=@_";

    /// <summary>One line of arguments, each quoted where a shell would not leave it alone.</summary>
    public static string Join(IEnumerable<string> arguments) => string.Join(' ', arguments.Select(Quote));

    /// <summary>The arguments of a line: blanks part them, quotes and backslashes are taken away. Nothing is expanded.</summary>
    /// <param name="line">The line; a backslash before the end of a line joins it with the next.</param>
    /// <exception cref="MemoryBackendException">A quote has no end (QemuValueInvalid).</exception>
    public static IReadOnlyList<string> Split(string line)
    {
        ArgumentNullException.ThrowIfNull(line);
        List<string> arguments = [];
        StringBuilder? argument = null;
        char quote = '\0';
        for (int at = 0; at < line.Length; at++)
        {
            char character = line[at];
            if (character == '\\' && quote != '\'' && at + 1 < line.Length)
            {
                char next = line[++at];
                if (next == '\n')
                {
                    continue;
                }

                argument ??= new StringBuilder();
                bool kept = quote == '"' && !"\"\\$`".Contains(next, StringComparison.Ordinal);
                argument.Append(kept ? $"\\{next}" : next.ToString());
            }
            else if (quote != '\0' ? character == quote : character is '\'' or '"')
            {
                quote = quote == '\0' ? character : '\0';
                argument ??= new StringBuilder();
            }
            else if (quote == '\0' && char.IsWhiteSpace(character))
            {
                Take(ref argument);
            }
            else
            {
                (argument ??= new StringBuilder()).Append(character);
            }
        }

        if (quote != '\0')
        {
            throw new MemoryBackendException(
                MemoryErrorIds.QemuValueInvalid, $"The command line has a {quote} without an end.", line, "Close the quote.");
        }

        Take(ref argument);
        return arguments;

        void Take(ref StringBuilder? taken)
        {
            if (taken is not null)
            {
                arguments.Add(taken.ToString());
                taken = null;
            }
        }
    }

    private static string Quote(string argument) =>
        argument.Length > 0 && argument.All(c => char.IsAsciiLetterOrDigit(c) || Plain.Contains(c, StringComparison.Ordinal))
            ? argument
            : $"'{argument.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
