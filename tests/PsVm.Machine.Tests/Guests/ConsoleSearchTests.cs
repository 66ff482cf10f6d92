using System.Text;
using PsVm.Machine.Devices;
using PsVm.Machine.Guests;

namespace PsVm.Machine.Tests.Guests;

public class ConsoleSearchTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(1);

    private readonly GuestConsole _console = new();

    [Theory]
    [InlineData("eth0: up\r\n~ # ", @"eth\d: (up|down)$", 0, 8)]
    [InlineData("eth0: up\r\n~ # ", "^~ # $", 10, 14)]
    [InlineData("one\r\ntwo\r\n", @"one\ntwo", 0, 8)]
    [InlineData("a\r\nb\r\nc\r\n", "^c", 6, 7)]
    [InlineData("foo=1 bar=1", @"(?<=bar=)1", 10, 11)]
    [InlineData("login out", "(?i)LOGIN", 0, 5)]
    [InlineData("login LOGIN", "LOGIN", 6, 11)]
    public void A_pattern_is_found_by_lines(string output, string pattern, int start, int end)
    {
        Print(output);

        Assert.Equal(new ConsoleMatch(0, end), Look(pattern));
        Assert.Null(Look(pattern, from: start + 1));
    }

    [Fact]
    public async Task A_pattern_is_found_when_it_comes_in_pieces()
    {
        Print("Debian GNU/Linux 13\r\n\r\nho");
        Task<ConsoleMatch?> wait = Task.Run(() => Look(@"^\w+ login: $", timeout: s_patience));
        foreach (char character in "st login: ")
        {
            Print(character.ToString());
        }

        Assert.Equal(35, (await wait)!.End);
    }

    [Theory]
    [InlineData("echo done\n", "done", "echo done\r\ndone\r\n~ # ", 9, 15)]
    [InlineData("echo done", "done", "echo done\r\ndone\r\n", 9, 15)]
    [InlineData("ls\necho done\n", "done", "ls\r\na b done c\r\n~ # echo done\r\ndone\r\n", 29, 35)]
    [InlineData("echo done\n", "done", "\u001b[6necho \u001b[1;31mdo\b\r\nne\u001b[m\r\ndone\r\n", 23, 32)]
    [InlineData("date\n", "20..", "Thu 2026\r\n", 0, 8)]
    [InlineData("\n", "# $", "\r\n~ # ", 0, 6)]
    [InlineData("\u0003", "# $", "^C\r\n~ # ", 0, 8)]
    public void The_echo_of_what_was_typed_does_not_count(string typed, string pattern, string output, int start, int end)
    {
        Print("before\r\n");
        long from = _console.Read(0).NextPosition;
        Print(output);

        Assert.Equal(new ConsoleMatch(from + start, from + end), Look(pattern, from, typed));
    }

    [Theory]
    [InlineData("echo done\n", "done", "echo done")]
    [InlineData("echo done\n", "echo", "echo do")]
    [InlineData("echo done\n", "ech", "~ # \u001b[1mec\u001b[mh")]
    public void An_echo_that_is_still_coming_does_not_count(string typed, string pattern, string output)
    {
        Print(output);

        Assert.Null(Look(pattern, typed: typed));
    }

    [Fact]
    public async Task What_comes_after_an_echo_that_comes_in_pieces_is_found()
    {
        Task<ConsoleMatch?> wait = Task.Run(() => Look("done", typed: "echo done\n", timeout: s_patience));
        foreach (char character in "echo done\r\ndone")
        {
            Print(character.ToString());
        }

        Assert.Equal(new ConsoleMatch(9, 15), await wait);
    }

    [Fact]
    public void A_text_may_be_waited_for_after_an_echo_and_is_no_pattern()
    {
        Print("echo a.c\r\nabc a.c\r\n");

        ConsoleExpectation expected = new() { Pattern = "a.c", Typed = "echo a.c\n" };
        Assert.Equal(new ConsoleMatch(8, 17), ConsoleSearch.Wait(_console, "web", expected, TimeSpan.Zero, CancellationToken.None));
    }

    [Fact]
    public async Task A_pattern_is_found_in_the_last_words_of_a_guest()
    {
        Task<ConsoleMatch?> wait = Task.Run(() => Look("last words", timeout: s_patience));
        Print("last words");
        _console.Close();

        Assert.Equal(10, (await wait)!.End);
        Assert.Null(Look("more", timeout: s_patience));
    }

    [Fact]
    public async Task A_guest_that_prints_without_end_is_looked_at_piece_by_piece_and_a_match_may_lie_across()
    {
        // Again and again: a console keeps its last words only, and a busy host may look too late for one.
        const int round = 20_000;
        using CancellationTokenSource stop = new();
        Task flood = Task.Run(() =>
        {
            for (int i = 0; !stop.IsCancellationRequested; i++)
            {
                Print((i % round) switch { round - 2 => "nee", round - 1 => "dle", _ => "yyyyyyy\r\n" });
            }
        });

        ConsoleMatch? match = Look("ne+dle", timeout: s_patience);
        await stop.CancelAsync();
        await flood;

        Assert.NotNull(match);
        Assert.Equal(0, match.End % (((round - 2) * 9) + 6));
    }

    [Fact]
    public void A_pattern_that_backtracks_without_end_is_an_error_and_the_guest_prints_on()
    {
        Print(new string('a', 100) + "!");

        // Back references need backtracking.
        GuestException error = Assert.Throws<GuestException>(() => Look(@"(x?)(a+)+\1$"));

        Assert.Equal((GuestErrorIds.ConsolePatternTooSlow, "web"), (error.ErrorId, error.Target));
        Assert.NotNull(error.RecommendedAction);
        Print("on");
        Assert.EndsWith("on", _console.Read(0).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_pattern_that_need_not_backtrack_does_not()
    {
        Print(new string('a', 100_000) + "!");

        Assert.Null(Look("(a+)+$"));
    }

    [Fact]
    public void What_is_no_pattern_is_an_error()
    {
        GuestException error = Assert.Throws<GuestException>(() => Look("(open"));

        Assert.Equal((GuestErrorIds.ConsolePatternInvalid, "(open"), (error.ErrorId, error.Target));
        Assert.Contains("'(open'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wait_can_be_cancelled()
    {
        using CancellationTokenSource cancellation = new();
        Task wait = Task.Run(() => ConsoleSearch.Wait(
            _console, "web", new ConsoleExpectation { Pattern = "n.", IsRegex = true }, Timeout.InfiniteTimeSpan, cancellation.Token));
        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait);
    }

    private ConsoleMatch? Look(string pattern, long from = 0, string? typed = null, TimeSpan timeout = default) => ConsoleSearch.Wait(
        _console,
        "web",
        new ConsoleExpectation { Pattern = pattern, IsRegex = true, From = from, Typed = typed },
        timeout,
        CancellationToken.None);

    private void Print(string text) => _console.Write(Encoding.UTF8.GetBytes(text));
}
