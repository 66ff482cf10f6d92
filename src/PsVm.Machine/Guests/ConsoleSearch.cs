using System.Diagnostics;
using System.Text.RegularExpressions;
using PsVm.Machine.Devices;

namespace PsVm.Machine.Guests;

/// <summary>Waits for something on a console. Who waits does the work: no pattern, however slow, holds up the guest.</summary>
internal sealed class ConsoleSearch
{
    // A pattern that needs longer backtracks without end. Those that need not are matched in linear time, and take long on a busy host.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2), s_linearPatience = TimeSpan.FromMinutes(1);

    // Between two looks at a guest that writes without end.
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(20);

    // An echo that has not come after so many characters does not come.
    private const int EchoWithin = 1 << 14;

    private readonly GuestConsole _console;
    private readonly string _guest;
    private readonly ConsoleExpectation _expected;
    private readonly Regex _regex;
    private string? _echo;
    private long _from;
    private long _looked;

    private ConsoleSearch(GuestConsole console, string guest, ConsoleExpectation expected)
    {
        _console = console;
        _guest = guest;
        _expected = expected;
        _regex = Compile(expected);
        _echo = expected.Typed is null ? null : ConsoleEcho.Of(expected.Typed);
        _from = _looked = expected.From;
    }

    /// <summary>Waits until what is expected of a guest has come, the time has run out or the console was closed.</summary>
    public static ConsoleMatch? Wait(
        GuestConsole console, string guest, ConsoleExpectation expected, TimeSpan timeout, CancellationToken cancellation)
    {
        if (!expected.IsRegex && expected.Typed is null && !expected.Pattern.Contains('\n', StringComparison.Ordinal))
        {
            return console.WaitForText(expected.Pattern, expected.From, timeout, cancellation) is { } end
                ? new ConsoleMatch(expected.From, end)
                : null;
        }

        return new ConsoleSearch(console, guest, expected).Wait(timeout, cancellation);
    }

    private ConsoleMatch? Wait(TimeSpan timeout, CancellationToken cancellation)
    {
        long began = Stopwatch.GetTimestamp();
        while (true)
        {
            // Before the look: what is written before the end is then looked at.
            bool isLast = _console.IsClosed;
            if (Look() is { } match)
            {
                return match;
            }

            TimeSpan left = timeout == Timeout.InfiniteTimeSpan ? timeout : timeout - Stopwatch.GetElapsedTime(began);
            if (isLast || (left <= TimeSpan.Zero && timeout != Timeout.InfiniteTimeSpan))
            {
                return null;
            }

            _console.WaitForMore(_looked, left, cancellation);
            cancellation.WaitHandle.WaitOne(timeout == Timeout.InfiniteTimeSpan || left > s_pause ? s_pause : TimeSpan.Zero);
            cancellation.ThrowIfCancellationRequested();
        }
    }

    private ConsoleMatch? Look()
    {
        // A match may begin in what was looked at already; one character more says whether a line begins there.
        long first = Math.Max(_from, _looked - ConsoleExpectation.LongestMatch);
        ConsoleText piece = _console.Read(Math.Max(_expected.From, first - 1));
        string text = piece.Text;
        int start = (int)Math.Max(0, first - piece.Position);
        int end = text.Length;
        _looked = piece.NextPosition;
        if (_echo is not null)
        {
            (int index, bool isFound) = ConsoleEcho.Find(_echo, text[start..]);
            if (isFound)
            {
                start += index;
                _from = piece.Position + start;
            }

            end = isFound ? end : start + index;
            _echo = isFound || text.Length - start > EchoWithin ? null : _echo;
        }

        return Match(text[..end], start) is { } found ? new ConsoleMatch(_from, piece.Position + found) : null;
    }

    /// <summary>The index after the first match at or after an index.</summary>
    private int? Match(string text, int start)
    {
        // Lines as they are meant, CR LF being one end; positions are of the text as it is.
        int Shrunk(int index) => index - text.AsSpan(0, index).Count("\r\n");
        try
        {
            Match match = _regex.Match(text.Replace("\r\n", "\n", StringComparison.Ordinal), Shrunk(start));
            return match.Success ? Grown(text, match.Index + match.Length) : null;
        }
        catch (RegexMatchTimeoutException)
        {
            throw new GuestException(
                GuestErrorIds.ConsolePatternTooSlow,
                $"Expected to find or not to find '{_expected.Pattern}' within {_regex.MatchTimeout.TotalSeconds} s, found that it takes "
                + $"longer in {text.Length} characters of guest '{_guest}'.",
                _guest,
                "Give a pattern without nested repetition, such as (a+)+.");
        }
    }

    /// <summary>The index in the text of an index in the text with shorter line ends.</summary>
    private static int Grown(string text, int shrunk)
    {
        int index = 0;
        for (int i = 0; i < shrunk; i++)
        {
            index += text[index] == '\r' && index + 1 < text.Length && text[index + 1] == '\n' ? 2 : 1;
        }

        return index;
    }

    private static Regex Compile(ConsoleExpectation expected)
    {
        const RegexOptions options = RegexOptions.Multiline | RegexOptions.CultureInvariant;
        string pattern = expected.IsRegex
            ? expected.Pattern
            : Regex.Escape(expected.Pattern.Replace("\r\n", "\n", StringComparison.Ordinal));
        try
        {
            return new Regex(pattern, options | RegexOptions.NonBacktracking, s_linearPatience);
        }
        catch (NotSupportedException)
        {
            // Lookarounds, back references and the like need backtracking.
            return new Regex(pattern, options, s_patience);
        }
        catch (ArgumentException error)
        {
            throw new GuestException(
                GuestErrorIds.ConsolePatternInvalid,
                $"Expected a regular expression, found '{expected.Pattern}': {error.Message}",
                expected.Pattern,
                "Wait for a text instead, or escape what has a meaning in patterns, as [regex]::Escape does.",
                error);
        }
    }
}
