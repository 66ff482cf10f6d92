using PsVm.Module.Output;
using PsVm.Module.Templates;
using PsVm.Module.Tests.Guests;

namespace PsVm.Module.Tests.Templates;

public class FleetTests
{
    private static readonly GuestOptions Clone = new() { Template = "/templates/web", Verify = true };
    private readonly FakeGuestHost _host = new();
    private readonly RecordingOutput _output = new();

    [Theory]
    [InlineData(null, null, 2, ",")]
    [InlineData("web", null, 1, "web")]
    [InlineData(null, "web-{0:d3}", 3, "web-001,web-002,web-003")]
    [InlineData(null, "web", 1, "web")]
    public void Names_are_numbered_from_one(string? name, string? format, int count, string expected) =>
        Assert.Equal(expected, string.Join(',', Fleet.Names(name, format, count)));

    [Theory]
    [InlineData("web", null, 2, ModuleErrorIds.GuestNamesConflict)]
    [InlineData("web", "web-{0}", 1, ModuleErrorIds.GuestNamesConflict)]
    [InlineData(null, "web", 2, ModuleErrorIds.GuestNamesConflict)]
    [InlineData(null, "web-{1}", 2, ModuleErrorIds.NameFormatInvalid)]
    [InlineData(null, "web-{0", 1, ModuleErrorIds.NameFormatInvalid)]
    public void Names_that_cannot_be_are_refused(string? name, string? format, int count, string id)
    {
        CmdletException error = Assert.Throws<CmdletException>(() => Fleet.Names(name, format, count));

        Assert.Equal((id, name ?? format), (error.ErrorId, error.Target));
        Assert.Contains("'web-{0:d3}'", error.RecommendedAction, StringComparison.Ordinal);
    }

    [Fact]
    public void Clones_start_and_go_down_the_pipeline()
    {
        Start(["a", "b"]);

        Assert.Equal(["a", "b"], _output.Objects.Cast<Guest>().Select(guest => guest.Name));
        Assert.Equal(["a", "b"], _host.Started.Select(options => options.Name));
        Assert.Equal(["Start 2 guests 'a' to 'b' from template '/templates/web'"], _output.Actions);
    }

    [Fact]
    public void Each_guest_goes_down_the_pipeline_before_the_next_starts()
    {
        List<int> written = [];
        _host.OnStart = _ => written.Add(_output.Objects.Count);

        Start(["a", "b", "c"]);

        Assert.Equal([0, 1, 2], written);
    }

    [Fact]
    public void A_clone_that_fails_is_reported_and_the_others_run()
    {
        _host.OnStart = options =>
        {
            if (options.Name == "b")
            {
                throw new MemoryBackendException(MemoryErrorIds.NotEnoughMemory, "no memory", "/ram.img", "Add some.");
            }
        };

        Start(["a", "b", "c"]);

        PsVmError error = Assert.Single(_output.Errors);
        Assert.Equal(
            (MemoryErrorIds.NotEnoughMemory, "b", "Guest 'b' did not start: no memory", "Add some."),
            (error.Id, error.Target, error.Message, error.RecommendedAction));
        Assert.Equal(["a", "c"], _host.Started.Select(options => options.Name));
    }

    [Fact]
    public void A_clone_without_a_name_is_reported_by_its_number()
    {
        _host.OnStart = _ => throw new GuestException(GuestErrorIds.GuestHostClosed, "closed");

        Start([null, null]);

        Assert.Equal(["1 of 2", "2 of 2"], _output.Errors.Select(error => error.Target));
    }

    [Fact]
    public void What_is_wrong_with_the_template_is_said_once_and_nothing_starts()
    {
        Start(
            ["a", "b"], (path, _) => new TemplateReport { Path = path, Errors = [new(GuestErrorIds.TemplateRamChanged, "changed", null)] });

        PsVmError error = Assert.Single(_output.Errors);
        Assert.Equal((GuestErrorIds.TemplateRamChanged, "/templates/web"), (error.Id, error.Target));
        Assert.Empty(_host.Started);
    }

    [Fact]
    public void A_fleet_for_all_of_which_there_is_no_room_is_refused_and_nothing_starts()
    {
        List<int> counts = [];
        _host.OnCheckRoom = count =>
        {
            counts.Add(count);
            if (count > 2)
            {
                throw new MemoryBackendException(MemoryErrorIds.NotEnoughHugePages, "enough for 2", "/ram");
            }
        };

        Start(["a", "b"]);
        Assert.Equal(MemoryErrorIds.NotEnoughHugePages, Assert.Throws<MemoryBackendException>(() => Start(["c", "d", "e"])).ErrorId);

        Assert.Equal([2, 3], counts);
        Assert.Equal(["a", "b"], _host.Started.Select(options => options.Name));
    }

    [Fact]
    public void A_fleet_is_verified_once()
    {
        List<bool> tests = [];

        Start(["a", "b"], (path, verify) =>
        {
            tests.Add(verify);
            return new TemplateReport { Path = path };
        });

        Assert.Equal([true], tests);
        Assert.Equal([false, false], _host.Started.Select(options => options.Verify));
    }

    [Fact]
    public void A_single_clone_verifies_at_its_start()
    {
        Start(["a"], (_, _) => throw new InvalidOperationException("the start itself tells what is wrong"));

        Assert.True(Assert.Single(_host.Started).Verify);
    }

    [Fact]
    public void Another_copy_of_the_RAM_file_is_verified_by_each_clone()
    {
        Fleet.Start(
            Clone with { MemoryPath = "/copy.img" },
            ["a", "b"],
            (_, _) => throw new InvalidOperationException("the template's own file does not matter"),
            _host,
            _output,
            CancellationToken.None);

        Assert.All(_host.Started, options => Assert.True(options.Verify));
        Assert.Equal(2, _host.Started.Count);
    }

    [Fact]
    public void A_warning_that_all_have_is_given_once()
    {
        MappingOutcome outcome = new()
        {
            Id = "r",
            Reason = "",
            MachineType = "",
            OpenFlags = "",
            Protection = "",
            MapFlags = "",
            Warnings = [new("SomeId", "something")],
        };

        Fleet.Start(Clone, ["a", "b"], Valid, new FakeGuestHost { Backends = [outcome] }, _output, CancellationToken.None);

        Assert.Equal(["[SomeId] something"], _output.Warnings);
    }

    [Fact]
    public void A_stopped_pipeline_starts_no_more()
    {
        using CancellationTokenSource stopping = new();
        _host.OnStart = options =>
        {
            if (options.Name == "b")
            {
                stopping.Cancel();
            }
        };

        Assert.Throws<OperationCanceledException>(() => Fleet.Start(Clone, ["a", "b", "c"], Valid, _host, _output, stopping.Token));
        Assert.Equal(["a", "b"], _host.Started.Select(options => options.Name));
    }

    [Theory]
    [InlineData("Start a guest from template '/templates/web'", null)]
    [InlineData("Start guest 'a' from template '/templates/web'", "a")]
    [InlineData("Start 2 guests from template '/templates/web'", null, null)]
    public void Under_WhatIf_nothing_starts(string expected, params string?[]? names)
    {
        RecordingOutput whatIf = new() { Answer = false };

        Fleet.Start(Clone, names ?? [null], Valid, _host, whatIf, CancellationToken.None);

        Assert.Equal([expected], whatIf.Actions);
        Assert.Empty(_host.Started);
    }

    [Fact]
    public void Reading_RAM_files_is_shown_below_the_fleet_and_both_displays_end()
    {
        Start(["a", "b"], (path, verify) =>
        {
            bool[] both = [false, true];
            SpinWait.SpinUntil(
                () => !verify || both.All(part => _output.Progress.Any(progress => progress.IsPart == part)), TimeSpan.FromMinutes(1));
            return Valid(path, verify);
        });

        CmdletProgress part = _output.Progress.First(progress => progress.IsPart);
        Assert.Equal(("Reading RAM files", false), (part.Activity, part.Completed));
        Assert.True(_output.Progress.Last(progress => progress.IsPart).Completed);
        CmdletProgress whole = _output.Progress.Last(progress => !progress.IsPart);
        Assert.Equal(
            ("Starting guests from template '/templates/web'", "2 of 2", 100, true),
            (whole.Activity, whole.Status, whole.PercentComplete, whole.Completed));
    }

    private static TemplateReport Valid(string path, bool verify) => new() { Path = path, Verified = verify };

    private void Start(IReadOnlyList<string?> names, Func<string, bool, TemplateReport>? test = null) =>
        Fleet.Start(Clone, names, test ?? Valid, _host, _output, CancellationToken.None);
}
