using PsVm.Module.Guests;
using PsVm.Module.Hosting;

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
            Id = "r", Reason = "", MachineType = "", OpenFlags = "", Protection = "", MapFlags = "", Warnings = [new("SomeId", "something")],
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

        GetGuestCommand.Run(["db", "nope", "web*"], _host, new Session(), _output, CancellationToken.None);

        Assert.Equal(["db", "web-1", "web-2"], Names());
        Assert.Equal(GuestErrorIds.GuestNotFound, Assert.Single(_output.Errors).Id);
    }

    [Fact]
    public void Stop_suspend_and_resume_change_the_guest_and_pass_it_on()
    {
        _host.Add("web");

        SuspendGuestCommand.Run(["web"], _host, _output, CancellationToken.None);
        ResumeGuestCommand.Run(["web"], _host, _output, CancellationToken.None);
        StopGuestCommand.Run(["web"], _host, _output, CancellationToken.None);

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
        StopGuestCommand.Run(["web"], _host, _whatIf, CancellationToken.None);
        RemoveGuestCommand.Run(["web"], force: true, _host, _whatIf, CancellationToken.None);
        SendGuestConsoleCommand.Run(["web"], "off", noNewline: false, _host, _whatIf, CancellationToken.None);

        Assert.Empty(_host.Calls);
        Assert.Empty(_whatIf.Objects);
    }

    [Fact]
    public void An_unknown_guest_is_an_error_and_the_next_ones_turn_comes()
    {
        _host.Add("web");

        StopGuestCommand.Run(["nope", "web"], _host, _output, CancellationToken.None);

        Assert.Equal(["stop web"], _host.Calls);
        Assert.Equal(("nope", GuestErrorIds.GuestNotFound), (_output.Errors.Single().Target, _output.Errors.Single().Id));
    }

    [Fact]
    public void A_stopped_pipeline_leaves_the_next_guest_alone()
    {
        _host.Add("web");

        CancellationToken stopped = new(canceled: true);
        Assert.Throws<OperationCanceledException>(() => StopGuestCommand.Run(["web"], _host, _output, stopped));
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

    [Theory]
    [InlineData(false, "type web off\n")]
    [InlineData(true, "type web off")]
    public void Send_types_the_text(bool noNewline, string call)
    {
        _host.Add("web");

        SendGuestConsoleCommand.Run(["web"], "off", noNewline, _host, _output, CancellationToken.None);

        Assert.Equal(call, Assert.Single(_host.Calls));
    }

    private IEnumerable<string> Names() => _output.Objects.Cast<Guest>().Select(guest => guest.Name);
}
