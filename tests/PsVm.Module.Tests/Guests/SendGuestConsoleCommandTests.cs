using PsVm.Module.Guests.Consoles;
using PsVm.Module.Output;

namespace PsVm.Module.Tests.Guests;

public class SendGuestConsoleCommandTests
{
    private readonly FakeGuestHost _host = new();
    private readonly ConsoleReadings _readings = new();
    private readonly RecordingOutput _output = new();

    [Theory]
    [InlineData(false, "off\n", "off")]
    [InlineData(true, "off", "off")]
    [InlineData(false, "ls\npwd\n", "ls", "pwd")]
    [InlineData(true, "ls\npwd", "ls", "pwd")]
    [InlineData(false, "\n", "")]
    [InlineData(false, "\n")]
    public void Lines_are_typed_one_after_the_other(bool noNewline, string typed, params string[] lines) =>
        Assert.Equal(typed, SendGuestConsoleCommand.ToType(lines, noNewline));

    [Fact]
    public void What_is_typed_is_where_the_new_begins()
    {
        GuestInfo web = _host.Add("web", console: "~ # ");

        Send(null);

        Assert.Equal(["type web ls\n"], _host.Calls);
        Assert.Empty(_output.Objects);
        Assert.Equal(new ConsoleMark(4, "ls\n"), _readings.Seen(web.Id));
    }

    [Fact]
    public void The_answer_is_given_as_lines_that_are_fit_for_a_terminal()
    {
        GuestInfo web = _host.Add("web", console: "~ # ");
        _host.OnType = (name, _) => _host.Print(name, "\r\nbin\u001b[6n\r\ndev\r\n~ # ");

        Send("# $");

        ConsoleExpectation expected = Assert.Single(_host.Expected);
        Assert.Equal(("# $", true, 4, "ls\n"), (expected.Pattern, expected.IsRegex, expected.From, expected.Typed));
        Assert.Equal([@"bin\x1b[6n", "dev", "~ # "], _output.Objects);
        Assert.Equal(new ConsoleMark(24, null), _readings.Seen(web.Id));
        Assert.Equal(0, _readings.Position(web.Id));
    }

    [Fact]
    public void An_answer_that_does_not_come_is_an_error()
    {
        _host.Add("web", console: "~ # ");
        _host.OnWait = _ => false;

        Send("# $");

        Assert.Equal(ModuleErrorIds.GuestWaitTimeout, Assert.Single(_output.Errors).Id);
        Assert.Empty(_output.Objects);
    }

    [Fact]
    public void An_answer_that_is_not_held_any_more_is_told()
    {
        _host.Add("web", console: "~ # ");
        _host.OnType = (name, _) =>
        {
            _host.Print(name, "lost\nheld\n");
            _host.FirstHeld = 9;
        };

        Send("held");

        Assert.Equal(["held"], _output.Objects);
        Assert.Contains("5 characters of guest 'web'", Assert.Single(_output.Warnings), StringComparison.Ordinal);
    }

    private void Send(string? pattern) => SendGuestConsoleCommand.Run(
        ["web"], "ls\n", pattern, TimeSpan.FromSeconds(1), (line, _) => line.Text, _host, _readings, _output, CancellationToken.None);
}
