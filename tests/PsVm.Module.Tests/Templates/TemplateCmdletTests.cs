using PsVm.Module.Output;
using PsVm.Module.Templates;
using PsVm.Module.Tests.Guests;

namespace PsVm.Module.Tests.Templates;

public class TemplateCmdletTests
{
    private readonly FakeGuestHost _host = new();
    private readonly RecordingOutput _output = new();
    private readonly RecordingOutput _whatIf = new() { Answer = false };

    [Fact]
    public void Checkpoint_gives_the_template_of_each_guest()
    {
        _host.Add("web");
        CheckpointOptions options = new() { Path = "/templates/web" };

        CheckpointGuestCommand.Run(["nope", "web"], options, _host, _output, CancellationToken.None);

        Assert.Equal("web", Assert.IsType<GuestTemplate>(Assert.Single(_output.Objects)).Guest);
        Assert.Same(options, Assert.Single(_host.Checkpoints));
        Assert.Equal(GuestErrorIds.GuestNotFound, Assert.Single(_output.Errors).Id);
    }

    [Theory]
    [InlineData(false, false, false, "Make template '/t' of guest 'web'")]
    [InlineData(true, false, true, "Make or replace template '/t' of guest 'web', which takes over its RAM files, and stop it")]
    [InlineData(false, true, false, "Make template '/t' of guest 'web', of what changed since it was started")]
    public void Checkpoint_under_WhatIf_says_what_would_be_made(bool useRamFile, bool differential, bool force, string expected)
    {
        _host.Add("web");
        CheckpointOptions options = new() { Path = "/t", UseRamFile = useRamFile, Differential = differential, Force = force };

        CheckpointGuestCommand.Run(["web"], options, _host, _whatIf, CancellationToken.None);

        Assert.Equal(expected, Assert.Single(_whatIf.Actions));
        Assert.Empty(_host.Checkpoints);
    }

    [Theory]
    [InlineData(null, "web")]
    [InlineData("again", "again")]
    public void Restore_keeps_the_name_unless_told_otherwise(string? name, string expected)
    {
        GuestOptions options = new() { Template = "/t", Name = name, KeepIdentity = true };

        RestoreGuestCommand.Run(options, path => FakeGuestHost.Template(path, "web"), _host, _output, CancellationToken.None);

        Assert.Equal(options with { Name = expected }, Assert.Single(_host.Started));
        Assert.Equal(expected, Assert.IsType<Guest>(Assert.Single(_output.Objects)).Name);
        Assert.Equal($"Restore guest '{expected}' from template '/t'", Assert.Single(_output.Actions));
    }

    [Fact]
    public void Restore_starts_nothing_under_WhatIf()
    {
        RestoreGuestCommand.Run(
            new GuestOptions { Template = "/t" }, path => FakeGuestHost.Template(path, "web"), _host, _whatIf, CancellationToken.None);

        Assert.Empty(_host.Started);
        Assert.Empty(_whatIf.Objects);
    }

    [Fact]
    public void Test_is_true_or_false_with_errors_on_the_error_stream()
    {
        TestGuestTemplateCommand.Run(["/good", "/bad"], detailed: false, Report, _output, CancellationToken.None);

        Assert.Equal([true, false], _output.Objects);
        Assert.Equal(
            [
                (GuestErrorIds.TemplateIncomplete, ErrorKind.InvalidData, "/bad", "no state"),
                (GuestErrorIds.TemplateRamChanged, ErrorKind.InvalidData, "/bad", "changed"),
            ],
            _output.Errors.Select(error => (error.Id, error.Category, (string)error.Target!, error.Message)));
    }

    [Fact]
    public void Test_in_detail_gives_the_report_and_no_error()
    {
        TestGuestTemplateCommand.Run(["/bad"], detailed: true, Report, _output, CancellationToken.None);

        Assert.Equal(2, Assert.IsType<TemplateReport>(Assert.Single(_output.Objects)).Errors.Count);
        Assert.Empty(_output.Errors);
    }

    [Fact]
    public void Get_gives_what_is_there_and_goes_on_after_what_is_not()
    {
        GetGuestTemplateCommand.Run(
            ["/nope", "/web"],
            path => path == "/nope" ? throw NotFound(path) : FakeGuestHost.Template(path, "web"),
            _output,
            CancellationToken.None);

        Assert.Equal("/web", Assert.IsType<GuestTemplate>(Assert.Single(_output.Objects)).Path);
        Assert.Equal(ErrorKind.ObjectNotFound, Assert.Single(_output.Errors).Category);
    }

    [Theory]
    [InlineData(0, null)]
    [InlineData(2, "'.t0.partial', '.t1.partial'.")]
    [InlineData(7, "'.t4.partial' and 2 more.")]
    public void Get_tells_once_of_what_cut_short_checkpoints_left(int count, string? expected)
    {
        Templates templates = new([.. Enumerable.Range(0, count).Select(i => $"/t/.t{i}.partial")]);

        GetGuestTemplateCommand.List("/t", templates, _output, CancellationToken.None);

        Assert.Equal(["web", "db"], _output.Objects.Cast<GuestTemplate>().Select(template => template.Guest));
        Assert.Equal(expected is null ? 0 : 1, _output.Warnings.Count);
        Assert.All(_output.Warnings, warning =>
        {
            Assert.StartsWith($"[{ModuleErrorIds.TemplateLeftovers}] ", warning, StringComparison.Ordinal);
            Assert.Contains(expected!, warning, StringComparison.Ordinal);
        });
        Assert.Empty(_output.Errors);
    }

    [Fact]
    public void Remove_removes_each_when_the_operator_agrees()
    {
        List<string> removed = [];

        RemoveGuestTemplateCommand.Run(["/a", "/b"], removed.Add, _whatIf, CancellationToken.None);
        Assert.Empty(removed);

        RemoveGuestTemplateCommand.Run(["/a", "/b"], removed.Add, _output, CancellationToken.None);
        Assert.Equal(["/a", "/b"], removed);
        Assert.Equal(["Remove template '/a'", "Remove template '/b'"], _output.Actions);
    }

    private static GuestException NotFound(string path) => new(GuestErrorIds.TemplateNotFound, "none", path);

    private static TemplateReport Report(string path) => new()
    {
        Path = path,
        Errors = path == "/good"
            ? []
            : [new(GuestErrorIds.TemplateIncomplete, "no state", null), new(GuestErrorIds.TemplateRamChanged, "changed", "Make it anew.")],
    };

    /// <summary>A folder with two templates.</summary>
    private sealed class Templates(string[] leftovers) : ITemplateHost
    {
        public GuestTemplate Read(string path, CancellationToken cancellation) => throw NotFound(path);

        public IReadOnlyList<GuestTemplate> List(string folder, CancellationToken cancellation) =>
            [FakeGuestHost.Template($"{folder}/web", "web"), FakeGuestHost.Template($"{folder}/db", "db")];

        public IReadOnlyList<string> Leftovers(string folder, CancellationToken cancellation) => leftovers;

        public TemplateReport Test(string path, bool verify, CancellationToken cancellation) => throw NotFound(path);

        public void Remove(string path, CancellationToken cancellation) => throw NotFound(path);
    }
}
