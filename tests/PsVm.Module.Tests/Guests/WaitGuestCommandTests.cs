using PsVm.Module.Guests;
using PsVm.Module.Output;

namespace PsVm.Module.Tests.Guests;

public class WaitGuestCommandTests
{
    private readonly FakeGuestHost _host = new();
    private readonly RecordingOutput _output = new();

    [Theory]
    [InlineData("GUEST-UP", "wait text GUEST-UP web 60")]
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
            ["a", "nope", "b"], null, GuestState.Suspended, Timeout.InfiniteTimeSpan, _host, _output, CancellationToken.None);

        Assert.Equal(["wait state Suspended a -0.001", "wait state Suspended b -0.001"], _host.Calls);
        Assert.Equal(GuestErrorIds.GuestNotFound, Assert.Single(_output.Errors).Id);
    }

    private void Wait(string? text) =>
        WaitGuestCommand.Run(["web"], text, GuestState.Stopped, TimeSpan.FromSeconds(60), _host, _output, CancellationToken.None);
}
