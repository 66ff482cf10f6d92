using System.Globalization;
using PsVm.Module.Guests;
using PsVm.Module.Guests.Consoles;
using PsVm.Module.Output;

namespace PsVm.Module.Tests.Guests;

public class WaitGuestCommandTests
{
    private readonly FakeGuestHost _host = new();
    private readonly ConsoleReadings _readings = new();
    private readonly RecordingOutput _output = new();

    [Theory]
    [InlineData("GUEST-UP", "wait output GUEST-UP web 60")]
    [InlineData(null, "wait state Stopped web 60")]
    public void What_is_waited_for_comes_and_the_guest_is_passed_on(string? text, string call)
    {
        _host.Add("web");

        Wait(text);

        Assert.Equal(call, Assert.Single(_host.Calls));
        Assert.Equal("web", Assert.IsType<Guest>(Assert.Single(_output.Objects)).Name);
        Assert.Empty(_output.Errors);
    }

    [Fact]
    public void Running_out_of_time_is_an_error_that_says_what_was_found()
    {
        _host.Add("web", console: "Booting\r\n[    0.1] Linux version 6.12\r\n");
        _host.OnWait = _ => false;

        Wait("GUEST-UP");

        PsVmError error = Assert.Single(_output.Errors);
        Assert.Equal((ModuleErrorIds.GuestWaitTimeout, ErrorKind.OperationTimeout, "web"), (error.Id, error.Category, error.Target));
        Assert.Equal(
            "Guest 'web' was expected to write 'GUEST-UP' within 60 s, but it is Running; its last line is '[    0.1] Linux version 6.12'.",
            error.Message);
        Assert.Contains("Receive-GuestConsole", error.RecommendedAction, StringComparison.Ordinal);
        Assert.Empty(_output.Objects);
    }

    [Fact]
    public void A_last_line_that_would_control_the_terminal_is_quoted_as_text()
    {
        _host.Add("web", console: "\u001b]0;x\u0007\u001b[2Jgone\n");
        _host.OnWait = _ => false;

        Wait("GUEST-UP");

        Assert.EndsWith(@"its last line is '\x1b]0;x\x07\x1b[2Jgone'.", Assert.Single(_output.Errors).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GUEST-UP", "to write 'GUEST-UP'")]
    [InlineData(null, "to be Stopped")]
    public void A_guest_that_ends_otherwise_is_an_error_that_says_how(string? text, string expected)
    {
        _host.Add("web");
        _host.OnWait = name =>
        {
            _host.SetState(name, GuestState.Failed, "the guest reported a failure, code 3");
            return false;
        };

        Wait(text);

        PsVmError error = Assert.Single(_output.Errors);
        Assert.Equal(ModuleErrorIds.GuestStoppedFirst, error.Id);
        Assert.Equal(
            $"Guest 'web' was expected {expected}, but it is Failed (the guest reported a failure, code 3); it has written nothing.",
            error.Message);
    }

    [Fact]
    public void Each_guest_is_waited_for()
    {
        _host.Add("a");
        _host.Add("b");

        WaitGuestCommand.Run(
            ["a", "nope", "b"], GuestState.Suspended, Timeout.InfiniteTimeSpan, _host, _output, CancellationToken.None);

        Assert.Equal(["wait state Suspended a -0.001", "wait state Suspended b -0.001"], _host.Calls);
        Assert.Equal(GuestErrorIds.GuestNotFound, Assert.Single(_output.Errors).Id);
    }

    [Theory]
    [InlineData("GUEST-UP")]
    [InlineData(null)]
    public void Guests_that_are_named_together_have_the_time_together(string? text)
    {
        _host.Add("a");
        _host.Add("b");
        _host.OnWait = _ =>
        {
            Thread.Sleep(20);
            return false;
        };

        Wait(text, guests: ["a", "b"]);

        double[] given = [.. _host.Calls.Select(call => double.Parse(call.Split(' ')[^1], CultureInfo.InvariantCulture))];
        Assert.Equal(60, given[0]);
        Assert.True(given[1] < 59.99, $"{given[1]}");
        Assert.All(_output.Errors, error => Assert.Contains("within 60 s", error.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void What_is_new_begins_now_where_nothing_was_looked_at_and_else_after_what_was_found()
    {
        _host.Add("web", console: "0123456789");

        Wait("a", isNew: true);
        Wait("b");
        _host.Print("web", "more");
        Wait("c", isNew: true);

        Assert.Equal([10, 0, 10], _host.Expected.Select(expected => expected.From));
        Assert.All(_host.Expected, expected => Assert.Null(expected.Typed));
    }

    [Fact]
    public void What_is_new_begins_behind_the_echo_of_what_was_typed_last()
    {
        GuestInfo web = _host.Add("web", console: "0123456789");
        _readings.Advance(web.Id, 4);
        _readings.Type(web.Id, 10, "echo done\n");
        _readings.Advance(web.Id, 10);

        Wait("done", isNew: true);

        Assert.Equal((10, "echo done\n"), (_host.Expected[0].From, _host.Expected[0].Typed));
    }

    [Fact]
    public void What_was_received_is_not_new()
    {
        GuestInfo web = _host.Add("web", console: "0123456789");
        _readings.Type(web.Id, 2, "echo done\n");
        _readings.Advance(web.Id, 6);

        Wait("done", isNew: true);

        Assert.Equal((6, null), (_host.Expected[0].From, _host.Expected[0].Typed));
    }

    [Fact]
    public void A_later_guest_of_the_same_name_is_new()
    {
        _readings.Type(_host.Add("web").Id, 100, "echo done\n");
        _host.Add("web", console: "0123");

        Wait("done", isNew: true);

        Assert.Equal((4, null), (_host.Expected[0].From, _host.Expected[0].Typed));
    }

    [Fact]
    public void A_pattern_that_does_not_come_is_named_as_one_and_a_long_last_line_is_quoted_in_part()
    {
        _host.Add("web", console: new string('x', 100_000) + "\n");
        _host.OnWait = _ => false;

        Wait("a+", isRegex: true);

        string message = Assert.Single(_output.Errors).Message;
        Assert.StartsWith("Guest 'web' was expected to write what matches 'a+' within 60 s", message, StringComparison.Ordinal);
        Assert.InRange(message.Length, 200, 400);
    }

    private void Wait(string? text, bool isNew = false, bool isRegex = false, GuestReference[]? guests = null)
    {
        TimeSpan timeout = TimeSpan.FromSeconds(60);
        guests ??= ["web"];
        if (text is null)
        {
            WaitGuestCommand.Run(guests, GuestState.Stopped, timeout, _host, _output, CancellationToken.None);
            return;
        }

        ConsoleExpectation expected = new() { Pattern = text, IsRegex = isRegex };
        WaitGuestCommand.Run(guests, expected, isNew, timeout, _host, _readings, _output, CancellationToken.None);
    }
}
