using PsVm.Machine.Templates;
using PsVm.Machine.Templates.Travel;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests.Templates.Travel;

/// <summary>A template that was exported and imported is the same template.</summary>
public sealed class ArchiveTests : TravelTest
{
    [Fact]
    public void A_template_that_was_exported_and_imported_runs()
    {
        GuestTemplate template = MakeTemplate("t");
        TemplateArchive archive = Export(template.Path);
        GuestTemplates.Remove(template.Path);

        GuestTemplate imported = Import();

        Assert.Equal(At("there/t"), imported.Path);
        Assert.Equal(template.Id, imported.Id);
        Assert.Equal(template.RamBlocks[0].Digest, imported.RamBlocks[0].Digest);
        Assert.Equal(new FileInfo(At("a.psvm")).Length, archive.Length);
        ArchivedTemplate only = Assert.Single(archive.Templates);
        Assert.Equal(("t", template.Id, template.Guest, Memory, null), (only.Name, only.Id, only.Guest, only.Memory, only.ParentId));
        AssertRuns(imported);
        Assert.Equal(["t"], NamesIn("there"));
    }

    [Fact]
    public void Holes_are_neither_stored_nor_written()
    {
        GuestTemplate template = MakeTemplate("t");

        TemplateArchive archive = Export(template.Path);
        GuestTemplate imported = Import();

        long data = Allocated(At("t/ram0.bin"));
        Assert.InRange(data, 4096, Memory / 2);
        Assert.InRange(archive.DataBytes, 4096, data);
        Assert.InRange(Allocated(imported.RamBlocks[0].File), 4096, data);
        Assert.Equal(File.ReadAllBytes(At("t/ram0.bin")), File.ReadAllBytes(imported.RamBlocks[0].File));
    }

    [Fact]
    public void A_chain_goes_together_and_what_is_there_is_used()
    {
        (GuestTemplate root, GuestTemplate child) = MakeChain();

        TemplateArchive archive = Export(child.Path);
        GuestTemplate imported = Import();

        Assert.Equal([("child", (Guid?)root.Id), ("base", null)], archive.Templates.Select(template => (template.Name, template.ParentId)));
        Assert.Equal(new TemplateParent(At("there/base"), root.Id), imported.Parent);
        Assert.Equal(["base", "child"], NamesIn("there"));

        // The originals are gone, and the base is there when the child is imported once more.
        GuestTemplates.Remove(child.Path);
        GuestTemplates.Remove(root.Path);
        AssertRuns(imported);
        GuestTemplates.Remove(imported.Path);
        DateTime made = Directory.GetCreationTimeUtc(At("there/base"));
        AssertRuns(Import());
        Assert.Equal(made, Directory.GetCreationTimeUtc(At("there/base")));
    }

    [Fact]
    public void A_child_alone_needs_its_parent_where_it_is_imported()
    {
        (GuestTemplate root, GuestTemplate child) = MakeChain();
        TemplateExportOptions options = new() { Path = At("a.psvm"), NoParents = true };
        Assert.Single(Templates.Export(child.Path, options, null, CancellationToken.None).Templates);

        Assert.Equal(GuestErrorIds.TemplateParentNotFound, ErrorOf(() => Import()));
        Assert.Empty(NamesIn("there"));

        // It may have another name there.
        GuestTemplate moved = Copy(root.Path, "there/other");
        GuestTemplate imported = Import();
        Assert.Equal(moved.Path, imported.Parent!.Path);
        AssertRuns(imported);
    }

    [Fact]
    public void Ram_that_was_taken_over_goes_along()
    {
        GuestTemplate template = TakeOver(offset: 1 << 20);

        Export(template.Path);
        GuestTemplates.Remove(template.Path);
        File.Delete(At("ram"));
        GuestTemplate imported = Import();

        Assert.Equal(
            (At("there/t/ram0.bin"), 0L, true),
            (imported.RamBlocks[0].File, imported.RamBlocks[0].Offset, imported.RamBlocks[0].InTemplate));
        AssertRuns(imported);
    }

    [SkippableFact]
    public void Tar_lists_and_unpacks_it()
    {
        GuestTemplate template = MakeTemplate("t");
        Export(template.Path);

        (int code, string listed) = PsVm.Memory.Tests.Support.Host.Run("tar", "--zstd", "-tvf", At("a.psvm"));
        Skip.If(code != 0 && listed.Contains("zstd", StringComparison.Ordinal), "tar without zstd");
        string[] lines = listed.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(["archive.json", "t/template.json", "t/state.bin", "t/ram0.bin"], lines.Select(line => line.Split(' ')[^1]));
        Assert.All(lines, line => Assert.StartsWith("-r--r--r--", line, StringComparison.Ordinal));
        Assert.Contains($" {Memory} ", lines[3], StringComparison.Ordinal);

        Directory.CreateDirectory(At("unpacked"));
        Assert.Equal((0, string.Empty), PsVm.Memory.Tests.Support.Host.Run("tar", "--zstd", "-xf", At("a.psvm"), "-C", At("unpacked")));
        Assert.InRange(Allocated(At("unpacked/t/ram0.bin")), 4096, Memory / 2);

        // It is a copy by other hands, which is read once.
        AssertRuns(GuestTemplates.Read(At("unpacked/t")));
    }

    [Fact]
    public void Progress_is_told_in_bytes()
    {
        GuestTemplate template = MakeTemplate("t");
        Steps export = new(), import = new(), copy = new();

        TemplateArchive archive = Templates.Export(
            template.Path, new TemplateExportOptions { Path = At("a.psvm") }, export, CancellationToken.None);
        Templates.Import(At("a.psvm"), new TemplateImportOptions { Folder = At("there") }, import, CancellationToken.None);
        Templates.Copy(template.Path, new TemplateCopyOptions { Destination = At("copy") }, copy, CancellationToken.None);

        export.AssertComplete(HostStep.Exporting, archive.DataBytes);
        import.AssertComplete(HostStep.Importing, archive.DataBytes);
        copy.AssertComplete(HostStep.Copying, Memory);
    }

    [Fact]
    public void What_is_given_up_leaves_nothing()
    {
        GuestTemplate template = MakeTemplate("t");
        Export(template.Path);
        using CancellationTokenSource stop = new();
        Steps steps = new() { OnStep = stop.Cancel };

        Assert.Throws<OperationCanceledException>(
            () => Templates.Export(template.Path, new TemplateExportOptions { Path = At("new/b.psvm") }, steps, stop.Token));
        Assert.Throws<OperationCanceledException>(
            () => Templates.Import(At("a.psvm"), new TemplateImportOptions { Folder = At("there") }, null, stop.Token));
        Assert.Throws<OperationCanceledException>(
            () => Templates.Copy(template.Path, new TemplateCopyOptions { Destination = At("copy") }, null, stop.Token));
        Assert.Throws<OperationCanceledException>(
            () => Templates.Move(template.Path, new TemplateCopyOptions { Destination = At("moved") }, null, stop.Token));

        Assert.Equal(["a.psvm", "t"], NamesIn(string.Empty));
        AssertRuns(template);
    }

    [Fact]
    public void Nothing_is_replaced_without_force()
    {
        GuestTemplate first = MakeTemplate("t");
        Export(first.Path);
        GuestTemplate imported = Import();
        Assert.Equal(imported.RamBlocks, Import().RamBlocks); // it is the one that is there
        GuestTemplate second = Copy(MakeTemplate("second").Path, "other/t");

        Assert.Equal(GuestErrorIds.ArchivePathInUse, ErrorOf(() => Export(second.Path)));
        Templates.Export(second.Path, new TemplateExportOptions { Path = At("a.psvm"), Force = true }, null, CancellationToken.None);
        Assert.Equal(GuestErrorIds.CheckpointPathInUse, ErrorOf(() => Import()));
        Assert.Equal(first.Id, GuestTemplates.Read(imported.Path).Id);
        GuestTemplate replaced = Templates.Import(
            At("a.psvm"), new TemplateImportOptions { Folder = At("there"), Force = true }, null, CancellationToken.None);

        Assert.Equal((second.Id, imported.Path), (replaced.Id, replaced.Path));
        Assert.Equal(["t"], NamesIn("there"));
        AssertRuns(replaced);
    }

    [Fact]
    public void A_template_of_another_name_or_id_in_the_place_of_a_parent_stays()
    {
        (_, GuestTemplate child) = MakeChain();
        Export(child.Path);
        GuestTemplate other = Copy(MakeTemplate("other").Path, "there/base");

        Assert.Equal(GuestErrorIds.CheckpointPathInUse, ErrorOf(() => Templates.Import(
            At("a.psvm"), new TemplateImportOptions { Folder = At("there"), Force = true }, null, CancellationToken.None)));

        Assert.Equal(["base"], NamesIn("there"));
        AssertRuns(other);
    }

    [Fact]
    public void Names_that_no_folder_should_have_are_replaced_by_the_id()
    {
        GuestTemplate template = MakeTemplate(".hidden");

        TemplateArchive archive = Export(template.Path);

        Assert.Equal($"{template.Id}", archive.Templates[0].Name);
        AssertRuns(Import());
    }

    [Fact]
    public void What_would_be_done_can_be_asked()
    {
        GuestTemplate template = MakeTemplate("t");
        Directory.CreateDirectory(At("folder"));

        Assert.Equal(At("b.psvm"), Templates.CheckExport(template.Path, new TemplateExportOptions { Path = At("b.psvm") }));
        Assert.Equal(At("folder/t.psvm"), Templates.CheckExport(template.Path, new TemplateExportOptions { Path = At("folder") }));
        Assert.Equal(
            At("new/t.psvm"), Templates.CheckExport(template.Path, new TemplateExportOptions { Path = At("new"), IntoFolder = true }));
        Assert.Equal(At("new/t"), Templates.CheckCopy(template.Path, new TemplateCopyOptions { Destination = At("new/") }));
        Assert.Equal(At("folder/t"), Templates.CheckMove(template.Path, new TemplateCopyOptions { Destination = At("folder") }));
        Export(template.Path);
        Assert.Equal(template.Id, Templates.CheckImport(At("a.psvm"), new TemplateImportOptions { Folder = At("there") }).Templates[0].Id);
        Assert.Equal(["a.psvm", "folder", "t"], NamesIn(string.Empty));
    }

    [Theory]
    [InlineData("none", "a.psvm", 3, GuestErrorIds.TemplateNotFound)]
    [InlineData("t", "a.psvm", 0, GuestErrorIds.CompressionLevelInvalid)]
    [InlineData("t", "a.psvm", 23, GuestErrorIds.CompressionLevelInvalid)]
    [InlineData("t", "t/a.psvm", 3, GuestErrorIds.ArchivePathInUse)]
    [InlineData("t", "file", 3, GuestErrorIds.ArchivePathInUse)]
    [InlineData("t", "file/a.psvm", 3, GuestErrorIds.CheckpointWriteFailed)]
    public void An_export_that_cannot_be_says_why(string template, string archive, int level, string error)
    {
        MakeTemplate("t");
        File.WriteAllText(At("file"), "mine");
        TemplateExportOptions options = new() { Path = At(archive), CompressionLevel = level };

        Assert.Equal(error, ErrorOf(() => Templates.CheckExport(At(template), options)));
        Assert.Equal(error, ErrorOf(() => Templates.Export(At(template), options, null, CancellationToken.None)));

        Assert.Equal(["file", "t"], NamesIn(string.Empty));
        Assert.Equal("mine", File.ReadAllText(At("file")));
    }

    [Fact]
    public void Damaged_ram_is_found_before_it_travels()
    {
        GuestTemplate template = MakeTemplate("t");
        string ram = template.RamBlocks[0].File;
        DateTime time = File.GetLastWriteTimeUtc(ram);
        File.SetUnixFileMode(ram, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        using (FileStream file = File.OpenWrite(ram))
        {
            file.Position = Memory / 2;
            file.WriteByte(1);
        }

        File.SetLastWriteTimeUtc(ram, time);

        Assert.Contains(
            ErrorOf(() => Export(template.Path)), (string[])[GuestErrorIds.TemplateDigestMismatch, GuestErrorIds.TemplateRamChanged]);
        Assert.Equal(GuestErrorIds.TemplateRamChanged, ErrorOf(() => Copy(template.Path, "copy")));
        Assert.Equal(["t"], NamesIn(string.Empty));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(1000)]
    public void Small_holes_are_data_where_there_would_be_too_many_stretches(int most)
    {
        const int page = 4096;
        string path = At("f");
        using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite);
        RandomAccess.SetLength(file, 64 * page);
        int[] data = [1, 3, 8, 20, 63];
        Array.ForEach(data, at => RandomAccess.Write(file, new byte[] { 1 }, at * page));

        var found = SparseContent.DataOf(file, 0, 64 * page, most);

        Assert.InRange(found.Count, 1, most);
        Assert.All(data, at => Assert.Contains(found, range => range.Offset <= at * page && range.End >= (at + 1) * page));
        Assert.Equal(most == 1000 ? data.Length : found.Count, found.Count);
        Assert.Equal((page, 64L * page), (found[0].Offset, found[^1].End));
    }

    /// <summary>A template of a guest whose RAM is a part of a file, which it took over.</summary>
    private GuestTemplate TakeOver(long offset)
    {
        using (FileStream file = File.Create(At("ram")))
        {
            file.SetLength(offset + Memory + (1 << 20));
        }

        Backends.Create(new MemoryBackendOptions { Id = "ram", Path = At("ram"), Size = Memory, Offset = offset, Share = true });
        string guest = Boot(new GuestOptions { BackendIds = ["ram"] });
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t"), UseRamFile = true });
        Host.Remove(guest);
        return template;
    }

    private sealed class Steps : IProgress<StepProgress>
    {
        private readonly List<StepProgress> _told = [];

        public Action OnStep { get; init; } = () => { };

        public void Report(StepProgress value)
        {
            _told.Add(value);
            OnStep();
        }

        public void AssertComplete(HostStep step, long total)
        {
            Assert.NotEmpty(_told);
            Assert.All(_told, told => Assert.Equal((step, total), (told.Step, told.Total)));
            Assert.Equal(_told.Select(told => told.Done).Order(), _told.Select(told => told.Done));
            Assert.Equal(total, _told[^1].Done);
        }
    }
}
