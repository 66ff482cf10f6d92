using PsVm.Module.Guests;
using PsVm.Module.Guests.Consoles;
using PsVm.Module.Hosting;
using PsVm.Module.Output;
using PsVm.Module.Templates;

namespace PsVm.Module.Tests.Guests;

public class GuestCmdletTests
{
    private readonly FakeGuestHost _host = new();
    private readonly RecordingOutput _output = new();
    private readonly RecordingOutput _whatIf = new() { Answer = false };

    [Fact]
    public void Start_gives_a_handle_on_the_guest()
    {
        GuestOptions options = new() { Name = "web", BackendIds = ["ram0"] };

        StartGuestCommand.Run(options, _host, _output, CancellationToken.None);

        Assert.Equal("web", Assert.IsType<Guest>(Assert.Single(_output.Objects)).Name);
        Assert.Same(options, Assert.Single(_host.Started));
    }

    [Theory]
    [InlineData(null, null, "Start guest 'web': the embedded guest on 128 MiB of anonymous memory")]
    [InlineData("/ram.img", "/Image", "Start guest 'web': /Image on 128 MiB of '/ram.img', mapped privately")]
    public void Start_under_WhatIf_says_what_would_boot_on_what(string? memory, string? kernel, string expected)
    {
        StartGuestCommand.Run(
            new GuestOptions { Name = "web", MemoryPath = memory, Memory = 128L << 20, Kernel = kernel },
            _host,
            _whatIf,
            CancellationToken.None);

        Assert.Equal(expected, Assert.Single(_whatIf.Actions));
        Assert.Empty(_host.Started);
    }

    [Fact]
    public void Start_names_explicit_backends()
    {
        StartGuestCommand.Run(new GuestOptions { BackendIds = ["a", "b"] }, _host, _whatIf, CancellationToken.None);

        Assert.Equal("Start a guest: the embedded guest on memory backend a, b", Assert.Single(_whatIf.Actions));
    }

    [Theory]
    [InlineData(false, 1)]
    [InlineData(true, 0)]
    public void Start_warns_of_the_default_RAM_only(bool explicitBackend, int warnings)
    {
        MappingOutcome outcome = new()
        {
            Id = "r", Reason = "", MachineType = "", OpenFlags = "", Protection = "", MapFlags = "",
            Warnings = [new("SomeId", "something")],
        };

        StartGuestCommand.Run(
            new GuestOptions { BackendIds = explicitBackend ? ["r"] : [] },
            new FakeGuestHost { Backends = [outcome] },
            _output,
            CancellationToken.None);

        Assert.Equal(Enumerable.Repeat("[SomeId] something", warnings), _output.Warnings);
    }

    [Fact]
    public void Get_finds_by_name_and_pattern_and_goes_on_after_an_unknown_name()
    {
        foreach (string name in (string[])["web-1", "web-2", "db"])
        {
            _host.Add(name);
        }

        GetGuestCommand.Run(["db", "nope", "web*"], _ => true, _host, new Session(), _output, CancellationToken.None);

        Assert.Equal(["db", "web-1", "web-2"], Names());
        Assert.Equal(GuestErrorIds.GuestNotFound, Assert.Single(_output.Errors).Id);
    }

    [Fact]
    public void Stop_suspend_and_resume_change_the_guest_and_pass_it_on()
    {
        _host.Add("web");

        SuspendGuestCommand.Run(["web"], _host, _output, CancellationToken.None);
        ResumeGuestCommand.Run(["web"], _host, _output, CancellationToken.None);
        OrderlyStopCmdlet.Cut("Stop", ["web"], null, _host, _output, CancellationToken.None);

        Assert.Equal(["suspend web", "resume web", "stop web"], _host.Calls);
        Assert.Equal(["web", "web", "web"], Names());
        Assert.Equal(["Suspend guest 'web'", "Resume guest 'web'", "Stop guest 'web'"], _output.Actions);
    }

    [Fact]
    public void Under_WhatIf_nothing_changes()
    {
        _host.Add("web");

        SuspendGuestCommand.Run(["web"], _host, _whatIf, CancellationToken.None);
        ResumeGuestCommand.Run(["web"], _host, _whatIf, CancellationToken.None);
        OrderlyStopCmdlet.Cut("Stop", ["web"], null, _host, _whatIf, CancellationToken.None);
        RemoveGuestCommand.Run(["web"], force: true, _host, _whatIf, CancellationToken.None);
        SendGuestConsoleCommand.Run(
            ["web"], "off\n", "# $", Timeout.InfiniteTimeSpan, (line, _) => line,
            _host, new ConsoleReadings(), _whatIf, CancellationToken.None);

        Assert.Empty(_host.Calls);
        Assert.Empty(_whatIf.Objects);
    }

    [Fact]
    public void What_could_not_be_done_is_an_error_under_WhatIf()
    {
        _host.Add("web");
        _host.OnCheck = who => throw new GuestException(GuestErrorIds.GuestNotStopped, $"{who}: cannot be");

        StartGuestCommand.StartAgain(["web"], _host, _whatIf, CancellationToken.None);
        SendGuestConsoleCommand.Run(
            ["web"], "off\n", null, Timeout.InfiniteTimeSpan, (line, _) => line,
            _host, new ConsoleReadings(), _whatIf, CancellationToken.None);
        SuspendGuestCommand.Run(["web"], _host, _whatIf, CancellationToken.None);
        ResumeGuestCommand.Run(["web"], _host, _whatIf, CancellationToken.None);

        Assert.Equal(Enumerable.Repeat("web: cannot be", 4), _whatIf.Errors.Select(error => error.Message));
        Assert.Empty(_whatIf.Actions);
        Assert.Empty(_host.Calls);
    }

    [Theory]
    [InlineData("start")]
    [InlineData("restart")]
    [InlineData("restart orderly")]
    [InlineData("restore")]
    [InlineData("checkpoint")]
    public void What_takes_long_shows_how_many_bytes_are_done(string what)
    {
        _host.Add("web", GuestState.Stopped);
        _host.OnStep = progress =>
        {
            progress!.Report(new StepProgress(HostStep.Loading, 1 << 20, 4 << 20));
            SpinWait.SpinUntil(() => _output.Progress.Any(IsInBytes), TimeSpan.FromMinutes(1));
        };
        Action<GuestReference, CancellationToken> again =
            (guest, cancellation) => StartGuestCommand.StartAgain(guest, _host, _output, isPart: true, cancellation);
        switch (what)
        {
            case "start":
                StartGuestCommand.StartAgain(["web"], _host, _output, CancellationToken.None);
                break;
            case "restart":
                OrderlyStopCmdlet.Cut("Restart", ["web"], again, _host, _output, CancellationToken.None);
                break;
            case "restart orderly":
                OrderlyStop.Run(["web"], TimeSpan.FromSeconds(10), again, _host, _output, CancellationToken.None);
                break;
            case "restore":
                RestoreGuestCommand.Run(
                    new GuestOptions { Template = "/t" }, path => FakeGuestHost.Template(path, "web"),
                    _host, _output, CancellationToken.None);
                break;
            default:
                CheckpointGuestCommand.Run(["web"], new CheckpointOptions { Path = "/t" }, _host, _output, CancellationToken.None);
                break;
        }

        CmdletProgress told = _output.Progress.First(IsInBytes);
        Assert.Equal(("1 MiB of 4 MiB loaded", 25), (told.Status, told.PercentComplete));
        Assert.True(_output.Progress.Last().Completed);

        static bool IsInBytes(CmdletProgress progress) => progress.Status.Contains("loaded", StringComparison.Ordinal);
    }

    [Fact]
    public void Guests_are_asked_all_at_once_and_each_that_does_not_stop_is_an_error()
    {
        _host.Add("web");
        _host.Add("deaf");
        _host.OnWait = name => name != "deaf";
        List<string> then = [];

        OrderlyStop.Run(
            ["nope", "deaf", "web"], TimeSpan.FromSeconds(2), (guest, _) => then.Add(guest.Name), _host, _output, CancellationToken.None);

        Assert.Equal(["wait shut down deaf 2", "wait shut down web 2"], _host.Calls);
        Assert.Equal([GuestErrorIds.GuestNotFound, ModuleErrorIds.GuestDidNotStop], _output.Errors.Select(error => error.Id));
        Assert.Contains("-Force", _output.Errors[1].RecommendedAction, StringComparison.Ordinal);
        Assert.Equal((GuestState.Running, "web"), (_host.Get("deaf").State, Assert.Single(then)));
        Assert.Equal(["web"], Names());
    }

    [Fact]
    public void An_unknown_guest_is_an_error_and_the_next_ones_turn_comes()
    {
        _host.Add("web");

        OrderlyStopCmdlet.Cut("Stop", ["nope", "web"], null, _host, _output, CancellationToken.None);

        Assert.Equal(["stop web"], _host.Calls);
        Assert.Equal(("nope", GuestErrorIds.GuestNotFound), (_output.Errors.Single().Target, _output.Errors.Single().Id));
    }

    [Fact]
    public void A_stopped_pipeline_leaves_the_next_guest_alone()
    {
        _host.Add("web");

        CancellationToken stopped = new(canceled: true);
        Assert.Throws<OperationCanceledException>(() => OrderlyStopCmdlet.Cut("Stop", ["web"], null, _host, _output, stopped));
        Assert.Empty(_host.Calls);
    }

    [Theory]
    [InlineData(false, "remove web")]
    [InlineData(true, "stop web,remove web")]
    public void Remove_stops_the_guest_first_when_forced(bool force, string calls)
    {
        _host.Add("web");

        RemoveGuestCommand.Run(["web"], force, _host, _output, CancellationToken.None);

        Assert.Equal(calls, string.Join(',', _host.Calls));
        Assert.Empty(_output.Objects);
    }

    private IEnumerable<string> Names() => _output.Objects.Cast<Guest>().Select(guest => guest.Name);
}
