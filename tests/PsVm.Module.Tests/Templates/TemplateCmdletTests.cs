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
    public void Under_WhatIf_what_would_fail_is_an_error_and_not_an_action()
    {
        _host.Add("web");
        _host.OnCheck = who => throw new GuestException(GuestErrorIds.CheckpointPathInUse, $"{who}: in use");

        CheckpointGuestCommand.Run(["web", "nope"], new CheckpointOptions { Path = "/t" }, _host, _whatIf, CancellationToken.None);
        Assert.Throws<GuestException>(() => RestoreGuestCommand.Run(
            new GuestOptions { Template = "/t" }, path => FakeGuestHost.Template(path, "db"), _host, _whatIf, CancellationToken.None));
        RemoveGuestTemplateCommand.Run(["/t"], false, false, new Templates([]), _whatIf, CancellationToken.None);

        Assert.Equal(
            [GuestErrorIds.CheckpointPathInUse, GuestErrorIds.GuestNotFound, GuestErrorIds.TemplateNotFound],
            _whatIf.Errors.Select(error => error.Id));
        Assert.Empty(_whatIf.Actions);
        Assert.Empty(_host.Started);
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
    public void Test_is_true_or_false_and_says_why_to_who_wants_to_know()
    {
        TestGuestTemplateCommand.Run(["/good", "/bad"], detailed: false, Report, _output, CancellationToken.None);

        Assert.Equal([true, false], _output.Objects);
        Assert.Empty(_output.Errors);
        Assert.Equal(
            ["[TemplateIncomplete] '/bad': no state", "[TemplateRamChanged] '/bad': changed Make it anew."], _output.Verbose);
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
    public void Get_gives_an_error_for_each_damaged_template_of_a_folder_and_goes_on()
    {
        GetGuestTemplateCommand.List("/t", new Templates([], damaged: "/t/bad"), _output, CancellationToken.None);

        Assert.Equal(["web", "db"], _output.Objects.Cast<GuestTemplate>().Select(template => template.Guest));
        Assert.Equal(
            [(GuestErrorIds.TemplateIncomplete, "/t/bad"), (GuestErrorIds.TemplateRamChanged, "/t/bad")],
            _output.Errors.Select(error => (error.Id, error.Target)));
    }

    [Fact]
    public void Remove_removes_each_when_the_operator_agrees()
    {
        Forest templates = new([]);
        RemoveGuestTemplateCommand.Run(["/a", "/b"], false, false, templates, _whatIf, CancellationToken.None);
        Assert.Empty(templates.Removed);

        RemoveGuestTemplateCommand.Run(["/a", "/b"], false, false, templates, _output, CancellationToken.None);
        Assert.Equal(["/a", "/b"], templates.Removed);
        Assert.Equal(["Remove template '/a'", "Remove template '/b'"], _output.Actions);
    }

    [Fact]
    public void Remove_of_what_others_need_is_refused_by_name_and_goes_by_Force_and_Cascade()
    {
        // /t/c is made on /t/b, and that on /t/a.
        Forest templates = new(["/t/a", "/t/b", "/t/c"]);

        RemoveGuestTemplateCommand.Run(["/t/a"], false, false, templates, _output, CancellationToken.None);
        Assert.Equal((GuestErrorIds.TemplateNeeded, "/t/a"), (Assert.Single(_output.Errors).Id, _output.Errors[0].Target));
        Assert.Contains("found '/t/c', '/t/b'.", _output.Errors[0].Message, StringComparison.Ordinal);
        Assert.Empty(templates.Removed);

        RemoveGuestTemplateCommand.Run(["/t/a"], true, false, templates, _whatIf, CancellationToken.None);
        RemoveGuestTemplateCommand.Run(["/t/a"], false, true, templates, _whatIf, CancellationToken.None);
        Assert.Equal(
            [
                "Remove template '/t/a', on which '/t/c', '/t/b' are made",
                "Remove template '/t/c', which is made on '/t/a'", "Remove template '/t/b', which is made on '/t/a'",
                "Remove template '/t/a'",
            ],
            _whatIf.Actions);
        Assert.Empty(templates.Removed);

        RemoveGuestTemplateCommand.Run(["/t/b"], false, true, templates, _output, CancellationToken.None);
        Assert.Equal(["/t/c", "/t/b"], templates.Removed);
        RemoveGuestTemplateCommand.Run(["/t/a"], false, false, templates, _output, CancellationToken.None);
        Assert.Equal(["/t/c", "/t/b", "/t/a"], templates.Removed);
    }

    [Fact]
    public void Remove_of_all_of_a_chain_takes_the_upper_first()
    {
        Forest templates = new(["/t/a", "/t/b", "/t/c"]);

        RemoveGuestTemplateCommand.Run(["/t/a", "/t/b", "/t/c"], false, false, templates, _output, CancellationToken.None);

        Assert.Empty(_output.Errors);
        Assert.Equal(["/t/c", "/t/b", "/t/a"], templates.Removed);
    }

    [Fact]
    public void Compress_says_under_WhatIf_what_would_become_one()
    {
        Forest templates = new(["/t/a", "/t/b", "/t/c"]);

        CompressGuestTemplateCommand.Run(
            ["/t/c"], new CompressOptions { Destination = "/t/d" }, templates, _whatIf, CancellationToken.None);
        CompressGuestTemplateCommand.Run(["/t/a"], new CompressOptions(), templates, _whatIf, CancellationToken.None);

        Assert.Equal(
            [
                "Merge template '/t/c' with '/t/b', '/t/a' into one that stands alone to '/t/d'",
                "Leave template '/t/a', which is made on none that would be merged with it",
            ],
            _whatIf.Actions);
        Assert.Empty(_whatIf.Objects);
    }

    [Fact]
    public void The_tree_of_a_folder_counts_the_clones_that_run()
    {
        GetGuestTemplateCommand.ListTree("/t", new Forest(["/t/a", "/t/b"]), _host, _output, CancellationToken.None);

        Assert.Equal([("/t/a", 0), ("/t/b", 0)], _output.Objects.Cast<TemplateNode>().Select(node => (node.Path, node.Clones!.Value)));
    }

    private static GuestException NotFound(string path) => new(GuestErrorIds.TemplateNotFound, "none", path);

    private static TemplateReport Report(string path) => new()
    {
        Path = path,
        Errors = path == "/good"
            ? []
            : [new(GuestErrorIds.TemplateIncomplete, "no state", null), new(GuestErrorIds.TemplateRamChanged, "changed", "Make it anew.")],
    };

    /// <summary>A folder with two templates, and a damaged one between them.</summary>
    private class Templates(string[] leftovers, string? damaged = null) : FakeTemplateHost
    {
        public override IReadOnlyList<TemplateReport> List(string folder, CancellationToken cancellation) =>
        [
            new() { Path = $"{folder}/web", Template = FakeGuestHost.Template($"{folder}/web", "web") },
            .. damaged is null ? Array.Empty<TemplateReport>() : [Report(damaged)],
            new() { Path = $"{folder}/db", Template = FakeGuestHost.Template($"{folder}/db", "db") },
        ];

        public override IReadOnlyList<string> Leftovers(string folder, CancellationToken cancellation) => leftovers;
    }

    /// <summary>Templates of which each is made on the one before.</summary>
    private sealed class Forest(string[] chain) : Templates([])
    {
        public List<string> Removed { get; } = [];

        private GuestTemplate[] Left => [.. chain.Except(Removed).Select(path => FakeGuestHost.Template(path, "web"))];

        public override IReadOnlyList<TemplateReport> List(string folder, CancellationToken cancellation) =>
            [.. Left.Select(template => new TemplateReport { Path = template.Path, Template = template })];

        public override IReadOnlyList<TemplateNode> Tree(string folder, CancellationToken cancellation) =>
            [.. Left.Select(template => new TemplateNode { Template = template, Tree = template.Name })];

        public override IReadOnlyList<GuestTemplate> Needing(string path, CancellationToken cancellation) =>
            [.. Left.SkipWhile(template => template.Path != path).Skip(1).Reverse()];

        public override IReadOnlyList<GuestTemplate> CheckCompress(string path, CompressOptions options) =>
            [.. Left.TakeWhile(template => template.Path != path).Append(FakeGuestHost.Template(path, "web")).Reverse()];

        public override void CheckRemove(string path)
        {
        }

        public override void Remove(string path, CancellationToken cancellation) => Removed.Add(path);
    }
}
