using System.Management.Automation;
using PsVm.Module.Guests.Consoles;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Tests.Guests;

public class ReceiveGuestConsoleCommandTests
{
    private readonly FakeGuestHost _host = new();
    private readonly ConsoleReadings _readings = new();
    private readonly List<GuestConsoleLine> _lines = [];
    private RecordingOutput _output = new();
    private bool _labelled;

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
    public void Follow_goes_on_until_the_guest_stops_and_loses_nothing()
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

        Assert.Equal(["one", "two", "last words"], Receive(follow: true));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_reset_ends_a_line_and_is_told_to_who_follows(bool follow)
    {
        _host.Add("web", console: "one\ntw");
        int reads = 0;
        _host.OnRead = name =>
        {
            if (++reads == 2)
            {
                _host.CutAt = 7;
                _host.Print(name, "new\n");
                _host.SetState(name, GuestState.Stopped);
            }
        };

        Assert.Equal(follow ? ["one", "tw", "new"] : ["one", "tw"], Receive(follow: follow));

        Assert.Equal(
            follow ? [$"[{ModuleErrorIds.ConsoleCut}] Guest 'web' was reset: what it had written is gone."] : [], _output.Warnings);
        Assert.Equal(follow ? [] : ["new"], Receive());
    }

    [Fact]
    public void Follow_ends_when_the_operator_stops_it()
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

        Assert.Throws<OperationCanceledException>(() => Receive(follow: true, cancellation: stopping.Token));
        Assert.Equal(["one"], _output.Objects);
    }

    [Fact]
    public void A_guest_that_has_stopped_is_still_received()
    {
        _host.Add("web", GuestState.Failed, "panic\n");

        Assert.Equal(["panic"], Receive(follow: true));
    }

    [Fact]
    public void An_unknown_guest_is_an_error()
    {
        Receive();

        Assert.Equal(GuestErrorIds.GuestNotFound, Assert.Single(_output.Errors).Id);
    }

    [Fact]
    public void The_last_lines_are_given_though_they_were_received_before()
    {
        _host.Add("web", console: "one\r\ntwo\r\n~ # ");
        Receive();

        Assert.Equal(["two", "~ # "], Receive(options: new() { Tail = 2 }));
        Assert.Empty(Receive(options: new() { Tail = 0 }));
        Assert.Empty(Receive());
    }

    [Fact]
    public void Lines_since_a_time_are_given_each_with_its_time()
    {
        DateTimeOffset start = DateTimeOffset.UnixEpoch;
        _host.Add("web", console: "one\ntwo\n");
        _host.Moments.AddRange([new(0, start, start), new(4, start.AddSeconds(9), start.AddSeconds(9))]);

        Receive(options: new() { Since = start.AddSeconds(5) });

        Assert.Equal([new GuestConsoleLine("web", start.AddSeconds(9), "two")], _lines);
    }

    [Fact]
    public void Several_guests_are_told_apart_and_one_is_not()
    {
        _host.Add("web", console: "one\n");
        _host.Add("db", console: "two\n");

        Receive(guests: ["web", "nope", "db"]);
        Assert.Equal([("web", "one"), ("db", "two")], _lines.Select(line => (line.Guest, line.Text)));
        Assert.True(_labelled);
        Assert.Equal(GuestErrorIds.GuestNotFound, Assert.Single(_output.Errors).Id);

        Receive(all: true);
        Assert.False(_labelled);
    }

    [Fact]
    public void Several_guests_are_followed_at_once()
    {
        _host.Add("web", console: "web 1\n");
        _host.Add("db", console: "db 1\n");
        int reads = 0;
        _host.OnRead = name =>
        {
            switch (++reads)
            {
                case 3:
                    _host.Print("db", "db 2\n");
                    break;
                case 5:
                    _host.Print("web", "web 2\n");
                    _host.SetState("web", GuestState.Stopped);
                    break;
                case 9:
                    _host.Print("db", "db 3\n");
                    _host.SetState("db", GuestState.Failed);
                    break;
            }
        };

        Assert.Equal(["web 1", "db 1", "db 2", "web 2", "db 3"], Receive(follow: true, guests: ["web", "db"]));
    }

    [Fact]
    public void A_guest_that_prints_without_end_leaves_the_others_their_turn()
    {
        _host.Add("yes");
        _host.Add("db");
        int given = 0;
        _host.OnRead = name => _host.Print(name, name == "yes" ? string.Concat(Enumerable.Repeat("y\n", 10_000)) : "db\n");
        using CancellationTokenSource stopping = new();
        _output = new RecordingOutput { OnWrite = () => Stop(++given == 1000, stopping) };

        Assert.Throws<OperationCanceledException>(
            () => Receive(follow: true, guests: ["yes", "db"], cancellation: stopping.Token, output: _output));
        Assert.InRange(_lines.Count(line => line.Guest == "db"), 1000 / 64, 1000 / 2);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_guest_that_prints_without_end_fills_no_memory_when_its_lines_are_taken_slowly(bool raw)
    {
        const int taken = 200;
        _host.Add("yes");
        long read = 0;
        _host.OnRead = name =>
        {
            _host.Print(name, string.Concat(Enumerable.Repeat("y\n", 1000)));
            read++;
        };
        int seen = 0;
        using CancellationTokenSource stopping = new();
        RecordingOutput slow = new() { OnWrite = () => Stop(++seen == taken, stopping) };

        Assert.Throws<PipelineStoppedException>(() => PipelinePump.Run(
            (output, cancellation) => Receive(follow: true, raw: raw, guests: ["yes"], cancellation: cancellation, output: output),
            slow,
            stopping.Token));

        // Each reading is 1,000 lines at most, or one raw text; what waits is what the queue holds and one reading.
        Assert.InRange(read, 1, raw ? taken + QueuedOutput.Capacity + 10 : ((taken + QueuedOutput.Capacity) / 1000) + 2);
    }

    [Fact]
    public void Text_that_is_lost_while_a_slow_pipeline_takes_lines_is_told_before_what_follows()
    {
        _host.Add("web", console: "one\n");
        int reads = 0;
        _host.OnRead = name =>
        {
            if (++reads == 2)
            {
                _host.Print(name, "lost\nheld\n");
                _host.FirstHeld = 9;
                _host.SetState(name, GuestState.Stopped);
            }
        };

        Assert.Equal(["one", "held"], Receive(follow: true));
        Assert.Equal(
            $"[{ModuleErrorIds.ConsoleTextLost}] 5 characters of guest 'web' before this text are no longer held.",
            Assert.Single(_output.Warnings));
    }

    [Fact]
    public void A_line_without_end_is_followed_in_parts()
    {
        _host.Add("web", console: new string('x', 5 * ConsoleLines.LongestLine));
        using CancellationTokenSource stopping = new();
        _output = new RecordingOutput { OnWrite = () => Stop(_lines.Count == 5, stopping) };

        Assert.Throws<OperationCanceledException>(() => Receive(follow: true, cancellation: stopping.Token, output: _output));
        Assert.All(_lines, line => Assert.Equal(ConsoleLines.LongestLine, line.Text.Length));
    }

    private static void Stop(bool now, CancellationTokenSource stopping)
    {
        if (now)
        {
            stopping.Cancel();
        }
    }

    private List<object> Receive(
        bool all = false,
        bool raw = false,
        bool follow = false,
        ReceiveOptions? options = null,
        GuestReference[]? guests = null,
        ICmdletOutput? output = null,
        CancellationToken cancellation = default)
    {
        _lines.Clear();
        if (output is null)
        {
            output = _output = new RecordingOutput();
        }

        ReceiveGuestConsoleCommand.Run(
            guests ?? ["web"], options ?? new() { All = all, Raw = raw, Follow = follow }, Show, _host, _readings, output, cancellation);
        return _output.Objects;
    }

    private string Show(GuestConsoleLine line, bool isLabelled)
    {
        _lines.Add(line);
        _labelled = isLabelled;
        return line.Text;
    }
}
