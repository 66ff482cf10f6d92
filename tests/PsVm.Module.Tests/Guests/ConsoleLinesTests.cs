using PsVm.Module.Guests.Consoles;

namespace PsVm.Module.Tests.Guests;

public class ConsoleLinesTests
{
    private readonly ConsoleLines _lines = new();
    private long _position;

    [Fact]
    public void Lines_are_cut_whatever_the_pieces()
    {
        Assert.Equal(["one"], Add("one\r\ntw"));
        Assert.Empty(Add("o\r"));
        Assert.Equal(["two", "", "three"], Add("\n\nthree\n~ # "));
        Assert.Equal("~ # ", _lines.TakeRest()?.Text);
        Assert.Null(_lines.TakeRest());
    }

    [Fact]
    public void A_line_that_never_ends_is_given_in_parts_of_whole_characters()
    {
        const int most = ConsoleLines.LongestLine;

        Assert.Equal([most, most], Add(new string('x', (2 * most) + 10)).Select(line => line.Length));
        Assert.Equal([most - 1], Add(new string('y', most - 11) + "\U0001f600" + new string('z', most - 3)).Select(line => line.Length));
        Assert.Equal(["\U0001f600" + new string('z', most - 2)], Add("z\nend"));
        Assert.Equal("end", _lines.TakeRest()?.Text);
    }

    [Fact]
    public void The_time_of_a_line_is_that_of_its_last_character()
    {
        DateTimeOffset start = DateTimeOffset.UnixEpoch;
        ConsoleText text = new("one\ntwo\nthree", 13, 0)
        {
            Moments = [new(0, start, start), new(5, start.AddSeconds(1), start.AddSeconds(2)), new(
                10, start.AddSeconds(3), start.AddSeconds(3))],
        };

        Assert.Equal([("one", start), ("two", start.AddSeconds(2))], _lines.Add(text));
        Assert.Equal(("three", start.AddSeconds(3)), _lines.TakeRest());
    }

    private IEnumerable<string> Add(string text) =>
        _lines.Add(new ConsoleText(text, _position += text.Length, 0)).Select(line => line.Text);
}
