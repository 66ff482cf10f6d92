using PsVm.Module.Guests;
using PsVm.Module.Output;

namespace PsVm.Module.Tests.Guests;

public class ReceiveGuestConsoleCommandTests
{
    private readonly FakeGuestHost _host = new();
    private readonly ConsoleReadings _readings = new();
    private RecordingOutput _output = new();

    [Fact]
    public void Text_comes_as_lines_and_only_once()
    {
        _host.Add("web", console: "one\r\ntwo\r\n~ # ");

        Assert.Equal(["one", "two", "~ # "], Receive());
        Assert.Empty(Receive());
        _host.Print("web", "ls\r\n");
        Assert.Equal(["ls"], Receive());
    }

    [Fact]
    public void All_begins_at_the_start()
    {
        _host.Add("web", console: "one\n");
        Receive();

        Assert.Equal(["one"], Receive(all: true));
    }

    [Fact]
    public void Raw_is_the_text_as_it_came()
    {
        _host.Add("web", console: "one\r\n~ # ");

        Assert.Equal(["one\r\n~ # "], Receive(raw: true));
        Assert.Empty(Receive(raw: true));
    }

    [Fact]
    public void Lines_show_what_would_control_the_terminal_and_Raw_leaves_it()
    {
        _host.Add("web", console: "\u001b[2Jone\r\n10 %\r20 %\r\n\u001b[6n");

        Assert.Equal([@"\x1b[2Jone", @"10 %\x0d20 %", @"\x1b[6n"], Receive());
        Assert.Equal(["\u001b[2Jone\r\n10 %\r20 %\r\n\u001b[6n"], Receive(all: true, raw: true));
    }

    [Fact]
    public void A_later_guest_of_the_same_name_is_received_from_its_start()
    {
        _host.Add("web", console: "one\n");
        Receive();
        _host.Add("web", console: "two\n");

        Assert.Equal(["two"], Receive());
    }

    [Fact]
    public void Text_that_is_no_longer_held_is_a_warning()
    {
        _host.Add("web", console: "lost\nheld\n");
        _host.FirstHeld = 5;

        Assert.Equal(["held"], Receive());
        Assert.StartsWith($"[{ModuleErrorIds.ConsoleTextLost}] 5 characters", Assert.Single(_output.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void Wait_goes_on_until_the_guest_stops_and_loses_nothing()
    {
        _host.Add("web", console: "one\n");
        int reads = 0;
        _host.OnRead = name =>
        {
            switch (++reads)
            {
                case 2:
                    _host.Print(name, "tw");
                    break;
                case 3:
                    _host.Print(name, "o\n");
                    break;
                case 4:
                    _host.Print(name, "last words");
                    _host.SetState(name, GuestState.Stopped);
                    break;
            }
        };

        Assert.Equal(["one", "two", "last words"], Receive(wait: true));
    }

    [Fact]
    public void Wait_ends_when_the_operator_stops_it()
    {
        _host.Add("web", console: "one\n");
        using CancellationTokenSource stopping = new();
        int reads = 0;
        _host.OnRead = _ =>
        {
            if (++reads == 3)
            {
                stopping.Cancel();
            }
        };

        Assert.Throws<OperationCanceledException>(() => Receive(wait: true, cancellation: stopping.Token));
        Assert.Equal(["one"], _output.Objects);
    }

    [Fact]
    public void A_guest_that_has_stopped_is_still_received()
    {
        _host.Add("web", GuestState.Failed, "panic\n");

        Assert.Equal(["panic"], Receive(wait: true));
    }

    [Fact]
    public void An_unknown_guest_is_an_error()
    {
        Receive();

        Assert.Equal(GuestErrorIds.GuestNotFound, Assert.Single(_output.Errors).Id);
    }

    private List<object> Receive(bool all = false, bool raw = false, bool wait = false, CancellationToken cancellation = default)
    {
        _output = new RecordingOutput();
        ReceiveGuestConsoleCommand.Run(["web"], all, raw, wait, _host, _readings, _output, cancellation);
        return _output.Objects;
    }
}
