using PsVm.Module.Output;
using PsVm.Module.Templates;
using PsVm.Module.Tests.Guests;

namespace PsVm.Module.Tests.Templates;

public class TemplateTravelTests
{
    private readonly FakeTemplateHost _host = new();
    private readonly RecordingOutput _output = new();
    private readonly RecordingOutput _whatIf = new() { Answer = false };

    [Fact]
    public void Export_gives_an_archive_of_each_and_goes_on_after_errors()
    {
        ExportGuestTemplateCommand.Run(
            ["/a", "/none", "/b"], new TemplateExportOptions { Path = "/out" }, _host, _output, CancellationToken.None);

        Assert.Equal(["/out", "/out"], _output.Objects.Cast<TemplateArchive>().Select(archive => archive.Path));
        Assert.Equal(GuestErrorIds.TemplateNotFound, Assert.Single(_output.Errors).Id);
        Assert.All(_host.Options.Cast<TemplateExportOptions>(), options => Assert.True(options.IntoFolder)); // several need a folder
    }

    [Theory]
    [InlineData(false, "Export template '/a' to '/out/a.psvm'")]
    [InlineData(true, "Export template '/a' to '/out/a.psvm', in place of a file that is there")]
    public void Export_under_WhatIf_says_what_would_be_written(bool force, string expected)
    {
        ExportGuestTemplateCommand.Run(
            ["/a"], new TemplateExportOptions { Path = "/out/a.psvm", Force = force }, _host, _whatIf, CancellationToken.None);

        Assert.Equal(expected, Assert.Single(_whatIf.Actions));
        Assert.Equal(["check export /a"], _host.Calls);
        Assert.False(Assert.IsType<TemplateExportOptions>(_host.Options[0]).IntoFolder);
    }

    [Fact]
    public void Import_under_WhatIf_says_what_comes_along()
    {
        ImportGuestTemplateCommand.Run(
            ["/a.psvm", "/none"], new TemplateImportOptions { Folder = "/t" }, _host, _whatIf, CancellationToken.None);

        Assert.Equal("Import template 'web-patched', with what it needs ('web'), from '/a.psvm' to '/t'", Assert.Single(_whatIf.Actions));
        Assert.Equal(GuestErrorIds.TemplateNotFound, Assert.Single(_whatIf.Errors).Id);
        Assert.Empty(_whatIf.Objects);
    }

    [Fact]
    public void Import_gives_the_template_that_was_exported()
    {
        ImportGuestTemplateCommand.Run(["/a.psvm"], new TemplateImportOptions { Folder = "/t" }, _host, _output, CancellationToken.None);

        Assert.IsType<GuestTemplate>(Assert.Single(_output.Objects));
        Assert.Contains("import /a.psvm", _host.Calls);
    }

    [Fact]
    public void Copy_and_move_give_the_template_where_it_is_then()
    {
        CopyTemplateCmdlet.Run(
            ["/a"],
            new TemplateCopyOptions { Destination = "/c" },
            CopyGuestTemplateCommand.Copying,
            _host,
            _output,
            CancellationToken.None);
        CopyTemplateCmdlet.Run(
            ["/a"],
            new TemplateCopyOptions { Destination = "/m" },
            MoveGuestTemplateCommand.Moving,
            _host,
            _output,
            CancellationToken.None);

        Assert.Equal(["/c", "/m"], _output.Objects.Cast<GuestTemplate>().Select(template => template.Path));
        Assert.Equal(["Copy template '/a' to '/c'", "Move template '/a' to '/m'"], _output.Actions);
        Assert.Equal(["check copy /a", "copy /a", "check move /a", "move /a"], _host.Calls);
    }

    [Fact]
    public void Move_tells_whom_it_leaves_behind_and_warns_of_those_that_do_not_find_it_any_more()
    {
        // /t/b and /t/c are made on /t/a; /t/b is moved along.
        Chain chain = new();
        TemplateCopyOptions options = new() { Destination = "/m" };

        CopyTemplateCmdlet.Run(["/t/a", "/t/b/"], options, MoveGuestTemplateCommand.Moving, chain, _whatIf, CancellationToken.None);
        Assert.Equal(["Move template '/t/a', on which '/t/c' is made, to '/m'", "Move template '/t/b/' to '/m'"], _whatIf.Actions);
        Assert.Empty(_whatIf.Warnings);

        CopyTemplateCmdlet.Run(["/t/a", "/t/b/"], options, MoveGuestTemplateCommand.Moving, chain, _output, CancellationToken.None);
        Assert.StartsWith($"[{ModuleErrorIds.TemplateParentGone}] ", Assert.Single(_output.Warnings), StringComparison.Ordinal);
        Assert.Contains("'/t/c' does not", _output.Warnings[0], StringComparison.Ordinal);
        Assert.DoesNotContain("'/t/b'", _output.Warnings[0], StringComparison.Ordinal);
    }

    [Fact]
    public void What_replaces_a_template_by_Force_warns_of_those_that_were_made_on_it()
    {
        Chain chain = new();
        TemplateCopyOptions options = new() { Destination = "/t/a", Force = true };

        CopyTemplateCmdlet.Run(["/x"], options, CopyGuestTemplateCommand.Copying, chain, _whatIf, CancellationToken.None);
        CopyTemplateCmdlet.Run(["/x"], options, CopyGuestTemplateCommand.Copying, chain, _output, CancellationToken.None);

        Assert.Equal(
            "Copy template '/x' to '/t/a', in place of one that is there, on which '/t/b', '/t/c' are made",
            Assert.Single(_whatIf.Actions));
        Assert.Contains("'/t/b', '/t/c' do not", Assert.Single(_output.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void Templates_of_one_name_do_not_come_to_one_folder()
    {
        CmdletException error = Assert.Throws<CmdletException>(() => CopyTemplateCmdlet.Run(
            ["/a/web", "/b", "/c/web/"], new TemplateCopyOptions { Destination = "/d" }, CopyGuestTemplateCommand.Copying,
            _host, _output, CancellationToken.None));

        Assert.Equal((ModuleErrorIds.TemplatePathRepeated, "/d"), (error.ErrorId, error.Target));
        Assert.Contains("'/a/web', '/c/web/'", error.Message, StringComparison.Ordinal);
        Assert.Empty(_host.Calls);
    }

    /// <summary>A host on which two templates are made on another one, which is there until something is done to it.</summary>
    private sealed class Chain : FakeTemplateHost
    {
        private static readonly string[] s_children = ["/t/b", "/t/c"];

        public override IReadOnlyList<GuestTemplate> Needing(string path, CancellationToken cancellation) =>
            path == "/t/a" ? [.. s_children.Select(child => FakeGuestHost.Template(child, "web"))] : [];

        public override IReadOnlyList<TemplateNode> Tree(string folder, CancellationToken cancellation) =>
        [
            .. s_children.Select(child => new TemplateNode
            {
                Template = FakeGuestHost.Template(child, "web") with { Parent = new TemplateParent("/t/a", Guid.Empty) },
                Tree = child,
                Parent = Calls.Contains("move /t/a") || Calls.Contains("copy /x") ? null : "/t/a",
            }),
        ];
    }
}
