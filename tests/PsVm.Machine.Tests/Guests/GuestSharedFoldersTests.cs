using PsVm.Machine.Tests.Templates;

namespace PsVm.Machine.Tests.Guests;

/// <summary>Shared folders of guests and clones, and what is refused of them, without a driver.</summary>
public sealed class GuestSharedFoldersTests : TemplateTest
{
    [Fact]
    public void A_guest_with_folders_has_a_board_with_slots_and_tells_of_them()
    {
        string with = Boot(Sharing(Folder("a"), Folder("b")));
        string without = Boot(new GuestOptions { Memory = Memory });

        Assert.Equal(("virt-1.4", "virt-1.1"), (Host.Get(with).MachineType, Host.Get(without).MachineType));
        Assert.Equal(
            [("folder0", At("a")), ("folder1", At("b"))], Host.SharedFolders.Get(with).Select(folder => (folder.Tag, folder.Path!)));
        Assert.Empty(Host.SharedFolders.Get(without));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a/b")]
    [InlineData("with space")]
    [InlineData("thirty-two-letters-are-one-too-m")]
    [InlineData("folder1")] // the tag of the other
    public void A_tag_is_one_and_of_one(string tag) => Assert.Equal(
        GuestErrorIds.SharedFolderTagInvalid,
        Refused(new GuestOptions
        {
            Memory = Memory,
            SharedFolders =
                [new GuestSharedFolderOptions { Path = Folder("a"), Tag = tag }, new GuestSharedFolderOptions { Path = Folder("b") }],
        }));

    [Fact]
    public void What_is_no_folder_is_refused_before_anything_is_made()
    {
        File.WriteAllText(At("file"), "");
        Assert.Equal(GuestErrorIds.SharedFolderUnavailable, Refused(Sharing(At("none"))));
        Assert.Equal(GuestErrorIds.SharedFolderUnavailable, Refused(Sharing(At("file"))));
        Assert.Equal(GuestErrorIds.SharedFolderUnavailable, ErrorOf(() => Host.CheckStart(Sharing(At("none")))));
        Assert.Equal(GuestErrorIds.GuestSlotsMissing, Refused(Sharing(Folder("a")) with { MachineType = "virt-1.2" }));
        Assert.Equal(GuestErrorIds.GuestSlotsMissing, Refused(Sharing([.. Enumerable.Range(0, 8).Select(i => Folder($"f{i}"))])));
        Assert.Empty(Host.List());
    }

    [Theory]
    [InlineData(BackendKind.File, true, DiscardPolicy.Auto, false)]
    [InlineData(BackendKind.File, false, DiscardPolicy.Auto, true)]
    [InlineData(BackendKind.File, true, DiscardPolicy.Deny, false)]
    [InlineData(BackendKind.Memfd, true, DiscardPolicy.Auto, false)]
    [InlineData(BackendKind.Memfd, false, DiscardPolicy.Auto, false)]
    public void Memory_of_any_kind_will_do(BackendKind kind, bool share, DiscardPolicy policy, bool deny)
    {
        if (!share && kind == BackendKind.File)
        {
            File.WriteAllBytes(At("ram"), new byte[Memory]);
        }

        Backends.Create(new MemoryBackendOptions
        {
            Id = "ram", Kind = kind, Share = share, Size = Memory, Path = kind == BackendKind.File ? At("ram") : null,
            DiscardPolicy = policy,
            DenyPrivateDiscard = deny,
        });
        string guest = Boot(new GuestOptions { BackendIds = ["ram"], SharedFolders = [Of(Folder("a"))] });
        Check(guest);
        Assert.Equal(At("a"), Assert.Single(Host.SharedFolders.Get(guest)).Path);
    }

    [Fact]
    public void A_template_knows_tags_and_no_paths_and_clones_have_the_folders_that_they_are_given()
    {
        string guest = Boot(Sharing(Folder("a"), Folder("b")));
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });
        Assert.Equal(["folder:folder0", "folder:folder1"], template.Slots);
        Assert.DoesNotContain(At("a"), File.ReadAllText(Path.Combine(template.Path, "template.json")), StringComparison.Ordinal);
        End(guest);
        Directory.Delete(At("a"));

        string clone = Clone(new GuestOptions
        {
            Template = template.Path,
            SharedFolders = [new GuestSharedFolderOptions { Path = Folder("c"), Tag = "folder1", ReadOnly = true }],
        });
        Check(clone);
        Assert.Equal(
            [("folder0", null, false), ("folder1", At("c"), true)],
            Host.SharedFolders.Get(clone).Select(folder => (folder.Tag, folder.Path, folder.ReadOnly)));
        HostEvent warning = Assert.Single(Host.ReadEvents(0).Events, happened => happened.Id == HostEventIds.GuestDeviceFailed);
        Assert.Contains("'folder0'", warning.Message, StringComparison.Ordinal);
        Assert.Contains("Add-GuestSharedFolder", warning.Message, StringComparison.Ordinal);

        Host.Reset(clone);
        Check(clone);
        Assert.Equal(
            GuestErrorIds.TemplateFolderMissing,
            Refused(
                new GuestOptions
                {
                    Template = template.Path, SharedFolders = [new GuestSharedFolderOptions { Path = At("c"), Tag = "other" }],
                }));
        Assert.Equal(
            GuestErrorIds.TemplateFolderMissing, Refused(Sharing(At("c"), At("b"), At("c")) with { Template = template.Path, Memory = 0 }));
        GuestTemplate second = Make(clone, new CheckpointOptions { Path = At("t2") });
        Assert.Equal(template.Slots, second.Slots);
        Check(Clone(second));
    }

    [Fact]
    public void A_slot_is_given_another_folder_while_its_guest_runs()
    {
        string guest = Boot(Sharing(Folder("a")));
        Assert.Equal(GuestErrorIds.GuestNotStopped, ErrorOf(() => Host.SharedFolders.Add(guest, Of(Folder("b")))));
        Assert.Equal(GuestErrorIds.GuestSharedFolderNotFound, ErrorOf(() => Host.SharedFolders.Remove(guest, "folder1")));

        Host.SharedFolders.CheckRemove(guest, "folder0");
        Host.SharedFolders.Remove(guest, "folder0");
        Assert.Null(Assert.Single(Host.SharedFolders.Get(guest)).Path);
        Assert.Equal(GuestErrorIds.SharedFolderUnavailable, ErrorOf(() => Host.SharedFolders.CheckAdd(guest, Of(At("none")))));
        Assert.Equal(GuestErrorIds.SharedFolderUnavailable, ErrorOf(() => Host.SharedFolders.Add(guest, Of(At("none")))));
        Assert.Equal(("folder0", At("b")), Host.SharedFolders.Add(guest, Of(At("b"))) is var added ? (added.Tag, added.Path!) : default);
        Check(guest);

        // The next life has it, too; off, the slot goes with the folder, and comes again.
        Host.Stop(guest);
        Host.StartAgain(guest, CancellationToken.None);
        Assert.Equal(At("b"), Assert.Single(Host.SharedFolders.Get(guest)).Path);
        Host.Stop(guest);
        Host.SharedFolders.Remove(guest, "folder0");
        Assert.Empty(Host.SharedFolders.Get(guest));
        Assert.Equal("code", Host.SharedFolders.Add(guest, Of(At("a")) with { Tag = "code" }).Tag);
        Assert.Equal("folder0", Host.SharedFolders.Add(guest, Of(At("b"))).Tag);
        Assert.Equal(GuestErrorIds.SharedFolderTagInvalid, ErrorOf(() => Host.SharedFolders.Add(guest, Of(At("b")) with { Tag = "code" })));
        Host.StartAgain(guest, CancellationToken.None);
        Assert.Equal(["code", "folder0"], Host.SharedFolders.Get(guest).Select(folder => folder.Tag));
    }

    [Fact]
    public void A_clone_keeps_its_slots_when_folders_come_and_go()
    {
        string guest = Boot(Sharing(Folder("a")));
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });
        string clone = Clone(new GuestOptions { Template = template.Path, SharedFolders = [Of(At("a"))] });
        Assert.Equal(GuestErrorIds.SharedFolderTagInvalid, ErrorOf(() =>
        {
            Host.Stop(clone);
            Host.SharedFolders.Add(clone, Of(At("a")) with { Tag = "folder0" });
        }));
        Host.SharedFolders.Remove(clone, "folder0");
        Host.StartAgain(clone, CancellationToken.None);
        Assert.Null(Assert.Single(Host.SharedFolders.Get(clone)).Path);
        Host.SharedFolders.Add(clone, Of(Folder("b")));
        Host.Reset(clone);
        Check(clone);
        Assert.Equal(At("b"), Assert.Single(Host.SharedFolders.Get(clone)).Path);
        Assert.Equal(GuestErrorIds.TemplateFolderMissing, ErrorOf(() =>
        {
            Host.Stop(clone);
            Host.SharedFolders.Add(clone, Of(At("a")) with { Tag = "more" });
        }));
    }

    private static GuestSharedFolderOptions Of(string path) => new() { Path = path };

    private static GuestOptions Sharing(params string[] folders) => new() { Memory = Memory, SharedFolders = [.. folders.Select(Of)] };

    private new string Folder(string name) => Directory.CreateDirectory(At(name)).FullName;

    private string Refused(GuestOptions options) => ErrorOf(() => Host.Start(options, CancellationToken.None));
}
