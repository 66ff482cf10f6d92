using Mono.Unix.Native;
using PsVm.Machine.Guests;
using PsVm.Machine.State;
using PsVm.Machine.Templates;

namespace PsVm.Machine.Tests.Templates;

/// <summary>
/// Another process that moves folders of a half-made template away and puts its own there: those stay, and what was made goes.
/// </summary>
public sealed class TemplateFolderTests : TemplateTest
{
    private const string Foreign = "somebody else's";

    [Theory]
    [InlineData(Errno.EIO)]
    [InlineData((Errno)0)]
    public void A_folder_that_has_the_name_of_a_half_made_template_by_now_stays(Errno sync)
    {
        string? partial = null;
        Meddler calls = new(folder => IsPartial(folder) ? Do(() => Swap(partial = folder.Path), sync) : 0);

        Assert.Equal(GuestErrorIds.CheckpointWriteFailed, ErrorOf(() => Checkpoint(calls)));

        AssertForeign(partial!);
        Assert.Empty(Directory.GetFileSystemEntries(At("moved"))); // its RAM went all the same
        Assert.False(Directory.Exists(At("t")));
    }

    [Fact]
    public void A_file_that_has_the_name_of_one_of_the_template_by_now_stays()
    {
        string ram = string.Empty;
        Meddler calls = new(folder => IsPartial(folder) ? Do(() => Replace(ram = Path.Combine(folder.Path, "ram0.bin")), Errno.EIO) : 0);

        Assert.Equal(GuestErrorIds.CheckpointWriteFailed, ErrorOf(() => Checkpoint(calls)));

        Assert.Equal(Foreign, File.ReadAllText(ram));
        Assert.Equal([ram], Directory.GetFiles(Path.GetDirectoryName(ram)!));

        void Replace(string file)
        {
            File.Move(file, At("moved"));
            File.WriteAllText(file, Foreign);
        }
    }

    [Fact]
    public void A_folder_that_has_the_name_of_a_new_one_above_by_now_stays()
    {
        Meddler calls = new(folder => IsPartial(folder) ? Do(Replace, Errno.EIO) : 0);

        Assert.Equal(GuestErrorIds.CheckpointWriteFailed, ErrorOf(() => Checkpoint(calls, "new/er/t")));

        Assert.True(Directory.Exists(At("new")));

        void Replace()
        {
            Directory.Move(At("new"), At("moved"));
            Directory.CreateDirectory(At("new"));
        }
    }

    [Fact]
    public void New_folders_above_go_when_the_template_fails_unless_others_use_them()
    {
        Meddler calls = new(folder => IsPartial(folder) ? Do(() => File.WriteAllText(At("new/theirs"), Foreign), Errno.EIO) : 0);

        Assert.Equal(GuestErrorIds.CheckpointWriteFailed, ErrorOf(() => Checkpoint(calls, "new/er/t")));

        Assert.Equal(["theirs"], Directory.GetFileSystemEntries(At("new")).Select(Path.GetFileName));
        Assert.Equal(["new"], Directory.GetFileSystemEntries(Folder).Select(Path.GetFileName));
    }

    [Fact]
    public void A_folder_that_has_the_name_of_the_replaced_template_by_now_stays()
    {
        GuestTemplate first = MakeTemplate("t");
        string partial = string.Empty;

        // When the folder above is synced the two have changed places.
        Checkpoint(new Meddler(folder => Do(() => partial = IsPartial(folder) ? folder.Path : Swap(partial), 0)), force: true);

        AssertForeign(partial);
        Assert.Empty(Directory.GetFileSystemEntries(At("moved")));
        Assert.NotEqual(first.Id, GuestTemplates.Read(At("t")).Id);
    }

    [Fact]
    public void A_folder_that_has_the_name_of_a_leftover_by_now_stays()
    {
        string left = At($".t.{Guid.NewGuid():N}.partial");
        Directory.CreateDirectory(left);
        File.WriteAllText(Path.Combine(left, "ram0.bin"), "half");

        Checkpoint(new LockMeddler(folder => Swap(folder.Path)));

        AssertForeign(left);
        Assert.Empty(Directory.GetFileSystemEntries(At("moved")));
    }

    [Fact]
    public void A_link_that_came_in_the_templates_place_stays_and_so_does_what_it_leads_to()
    {
        MakeTemplate("t");
        Meddler calls = new(folder => IsPartial(folder) ? Do(Replace, 0) : 0);

        Assert.Equal(GuestErrorIds.CheckpointPathInUse, ErrorOf(() => Checkpoint(calls, force: true)));

        Assert.Equal(At("moved"), new DirectoryInfo(At("t")).LinkTarget);
        Assert.Empty(GuestTemplates.Test(At("moved")).Errors);
        Assert.Equal(["moved", "t"], Directory.GetFileSystemEntries(Folder).Select(Path.GetFileName).Order());

        void Replace()
        {
            Directory.Move(At("t"), At("moved"));
            Directory.CreateSymbolicLink(At("t"), At("moved"));
        }
    }

    [Fact]
    public void Every_folder_that_got_an_entry_is_synced_and_the_last_one_when_the_template_is_there()
    {
        List<(string Path, bool IsThere)> synced = [];
        Checkpoint(new Meddler(folder => Do(() => synced.Add((folder.Path, Directory.Exists(At("new/er/t")))), 0)), "new/er/t");

        Assert.EndsWith(".partial", synced[2].Path, StringComparison.Ordinal);
        synced.RemoveAt(2);
        Assert.Equal([(Folder, false), (At("new"), false), (At("new/er"), true)], synced);
    }

    [Fact]
    public void A_template_may_be_made_behind_a_link()
    {
        Directory.CreateDirectory(At("real"));
        Directory.CreateSymbolicLink(At("link"), At("real"));

        Checkpoint(FolderCalls.Kernel, "link/t");

        Assert.Empty(GuestTemplates.Test(At("real/t")).Errors);
    }

    [Fact]
    public void A_held_folder_removes_only_itself_and_only_files_that_are_held()
    {
        using HeldFolder folder = HeldFolder.TryMake(At("f"), out _)!;
        Directory.Move(At("f"), At("moved"));
        Directory.CreateDirectory(At("f"));
        FileStream file = File.Create(folder.In("ram0.bin"));
        File.Delete(At("moved/ram0.bin"));
        File.WriteAllText(At("moved/ram0.bin"), Foreign);

        Assert.False(folder.Remove(At("f")));
        folder.Remove("ram0.bin", file.SafeFileHandle);
        Assert.False(folder.Remove(At("moved")));

        Assert.True(Directory.Exists(At("f")));
        Assert.Equal(Foreign, File.ReadAllText(At("moved/ram0.bin")));
        File.Delete(At("moved/ram0.bin"));
        Assert.True(folder.Remove(At("moved")));
    }

    private void Checkpoint(FolderCalls calls, string path = "t", bool force = false)
    {
        using GuestHost host = new(Backends) { FolderCalls = calls };
        string guest = host.Start(new GuestOptions { Memory = Memory }, CancellationToken.None).Name;
        host.Checkpoint(guest, new CheckpointOptions { Path = At(path), Force = force }, null, CancellationToken.None);
    }

    private static bool IsPartial(HeldFolder folder) => folder.Path.EndsWith(".partial", StringComparison.Ordinal);

    private static Errno Do(Action action, Errno answer)
    {
        action();
        return answer;
    }

    /// <summary>Moves a folder away and puts one with files of a template's names there.</summary>
    private string Swap(string path)
    {
        Directory.Move(path, At("moved"));
        Directory.CreateDirectory(path);
        File.WriteAllText(Path.Combine(path, "ram0.bin"), Foreign);
        File.WriteAllText(Path.Combine(path, "template.json"), Foreign);
        return path;
    }

    private static void AssertForeign(string path)
    {
        Assert.Equal(["ram0.bin", "template.json"], Directory.GetFiles(path).Select(Path.GetFileName).Order());
        Assert.All(Directory.GetFiles(path), file => Assert.Equal(Foreign, File.ReadAllText(file)));
    }

    /// <summary>Another process that acts when a folder is to be synced, and what the kernel says to that; 0: what it would say.</summary>
    private sealed class Meddler(Func<HeldFolder, Errno> act) : FolderCalls
    {
        public override int SyncFolder(HeldFolder folder) => act(folder) is var answer and not 0 ? (int)answer : base.SyncFolder(folder);
    }

    /// <summary>Another process that acts when a leftover has just been locked.</summary>
    private sealed class LockMeddler(Action<HeldFolder> act) : FolderCalls
    {
        private bool _hasActed;

        public override int Lock(HeldFolder folder)
        {
            int error = base.Lock(folder);
            if (!_hasActed)
            {
                _hasActed = true;
                act(folder);
            }

            return error;
        }
    }
}
