using Mono.Unix.Native;
using PsVm.Machine.Guests;
using PsVm.Machine.Templates;
using PsVm.Memory.Tests.Support;
using TestHost = PsVm.Memory.Tests.Support.Host;

namespace PsVm.Machine.Tests.Templates.Travel;

/// <summary>Copies and moves on and between file systems, poor ones too, with real mounts, and disks that are full.</summary>
public sealed class PlaceTests : TravelTest
{
    private readonly TestFolder _mounts = new();

    [Fact]
    public void A_copy_runs_without_the_original_and_moves_by_its_name()
    {
        GuestTemplate template = MakeTemplate("t");

        GuestTemplate copy = Copy(template.Path, "copy");
        GuestTemplates.Remove(template.Path);

        Assert.Equal((template.Id, At("copy")), (copy.Id, copy.Path));
        Assert.InRange(Allocated(copy.RamBlocks[0].File), 4096, Memory / 2);
        AssertRuns(copy);
        string clone = Clone(copy);
        ulong inode = copy.RamBlocks[0].Identity.Inode;
        GuestTemplate moved = Move(copy.Path, "new/folder/moved");
        Check(clone);
        Assert.Equal((At("new/folder/moved"), inode), (moved.Path, moved.RamBlocks[0].Identity.Inode));
        Assert.Equal(["new"], NamesIn(string.Empty));
        AssertRuns(moved);
    }

    [Fact]
    public void A_copy_of_ram_that_was_taken_over_has_its_own()
    {
        File.WriteAllBytes(At("ram"), new byte[Memory]);
        Backends.Create(new MemoryBackendOptions { Id = "ram", Path = At("ram"), Size = Memory, Share = true });
        string guest = Boot(new GuestOptions { BackendIds = ["ram"] });
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t"), UseRamFile = true });

        GuestTemplate copy = Copy(template.Path, "copy");
        File.Delete(At("ram"));

        Assert.Equal(At("copy/ram0.bin"), copy.RamBlocks[0].File);
        AssertRuns(copy);
    }

    [Fact]
    public void A_template_that_somebody_else_copied_is_read_and_then_copied()
    {
        GuestTemplate template = MakeTemplate("t");
        TestHost.Run("cp", "-r", template.Path, At("by-hand"));

        AssertRuns(Copy(At("by-hand"), "copy"));
    }

    [Fact]
    public void A_child_that_is_moved_alone_finds_what_it_needs()
    {
        (GuestTemplate root, GuestTemplate child) = MakeChain();
        Directory.CreateDirectory(At("all"));
        Move(root.Path, "all/base");
        GuestTemplate together = Move(child.Path, "all/child");
        AssertRuns(GuestTemplates.Read(together.Path));

        // Beside it is what it needs, and not where it was made.
        GuestTemplate alone = Move(together.Path, "elsewhere");

        Assert.Equal(At("all/base"), alone.Parent!.Path);
        AssertRuns(alone);
        AssertRuns(Copy(alone.Path, "far/away"));
    }

    [Fact]
    public void A_template_replaces_another_only_with_force_and_no_file_ever()
    {
        GuestTemplate first = MakeTemplate("t"), second = MakeTemplate("u");
        File.WriteAllText(At("file"), "mine");

        Assert.Equal(
            GuestErrorIds.CheckpointPathInUse,
            ErrorOf(() => Templates.CheckMove(first.Path, new TemplateCopyOptions { Destination = second.Path })));
        Assert.Equal(GuestErrorIds.CheckpointPathInUse, ErrorOf(() => Copy(first.Path, "u")));
        Assert.Equal(GuestErrorIds.CheckpointPathInUse, ErrorOf(() => Move(first.Path, "file", force: true)));
        Assert.Equal(GuestErrorIds.CheckpointPathInUse, ErrorOf(() => Copy(first.Path, "t", force: true)));
        Assert.Equal(GuestErrorIds.CheckpointPathInUse, ErrorOf(() => Copy(first.Path, "t/in")));
        Assert.Equal(GuestErrorIds.CheckpointPathInUse, ErrorOf(() => Copy(second.Path, "t/in")));
        Assert.Equal(GuestErrorIds.TemplateNotFound, ErrorOf(() => Move(At("none"), "v")));
        string clone = Clone(second);
        GuestTemplate moved = Move(first.Path, "u", force: true);

        Check(clone);
        Assert.Equal(first.Id, moved.Id);
        Assert.Equal(["file", "u"], NamesIn(string.Empty));
        AssertRuns(moved);
    }

    [Fact]
    public void A_checkpoint_in_a_template_is_refused()
    {
        MakeTemplate("t");
        string guest = Boot(new GuestOptions { Memory = Memory });

        Assert.Equal(GuestErrorIds.CheckpointPathInUse, ErrorOf(() => Make(guest, new CheckpointOptions { Path = At("t/in") })));
    }

    [SkippableTheory]
    [InlineData("tmpfs")]
    [InlineData("ext4")]
    [InlineData("btrfs")]
    [InlineData("xfs")]
    [InlineData("bindfs")]
    public void Templates_travel_to_another_file_system_and_back(string type)
    {
        using Mounted mount = Mount(type);
        GuestTemplate template = MakeTemplate("t");
        string clone = Clone(template);

        GuestTemplate moved = Move(template.Path, Path.GetRelativePath(Folder, mount.In("moved")));
        Check(clone); // it lives on the file that was removed
        GuestTemplate copy = Copy(moved.Path, Path.GetRelativePath(Folder, mount.In("copy")));
        Export(copy.Path, Path.GetRelativePath(Folder, mount.In("a.psvm")));
        GuestTemplate imported = Import(Path.GetRelativePath(Folder, mount.In("a.psvm")), Path.GetRelativePath(Folder, mount.In("there")));
        Assert.Equal(["a.psvm", "copy", "moved", "there"], Names(mount));

        string guest = Boot(new GuestOptions { Memory = Memory });
        GuestTemplate made = Make(guest, new CheckpointOptions { Path = mount.In("made") });
        made = Make(guest, new CheckpointOptions { Path = mount.In("made"), Force = true });
        End(guest);
        Array.ForEach([moved, copy, imported, made], AssertRuns);
        GuestTemplate back = Move(moved.Path, "back");
        AssertRuns(back);
        Assert.Equal(["a.psvm", "copy", "made", "there"], Names(mount));
        Host.Dispose(); // before what its guests run from is unmounted
    }

    [SkippableTheory]
    [InlineData("btrfs")]
    [InlineData("xfs")]
    public void A_copy_takes_no_space_where_files_share_blocks(string type)
    {
        using Mounted mount = Mount(type);
        GuestTemplate template = Copy(MakeTemplate("t").Path, Path.GetRelativePath(Folder, mount.In("t")));
        using (FileStream ram = File.OpenRead(template.RamBlocks[0].File))
        {
            ram.Flush(flushToDisk: true);
        }

        GuestTemplate copy = Copy(template.Path, Path.GetRelativePath(Folder, mount.In("copy")));

        AssertRuns(copy);
        (_, string extents) = TestHost.Run("filefrag", "-v", copy.RamBlocks[0].File);
        Skip.If(!extents.Contains("extents", StringComparison.Ordinal), "filefrag is not installed");
        Assert.Contains("shared", extents, StringComparison.Ordinal);
        Host.Dispose();
    }

    [SkippableFact]
    public void A_full_disk_leaves_what_was_there_and_nothing_else()
    {
        (GuestTemplate root, GuestTemplate child) = MakeChain();
        Export(child.Path);
        long data = Allocated(root.RamBlocks[0].File) + Allocated(child.RamBlocks[0].File);
        HashSet<string> found = [];
        for (long size = 64 << 10; size < data + (256 << 10); size += 96 << 10)
        {
            using Mounted mount = TestHost.Mount(_mounts, "tmpfs", $"size={size}");
            string there = Path.GetRelativePath(Folder, mount.Path);
            Action[] steps =
            [
                () => Copy(root.Path, $"{there}/copy"),
                () => Export(root.Path, $"{there}/new/b.psvm"),
                () => Import("a.psvm", $"{there}/there"),
                () => Move(child.Path, $"{there}/moved"),
            ];
            foreach (Action step in steps)
            {
                try
                {
                    step();
                    found.Add("done");
                    foreach (string path in Directory.GetFileSystemEntries(mount.Path))
                    {
                        if (path == mount.In("moved"))
                        {
                            child = Move(path, "child");
                        }
                        else
                        {
                            Directory.Delete(path, recursive: true);
                        }
                    }
                }
                catch (GuestException full)
                {
                    Assert.Equal(GuestErrorIds.CheckpointDiskFull, full.ErrorId);
                    found.Add("full");
                    Assert.Empty(Names(mount));
                }
            }

            Assert.Equal(["a.psvm", "base", "child"], NamesIn(string.Empty));
        }

        Assert.Equal(["done", "full"], found.Order());
        AssertRuns(root);
        AssertRuns(child);
        Host.Dispose();
    }

    [Theory]
    [InlineData(Errno.EINVAL)]
    [InlineData(Errno.ENOSYS)]
    [InlineData(Errno.EOPNOTSUPP)]
    public void Without_flags_of_renames_and_syncs_of_folders_all_of_them_work(Errno answer)
    {
        GuestTemplate template = MakeTemplate("t"), other = MakeTemplate("other");
        TemplateHost poor = new() { FolderCalls = new PlainFileSystem(answer) };
        void CopyThere(bool force) =>
            poor.Copy(template.Path, new TemplateCopyOptions { Destination = At("copy"), Force = force }, null, CancellationToken.None);

        CopyThere(force: false);
        CopyThere(force: true);
        Assert.Equal(GuestErrorIds.CheckpointPathInUse, ErrorOf(() => CopyThere(force: false)));
        poor.Export(template.Path, new TemplateExportOptions { Path = At("a.psvm") }, null, CancellationToken.None);
        Assert.Equal(GuestErrorIds.ArchivePathInUse, ErrorOf(
            () => poor.Export(template.Path, new TemplateExportOptions { Path = At("a.psvm") }, null, CancellationToken.None)));
        poor.Import(At("a.psvm"), new TemplateImportOptions { Folder = At("there") }, null, CancellationToken.None);
        poor.Move(template.Path, new TemplateCopyOptions { Destination = other.Path, Force = true }, null, CancellationToken.None);
        GuestTemplate moved = poor.Move(other.Path, new TemplateCopyOptions { Destination = At("moved") }, null, CancellationToken.None);

        Assert.Equal(["a.psvm", "copy", "moved", "there"], NamesIn(string.Empty));
        Assert.Equal(template.Id, moved.Id);
        Array.ForEach(["copy", "moved", "there/t"], name => AssertRuns(GuestTemplates.Read(At(name))));
    }

    [Fact]
    public void Of_many_that_come_to_one_place_one_does_and_all_say_so()
    {
        GuestTemplate template = MakeTemplate("t");
        Export(template.Path);

        // Two importers may find each other's work; either is the template.
        string[] exported = AtOnce(_ => Export(template.Path, "one.psvm").Path);
        string[] copied = AtOnce(_ => Copy(template.Path, "copy").Path);
        string[] imported = AtOnce(_ => Import().Path);

        Assert.Equal(["ArchivePathInUse", At("one.psvm")], exported.Distinct().Order(StringComparer.Ordinal).Reverse());
        Assert.Equal(["CheckpointPathInUse", At("copy")], copied.Distinct().Order(StringComparer.Ordinal).Reverse());
        Assert.Contains(At("there/t"), imported);
        Assert.All(imported, path => Assert.Contains(path, (string[])["CheckpointPathInUse", At("there/t")]));
        Assert.Equal(["a.psvm", "copy", "one.psvm", "t", "there"], NamesIn(string.Empty));
        Assert.Equal(["t"], NamesIn("there"));
        AssertRuns(GuestTemplates.Read(At("copy")));
        AssertRuns(GuestTemplates.Read(At("there/t")));
        AssertRuns(Import("one.psvm", "again"));
    }

    private Mounted Mount(string type)
    {
        if (type != "bindfs")
        {
            return type == "tmpfs"
                ? TestHost.Mount(_mounts, type)
                : TestHost.MountNew(_mounts, type, type == "xfs" ? 320 << 20 : 256 << 20);
        }

        // A file system of a process (FUSE), over another folder.
        Skip.IfNot(File.Exists("/usr/bin/bindfs"), "bindfs is not installed");
        TestHost.NeedsRoot();
        string below = Directory.CreateDirectory(_mounts.In("below")).FullName,
            path = Directory.CreateDirectory(_mounts.In("fuse")).FullName;
        (int code, string output) = TestHost.Run("bindfs", below, path);
        Skip.IfNot(code == 0, $"cannot mount bindfs: {output}");
        return new Mounted(path);
    }

    private static string[] Names(Mounted mount) =>
        [
            .. Directory.GetFileSystemEntries(mount.Path).Select(path => Path.GetFileName(path)!)
            .Where(name => name != "lost+found").Order(StringComparer.Ordinal)];

    /// <summary>What several threads get of the same: a path, or the id of an error.</summary>
    private static string[] AtOnce(Func<int, string> work)
    {
        using Barrier start = new(4);
        Task<string>[] tasks = [.. Enumerable.Range(0, 4).Select(i => Task.Factory.StartNew(
            () =>
            {
                start.SignalAndWait();
                try
                {
                    return work(i);
                }
                catch (GuestException error)
                {
                    return error.ErrorId;
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default))];
        Task.WaitAll(tasks);
        return [.. tasks.Select(task => task.Result)];
    }

    public override void Dispose()
    {
        base.Dispose();
        _mounts.Dispose();
    }
}
