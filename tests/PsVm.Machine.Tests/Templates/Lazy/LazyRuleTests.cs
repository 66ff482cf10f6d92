using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using PsVm.Machine.Templates;
using PsVm.Machine.Tests.Support;
using PsVm.Memory;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests.Templates.Lazy;

/// <summary>What may be asked of guests whose RAM is coming, and what is refused before anything is made.</summary>
public sealed class LazyRuleTests : LazyTest
{
    private const int Page = 4096;
    private const long PatternOffset = 8 << 20;

    [Theory]
    [InlineData(DiscardPolicy.ZeroOverlay)]
    [InlineData(DiscardPolicy.RestoreTemplate)]
    public void What_was_discarded_before_it_came_stays_discarded(DiscardPolicy policy)
    {
        GuestTemplate template = MakeLarge("t", out _);
        TestSource source = Use(template, source => source.AnsweredReads = 0);
        string guest = StartLazily(template, arrange: options => options with { DiscardPolicy = policy });
        Host.Suspend(guest);
        MemoryBackend ram = Backends.List().Single();

        ram.Discard(PatternOffset, 2 * ChunkSize);
        source.Answers.Set();
        WaitForFill(guest, GuestFillState.Complete);

        byte[] expected = policy == DiscardPolicy.ZeroOverlay
            ? new byte[2 * ChunkSize]
            : ContentOf(template)[(int)PatternOffset..][..(2 * ChunkSize)];
        Assert.Equal(expected, Read(ram, PatternOffset, 2 * ChunkSize));
        Assert.Equal(
            ContentOf(template)[(int)(PatternOffset + (2 * ChunkSize))..],
            Read(ram, PatternOffset + (2 * ChunkSize), (int)(LargeMemory - PatternOffset - (2 * ChunkSize))));

        // And a template of it has what it reads.
        GuestTemplate second = Make(guest, new CheckpointOptions { Path = At("second") });
        Assert.Equal(expected, ContentOf(second)[(int)PatternOffset..][..(2 * ChunkSize)]);
    }

    [Fact]
    public void A_checkpoint_waits_for_the_rest_and_says_so()
    {
        GuestTemplate template = MakeLarge("t", out string check);
        TestSource source = Use(template, BeSlow);
        string guest = StartLazily(template);
        Ask(guest, "spin 1", "spin: ");
        ConcurrentQueue<StepProgress> told = [];
        Reported progress = new(step =>
        {
            told.Enqueue(step);
            source.Delay = TimeSpan.FromMilliseconds(1);
        });

        GuestTemplate second = Host.Checkpoint(guest, new CheckpointOptions { Path = At("second") }, progress, CancellationToken.None);

        Assert.Equal(GuestFillState.Complete, FillOf(guest).State);
        StepProgress[] filling = [.. told.Where(step => step.Step == HostStep.Filling)];
        Assert.NotEmpty(filling);
        Assert.All(filling, step => Assert.Equal(FillOf(guest).Bytes, step.Total));
        Assert.Equal(filling.Select(step => step.Done).Order(), filling.Select(step => step.Done));
        Assert.Contains(told, step => step.Step == HostStep.Writing);
        Assert.Equal(check, Check(Clone(second)));
    }

    [Fact]
    public void Guests_that_are_copied_while_their_RAM_comes_are_copied_whole()
    {
        GuestTemplate template = MakeLarge("t", out string check);
        Use(template, source => source.Delay = TimeSpan.FromMilliseconds(5));
        string guest = StartLazily(template);

        GuestTemplate hidden = Host.CheckpointHidden(guest, null, CancellationToken.None);
        string copy = Clone(hidden);
        Host.ReleaseHidden(hidden.Path);

        Assert.Equal(check, Check(copy));
    }

    [Fact]
    public void A_checkpoint_is_refused_when_the_rest_does_not_come_and_the_guest_lives()
    {
        GuestTemplate template = MakeLarge("t", out _);
        Use(template, source => source.OnRead = (_, _, _) => source.Reads.Count < 30 ? null : throw new IOException("the line is cut"));
        string guest = StartLazily(template);
        Host.Suspend(guest);

        Assert.Equal(GuestErrorIds.LazySourceFailed, ErrorOf(() => Make(guest, new CheckpointOptions { Path = At("second") })));

        Assert.False(Directory.Exists(At("second")));
        Assert.Equal(GuestState.Suspended, Host.Get(guest).State);
    }

    [Fact]
    public void Guests_reboot_and_are_reset_while_their_RAM_comes()
    {
        GuestTemplate template = MakeLarge("t", out string check);
        TestSource source = Use(template, BeSlow);
        string guest = StartLazily(template);
        Ask(guest, "touch 9", "touch: ");
        Assert.Equal(GuestFillState.Filling, FillOf(guest).State);
        source.Delay = TimeSpan.FromMilliseconds(10);

        Host.Reset(guest);
        Assert.Equal($"touch: pages={PatternPages} generation=3", Ask(guest, $"touch {PatternPages}", "touch: "));
        Host.Reset(guest);
        Assert.Equal(check, Check(guest));
        WaitForFill(guest, GuestFillState.Complete);
        Ask(guest, "touch 9", "touch: ");
        Host.Reset(guest);
        Assert.Equal(check, Check(guest));
        Host.Stop(guest);
        Host.Reset(guest);
        Assert.Equal(check, Check(guest));
    }

    [Fact]
    public void A_working_set_is_recorded_of_a_guest_whose_RAM_comes()
    {
        GuestTemplate template = MakeLarge("t", out _);
        Use(template, BeSlow);
        string guest = StartLazily(template);
        Ask(guest, "spin 1", "spin: ");

        TemplateWorkingSet set = Host.RecordWorkingSet(guest);

        Assert.Equal(template.Path, set.Template);
        Assert.InRange(set.Bytes, Page, LargeMemory / 2);
    }

    [Theory]
    [InlineData("deny", MemoryErrorIds.ConsumerNeedsDiscard)]
    [InlineData("policy", MemoryErrorIds.ConsumerNeedsDiscard)]
    [InlineData("no discards", MemoryErrorIds.ConsumerNeedsDiscard)]
    [InlineData("no template", GuestErrorIds.TemplateOptionConflict)]
    [InlineData("not lazy", GuestErrorIds.TemplateOptionConflict)]
    [InlineData("other file", GuestErrorIds.TemplateOptionConflict)]
    [InlineData("differential", GuestErrorIds.LazyTemplateUnsupported)]
    [InlineData("no digests", GuestErrorIds.LazyTemplateUnsupported)]
    [InlineData("in use", GuestErrorIds.CheckpointPathInUse)]
    [InlineData("another template", GuestErrorIds.CheckpointPathInUse)]
    [InlineData("in the template", GuestErrorIds.CheckpointPathInUse)]
    [InlineData("pool", GuestErrorIds.GuestPoolOptionConflict)]
    public void What_cannot_be_is_refused_early_and_foretold(string what, string errorId)
    {
        GuestTemplate template = MakeTemplate("t");
        GuestOptions options = new() { Template = template.Path, Lazy = true, Destination = At("copy") };
        options = what switch
        {
            "deny" => options with { DenyPrivateDiscard = true },
            "no discards" => options with { DiscardPolicy = DiscardPolicy.Deny },
            "no template" => options with { Template = null },
            "not lazy" => options with { Lazy = false },
            "other file" => options with { MemoryPath = template.RamBlocks.Single().File, Verify = true },
            "in the template" => options with { Destination = At("t/copy") },
            "pool" => new GuestOptions { Pool = "web", Lazy = true },
            _ => options,
        };
        switch (what)
        {
            case "policy":
                Backends.SetPolicy(denyPrivateDiscard: true);
                break;
            case "differential":
                options =
                    options with { Template = Make(Clone(template), new CheckpointOptions { Path = At("d"), Differential = true }).Path };
                break;
            case "no digests":
                string manifest = Path.Combine(template.Path, "template.json");
                JsonNode description = JsonNode.Parse(File.ReadAllText(manifest))!;
                description["formatVersion"] = 1;
                description["ram"]![0]!.AsObject().Remove("changedNanoseconds");
                description["ram"]![0]!.AsObject().Remove("digest");
                File.Delete(manifest);
                File.WriteAllText(manifest, description.ToJsonString());
                break;
            case "in use":
                File.WriteAllText(At("copy"), string.Empty);
                break;
            case "another template":
                MakeTemplate("copy");
                break;
        }

        string[] before = [.. Directory.GetFileSystemEntries(Folder, "*", SearchOption.AllDirectories).Order()];
        Assert.Equal(errorId, ErrorOf(() => Host.CheckStart(options)));
        Assert.Equal(errorId, ErrorOf(() => Host.Start(options, CancellationToken.None)));
        Assert.Equal(before, Directory.GetFileSystemEntries(Folder, "*", SearchOption.AllDirectories).Order());
    }

    [Fact]
    public void DenyPrivateDiscard_is_no_bar_where_it_is_lifted()
    {
        GuestTemplate template = MakeLarge("t", out string check);
        Backends.SetPolicy(denyPrivateDiscard: true);

        string guest = StartLazily(template, At("copy"), options => options with { AllowPrivateDiscard = true });

        Assert.Equal(check, Check(guest));
    }

    [Fact]
    public void Two_templates_have_not_one_destination()
    {
        GuestTemplate first = MakeLarge("first", out _), second = MakeTemplate("second");
        Use(first, source => source.AnsweredReads = 0);
        string guest = StartLazily(first, At("copy"));
        Host.OpenLazySource = PsVm.Machine.Templates.Lazy.LocalSource.Open;

        Assert.Equal(GuestErrorIds.CheckpointPathInUse, ErrorOf(() => StartLazily(second, At("copy"))));

        Assert.Equal(GuestState.Running, Host.Get(guest).State);
    }

    [SkippableFact]
    public void A_destination_on_hugetlbfs_is_refused_and_a_source_there_is_not()
    {
        using HugePages pages = new(16);
        using TestFolder folder = new();
        using Mounted mount = PsVm.Memory.Tests.Support.Host.Mount(folder, "hugetlbfs");
        Backends.Create(new MemoryBackendOptions { Id = "ram", Path = mount.In("ram"), Size = Memory, Share = true });
        string guest = Boot(new GuestOptions { BackendIds = ["ram"] });
        string check = Check(guest);
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t"), UseRamFile = true });

        Assert.Equal(GuestErrorIds.CheckpointFileSystem, ErrorOf(() => StartLazily(template, mount.In("copy"))));
        Assert.False(Directory.Exists(mount.In("copy")));
        string clone = StartLazily(template, At("copy"));
        Assert.Equal(check, Check(clone));
        WaitForFill(clone, GuestFillState.Complete); // which has closed its source

        Host.Dispose(); // before its RAM is unmounted
        Backends.Dispose();
    }

    [SkippableFact]
    public void A_destination_without_room_is_refused_before_anything_is_fetched()
    {
        GuestTemplate template = MakeLarge("t", out _);
        TestSource source = Use(template);
        using TestFolder folder = new();
        using Mounted mount = PsVm.Memory.Tests.Support.Host.Mount(folder, "tmpfs", "size=4m");

        Assert.Equal(GuestErrorIds.CheckpointDiskFull, ErrorOf(() => StartLazily(template, mount.In("copy"))));

        Assert.Empty(source.Reads);
        Assert.Empty(Directory.GetFileSystemEntries(mount.In(".")));
    }

    [SkippableFact]
    public void A_destination_that_fills_up_ends_the_guests_that_need_more()
    {
        GuestTemplate template = MakeLarge("t", out string check);
        string other = Clone(template);
        using TestFolder folder = new();
        using Mounted mount = PsVm.Memory.Tests.Support.Host.Mount(folder, "tmpfs", "size=15m");
        Use(template, source => source.OnRead = (_, _, _) =>
        {
            if (source.Reads.Count == 10)
            {
                File.WriteAllBytes(mount.In("others"), new byte[8 << 20]);
            }

            return null;
        });

        string guest = StartLazily(template, mount.In("copy"));
        Host.WriteConsole(guest, "check\r");

        Assert.True(Host.WaitForState(guest, GuestState.Failed, Patience, CancellationToken.None));
        Assert.Equal(GuestErrorIds.CheckpointDiskFull, Host.Get(guest).Failure!.Id);
        Assert.Equal(check, Check(other));
        Host.Dispose(); // before its RAM is unmounted
        Backends.Dispose();
    }

    private static byte[] ContentOf(GuestTemplate template) => File.ReadAllBytes(template.RamBlocks.Single().File);

    private static unsafe byte[] Read(MemoryBackend ram, long offset, int length) =>
        new Span<byte>((byte*)ram.Address + offset, length).ToArray();
}
