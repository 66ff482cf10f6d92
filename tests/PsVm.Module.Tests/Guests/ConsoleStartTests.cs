using PsVm.Module.Guests.Consoles;

namespace PsVm.Module.Tests.Guests;

public class ConsoleStartTests
{
    [Theory]
    [InlineData("one\ntwo\n~ # ", 0, "")]
    [InlineData("one\ntwo\n~ # ", 1, "~ # ")]
    [InlineData("one\ntwo\n~ # ", 2, "two\n~ # ")]
    [InlineData("one\ntwo\n~ # ", 3, "one\ntwo\n~ # ")]
    [InlineData("one\ntwo\n~ # ", int.MaxValue, "one\ntwo\n~ # ")]
    [InlineData("one\ntwo\n", 1, "two\n")]
    [InlineData("one\n\n", 1, "\n")]
    [InlineData("\n", 1, "\n")]
    [InlineData("\n", 2, "\n")]
    [InlineData("\nx", 2, "\nx")]
    [InlineData("one", 1, "one")]
    [InlineData("", 5, "")]
    public void The_last_lines_are_told_from_the_rest(string text, int lines, string tail) =>
        Assert.Equal(tail, text[(int)(ConsoleStart.Of(new ConsoleText(text, 100 + text.Length, 100), lines, null) - 100)..]);

    [Theory]
    [InlineData(0, "one\ntwo\n~ # ")]
    [InlineData(1, "one\ntwo\n~ # ")]
    [InlineData(10, "two\n~ # ")]
    [InlineData(12, "two\n~ # ")]
    [InlineData(13, "~ # ")]
    [InlineData(31, "")]
    public void Lines_since_a_time_are_whole(int second, string since) =>
        Assert.Equal(since, Text(null, At(second)));

    [Fact]
    public void The_later_of_both_counts()
    {
        Assert.Equal("~ # ", Text(1, At(0)));
        Assert.Equal("~ # ", Text(3, At(20)));
    }

    private static DateTimeOffset At(int second) => DateTimeOffset.UnixEpoch.AddSeconds(second);

    private static string Text(int? tail, DateTimeOffset since)
    {
        // The first moment began before the text, as it does when text is lost; the second in the middle of "two".
        ConsoleText held = new("one\ntwo\n~ # ", 112, 100)
        {
            Moments = [new(90, At(0), At(1)), new(106, At(10), At(12)), new(108, At(20), At(30))],
        };
        return held.Text[(int)(ConsoleStart.Of(held, tail, since) - held.Position)..];
    }
}
