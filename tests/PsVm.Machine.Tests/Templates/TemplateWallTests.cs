using Mono.Unix.Native;
using System.Text.Json.Nodes;
using PsVm.Machine.Guests;
using PsVm.Machine.State;
using PsVm.Machine.Templates;
using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests.Templates;

/// <summary>What operators, other processes and odd file systems do to templates.</summary>
public sealed class TemplateWallTests : TemplateTest
{
    private const string TooDeep = "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
        + "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]";

    private const UnixFileMode OwnerMay = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    [Theory]
    [InlineData(BackendKind.Anonymous, true)]
    [InlineData(BackendKind.Anonymous, false)]
    [InlineData(BackendKind.Memfd, true)]
    [InlineData(BackendKind.Memfd, false)]
    public void RAM_of_every_kind_is_in_its_template(BackendKind kind, bool share)
    {
        Backends.Create(new MemoryBackendOptions { Id = "ram", Kind = kind, Size = Memory, Share = share });
        string guest = Boot(new GuestOptions { BackendIds = ["ram"] });
        string check = Check(guest);

        Assert.Equal(check, Check(Clone(Make(guest, new CheckpointOptions { Path = At("t") }))));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void No_file_of_a_template_is_more_readable_than_its_RAM(bool useRamFile)
    {
        string guest = BootShared("ram");
        File.SetUnixFileMode(At("ram"), OwnerMay);

        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t"), UseRamFile = useRamFile });

        Assert.All(
            [.. Directory.GetFiles(template.Path), template.RamBlocks[0].File],
            file => Assert.Equal(UnixFileMode.UserRead, File.GetUnixFileMode(file)));
        Assert.Empty(GuestTemplates.Test(template.Path).Errors);
    }

    [Fact]
    public void A_RAM_file_that_has_not_its_name_any_more_is_not_taken_over()
    {
        string guest = BootShared("ram");
        File.Move(At("ram"), At("ram.real"));
        File.WriteAllBytes(At("ram"), new byte[Memory]);
        UnixFileMode mode = File.GetUnixFileMode(At("ram.real"));

        Assert.Equal(
            GuestErrorIds.CheckpointRamReplaced, ErrorOf(() => Make(guest, new CheckpointOptions { Path = At("t"), UseRamFile = true })));

        Check(guest);
        Assert.Equal(mode, File.GetUnixFileMode(At("ram.real")));
        Assert.False(Directory.Exists(At("t")));
    }

    [Fact]
    public void A_folder_that_came_in_the_templates_place_meanwhile_stays()
    {
        string guest = Boot(new GuestOptions { Memory = Memory });
        Make(guest, new CheckpointOptions { Path = At("t") });
        bool replaced = false;
        Reported progress = new(_ =>
        {
            if (!replaced)
            {
                replaced = true;
                Directory.Move(At("t"), At("moved"));
                Directory.CreateDirectory(At("t"));
                File.WriteAllText(At("t/mine"), "mine");
            }
        });

        Assert.Equal(GuestErrorIds.CheckpointPathInUse, ErrorOf(
            () => Host.Checkpoint(guest, new CheckpointOptions { Path = At("t"), Force = true }, progress, CancellationToken.None)));

        Assert.True(replaced);
        Assert.Equal("mine", File.ReadAllText(At("t/mine")));
        Check(guest);
    }

    [Fact]
    public void A_template_with_more_in_its_folder_is_not_replaced()
    {
        string guest = Boot(new GuestOptions { Memory = Memory });
        Make(guest, new CheckpointOptions { Path = At("t") });
        File.WriteAllText(At("t/notes"), "mine");

        Assert.Equal(GuestErrorIds.CheckpointPathInUse, ErrorOf(() => Make(guest, new CheckpointOptions { Path = At("t"), Force = true })));
        Assert.True(File.Exists(At("t/notes")));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void File_systems_without_flags_and_syncs_take_templates_too(bool force)
    {
        using GuestHost host = new(Backends) { FolderCalls = new PlainFileSystem() };
        string guest = host.Start(new GuestOptions { Memory = Memory }, CancellationToken.None).Name;
        Assert.True(host.WaitForText(guest, "GUEST-UP", Patience, CancellationToken.None));
        CheckpointOptions options = new() { Path = At("t") };
        Guid first = host.Checkpoint(guest, options, null, CancellationToken.None).Id;
        if (force)
        {
            Assert.NotEqual(first, host.Checkpoint(guest, options with { Force = true }, null, CancellationToken.None).Id);
        }

        Assert.Equal(GuestErrorIds.CheckpointPathInUse, ErrorOf(() => host.Checkpoint(guest, options, null, CancellationToken.None)));
        Assert.Equal(["t"], Directory.GetFileSystemEntries(Folder).Select(Path.GetFileName));
        Check(Clone(GuestTemplates.Read(At("t"))));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void When_the_folder_cannot_be_synced_there_is_no_template_and_the_guest_goes_on(bool useRamFile)
    {
        using GuestHost host = new(Backends) { FolderCalls = new FailingSync(At("t")) };
        Backends.Create(new MemoryBackendOptions { Id = "ram", Path = At("ram"), Size = Memory, Share = true });
        string guest = host.Start(new GuestOptions { BackendIds = ["ram"] }, CancellationToken.None).Name;

        Assert.Equal(GuestErrorIds.CheckpointWriteFailed, ErrorOf(
            () => host.Checkpoint(guest, new CheckpointOptions { Path = At("t"), UseRamFile = useRamFile }, null, CancellationToken.None)));

        Assert.Equal(GuestState.Running, host.Get(guest).State);
        Assert.Equal(["ram"], Directory.GetFileSystemEntries(Folder).Select(Path.GetFileName));
        Assert.True(File.GetUnixFileMode(At("ram")).HasFlag(UnixFileMode.UserWrite));
    }

    [Fact]
    public void What_a_cut_short_checkpoint_left_is_told_and_swept_by_the_next()
    {
        string left = At($".t.{Guid.NewGuid():N}.partial");
        Directory.CreateDirectory(left);
        File.WriteAllText(Path.Combine(left, "ram0.bin"), "half");
        Assert.Equal([left], GuestTemplates.Leftovers(Folder));

        MakeTemplate("u");

        Assert.Empty(GuestTemplates.Leftovers(Folder));
        Assert.False(Directory.Exists(left));
    }

    [Fact]
    public void A_template_with_more_in_its_folder_is_not_half_removed()
    {
        GuestTemplate template = MakeTemplate("t");
        File.WriteAllText(Path.Combine(template.Path, "notes.txt"), "mine");

        GuestException error = Assert.Throws<GuestException>(() => GuestTemplates.Remove(template.Path));

        Assert.Equal(GuestErrorIds.CheckpointWriteFailed, error.ErrorId);
        Assert.Contains("'notes.txt'", error.Message, StringComparison.Ordinal);
        Assert.Empty(GuestTemplates.Test(template.Path).Errors);
        File.Delete(Path.Combine(template.Path, "notes.txt"));
        GuestTemplates.Remove(template.Path);
        Assert.False(Directory.Exists(template.Path));
    }

    [Fact]
    public void Of_a_link_to_a_template_only_the_link_is_removed()
    {
        GuestTemplate template = MakeTemplate("web-3");
        Directory.CreateSymbolicLink(At("current"), template.Path);

        GuestTemplates.Remove(At("current"));

        Assert.False(Path.Exists(At("current")));
        Assert.True(GuestTemplates.Test(template.Path).IsValid);
    }

    [Fact]
    public void A_differential_checkpoint_needs_its_parent_when_it_is_made()
    {
        GuestTemplate parent = MakeTemplate("parent");
        string clone = Clone(parent);
        GuestTemplates.Remove(parent.Path);
        CheckpointOptions options = new() { Path = At("d"), Differential = true };
        Assert.Equal(GuestErrorIds.TemplateParentNotFound, ErrorOf(() => Make(clone, options)));
        MakeTemplate("parent");
        Assert.Equal(GuestErrorIds.TemplateParentChanged, ErrorOf(() => Make(clone, options)));
        Check(clone);
    }

    [Fact]
    public void Ids_of_backends_stay_the_same_from_template_to_template()
    {
        GuestTemplate template = Make(BootShared("ram"), new CheckpointOptions { Path = At("t0") });
        for (int i = 1; i < 4; i++)
        {
            template = Make(Clone(template), new CheckpointOptions { Path = At($"t{i}") });
            Assert.Equal("ram", template.RamBlocks.Single().BackendId);
        }
    }

    [Theory]
    [InlineData("ram", "[null]")]
    [InlineData("ram.0.size", "9223372036854775807")]
    [InlineData("ram.0.size", "8192")]
    [InlineData("ram.0.size", "1e400")]
    [InlineData("ram.0.offset", "4096")]
    [InlineData("ram.0.file", "\"../ram0.bin\"")]
    [InlineData("ram.0.file", "\"/dev/../dev/zero\"")]
    [InlineData("ram.0.file", "\"/dev/zero\"")]
    [InlineData("devices", "[\"uart\", \"uart\"]")]
    [InlineData("unknown", "1")]
    [InlineData("guest", "\"\\u001b]0;x\\u0007\"")]
    [InlineData("guest", "\"web\\nroot\"")]
    [InlineData("machineType", "\"virt-1.1\\u202e\"")]
    [InlineData("boot", "\"\\u009b2J\"")]
    [InlineData("isa", "\"rv64\\r\"")]
    [InlineData("devices", "[\"uart\\u0000\"]")]
    [InlineData("ram.0.backendId", "\"\\u001b[2J\"")]
    [InlineData("guest", "@long")]
    [InlineData("boot", "@long")]
    [InlineData("devices", "[@long]")]
    [InlineData("guest", TooDeep)]
    public void A_malformed_description_is_refused_by_test_and_start_alike_and_hides_no_other(string where, string value)
    {
        GuestTemplate template = MakeTemplate("bad", digest: true);
        MakeTemplate("good");
        string path = Path.Combine(template.Path, "template.json");
        JsonNode manifest = JsonNode.Parse(File.ReadAllText(path))!;
        JsonNode parent = where.StartsWith("ram.", StringComparison.Ordinal) ? manifest["ram"]![0]! : manifest;
        parent[where.Split('.')[^1]] = "@";
        File.Delete(path);
        string wrong = value.Replace("@long", $"\"{new string('x', 1025)}\"", StringComparison.Ordinal);
        File.WriteAllText(path, manifest.ToJsonString().Replace("\"@\"", wrong, StringComparison.Ordinal));

        foreach (bool verify in new[] { false, true })
        {
            string error = ErrorOf(() => Clone(new GuestOptions { Template = template.Path, Verify = verify }));
            Assert.Contains(GuestTemplates.Test(template.Path, verify).Errors, found => found.Id == error);
        }

        Assert.Contains(GuestTemplates.List(Folder), other => other.Template is not null && other.Name == "good");
    }

    [Fact]
    public void Names_that_would_control_a_terminal_are_shown_in_templates()
    {
        File.WriteAllBytes(At("ker\nnel"), Support.GuestProgram.Spin);
        Backends.Create(new MemoryBackendOptions { Id = "r\u0007am", Kind = BackendKind.Anonymous, Size = Memory });
        string guest = Clone(new GuestOptions { Name = "web", BackendIds = ["r\u0007am"], Kernel = At("ker\nnel") });

        GuestTemplate template = GuestTemplates.Read(Make(guest, new CheckpointOptions { Path = At("t") }).Path);

        Assert.Equal(("web", "r\\x07am"), (template.Guest, template.RamBlocks.Single().BackendId));
        Assert.Contains("ker\\x0anel", template.Boot, StringComparison.Ordinal);
        Assert.Empty(GuestTemplates.Test(template.Path).Errors);
        Assert.Equal(GuestState.Running, Host.Get(Clone(template)).State);
    }

    [Fact]
    public async Task A_clone_whose_harts_all_sleep_starts_at_once()
    {
        // HSM retentive suspend with no wakeup enabled.
        File.WriteAllBytes(At("kernel"), new Support.GuestProgram().Print('!').Call(0x48534d, 3, 0).PowerOff().ToKernel());
        string guest = Host.Start(new GuestOptions { Memory = Memory, Kernel = At("kernel") }, CancellationToken.None).Name;
        WaitFor(guest, "!");
        await Task.Delay(200);
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });

        string clone = await Task.Run(() => Clone(template)).WaitAsync(TimeSpan.FromSeconds(30));

        Assert.Equal(GuestState.Running, Host.Get(clone).State);
    }

    [Fact]
    public void A_link_among_a_templates_files_is_refused()
    {
        GuestTemplate template = MakeTemplate("t", digest: true);
        File.Move(template.RamBlocks[0].File, At("elsewhere"));
        File.CreateSymbolicLink(template.RamBlocks[0].File, At("elsewhere"));

        Assert.Equal(GuestErrorIds.TemplateRamChanged, ErrorOf(() => Clone(new GuestOptions { Template = template.Path, Verify = true })));
        Assert.Equal(GuestErrorIds.TemplateRamChanged, Assert.Single(GuestTemplates.Test(template.Path).Errors).Id);
    }

    private string BootShared(string name)
    {
        Backends.Create(new MemoryBackendOptions { Id = name, Path = At(name), Size = Memory, Share = true });
        return Boot(new GuestOptions { BackendIds = [name] });
    }

    /// <summary>Cannot sync the folder that a template has just come to.</summary>
    private sealed class FailingSync(string template) : FolderCalls
    {
        public override int SyncFolder(HeldFolder folder) => Directory.Exists(template) ? (int)Errno.EIO : base.SyncFolder(folder);
    }
}
