using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Machine.State;
using PsVm.Machine.Templates;
using PsVm.Memory;
using PsVm.Memory.Mapping;

namespace PsVm.Machine.Tests.Templates;

/// <summary>What clones touch first, recorded beside their template and read ahead.</summary>
public sealed class WorkingSetTests : TemplateTest
{
    private const int Page = 4096;
    private const long PatternPages = 12_000;

    [Fact]
    public void What_a_new_clone_touches_is_recorded_beside_the_template_and_the_clone_is_gone()
    {
        GuestTemplate template = MakeTemplate("web");
        string[] before = Directory.GetFiles(template.Path);

        TemplateWorkingSet set = Host.RecordWorkingSet(template.Path, TimeSpan.FromMilliseconds(50));

        Assert.Equal(At(".web.working-set"), set.Path);
        Assert.Equal(before, Directory.GetFiles(template.Path));
        Assert.InRange(set.Bytes, Page, Memory);
        Assert.InRange(set.Ranges, 1, 1000);
        Assert.Equal((set.Bytes, set.Ranges), (WorkingSet.Of(template)!.Bytes, WorkingSet.Of(template)!.Count));
        Assert.Empty(Host.List());
        Assert.True(GuestTemplates.Test(template.Path).IsValid);
        Assert.Equal([At("web"), At(".web.working-set")], Directory.GetFileSystemEntries(Folder).Order(StringComparer.Ordinal).Reverse());
    }

    [SkippableFact]
    public void Pages_that_are_not_in_memory_are_read_ahead_and_only_those()
    {
        GuestTemplate template = MakeLarge();
        string clone = Clone(template);
        string checksum = Check(clone); // all pages of the pattern
        Assert.InRange(Host.RecordWorkingSet(clone).Bytes, PatternPages * Page, template.Memory);
        End(clone);

        // Far behind what a clone touches when it goes on, and what the kernel reads around that.
        PageRange far = new((PatternPages - 1000) * Page, 1000 * Page);
        TemplateWorkingSet set = new WorkingSet([[far]]).Write(template);
        File.Move(set.Path, set.Path + ".away");
        Evict(template);
        Skip.If(CachedBytes(template, far) > 0, "the kernel does not forget files of this file system");
        clone = Clone(template);
        Thread.Sleep(50);
        Assert.Equal(0, CachedBytes(template, far));
        End(clone);

        File.Move(set.Path + ".away", set.Path);
        clone = Clone(template);
        Assert.True(SpinWait.SpinUntil(() => CachedBytes(template, far) == far.Length, Patience), $"{CachedBytes(template, far)}");
        Assert.Equal(checksum, Check(clone));
    }

    [Theory]
    [InlineData("cut short")]
    [InlineData("flipped")]
    [InlineData("empty")]
    [InlineData("of another template")]
    [InlineData("outside the RAM")]
    [InlineData("of no whole pages")]
    [InlineData("of more blocks")]
    [InlineData("with another section")]
    [InlineData("a folder")]
    [InlineData("a FIFO")]
    public void A_set_that_makes_no_sense_is_none(string how)
    {
        GuestTemplate template = MakeTemplate("web");
        string path = WorkingSet.PathOf(template.Path);
        byte[] good = Bytes(template.Id, [[new PageRange(0, Page)]]);
        switch (how)
        {
            case "a folder":
                Directory.CreateDirectory(path);
                break;
            case "a FIFO":
                Assert.Equal(0, Syscall.mkfifo(path, FilePermissions.DEFFILEMODE));
                break;
            default:
                File.WriteAllBytes(path, how switch
                {
                    "cut short" => good[..^1],
                    "flipped" => [.. good[..^1], (byte)(good[^1] ^ 1)],
                    "empty" => [],
                    "of another template" => Bytes(Guid.NewGuid(), [[new PageRange(0, Page)]]),
                    "outside the RAM" => Bytes(template.Id, [[new PageRange(Memory - Page, 2 * Page)]]),
                    "of no whole pages" => Bytes(template.Id, [[new PageRange(0, Page + 1)]]),
                    "of more blocks" => Bytes(template.Id, [[], []]),
                    _ => StateFile.Write(template.Id, [new StateSection("clock", 1, new byte[8])]),
                });
                break;
        }

        Assert.Null(WorkingSet.Of(template));
        string clone = Clone(template);
        Check(clone);
        End(clone);
        GuestTemplates.Remove(template.Path);
        Assert.Equal(how is "empty" or "a folder" or "a FIFO", Path.Exists(path));
    }

    [Fact]
    public void Of_a_template_that_is_replaced_the_old_set_does_not_count_and_a_new_one_does()
    {
        GuestTemplate template = MakeTemplate("web");
        Host.RecordWorkingSet(template.Path, TimeSpan.Zero);
        string guest = Boot(new GuestOptions { Memory = Memory });
        GuestTemplate next = Make(guest, new CheckpointOptions { Path = template.Path, Force = true });
        Assert.Null(WorkingSet.Of(next));
        Assert.False(File.Exists(At(".web.working-set"))); // nothing of it is left
        Host.RecordWorkingSet(template.Path, TimeSpan.Zero);
        Assert.NotNull(WorkingSet.Of(next));
    }

    [Fact]
    public void A_set_goes_with_what_says_the_same_wherever_that_is()
    {
        GuestTemplate template = MakeTemplate("web"), other = MakeTemplate("other");
        string clone = Clone(template);
        Ask(clone, "touch 100", "touch: ");
        GuestTemplate child = Make(clone, new CheckpointOptions { Path = At("child"), Differential = true });
        TemplateWorkingSet set = Host.RecordWorkingSet(child.Path, TimeSpan.Zero);
        Host.RecordWorkingSet(other.Path, TimeSpan.Zero);
        TemplateHost templates = new();
        TemplateCopyOptions To(string name, bool force = false) => new() { Destination = At(name), Force = force };

        // Merged elsewhere, copied and moved to the place of another one, and merged in place.
        AssertSame(templates.Compress(child.Path, new CompressOptions { Destination = At("merged") }));
        AssertSame(templates.Copy(child.Path, To("other", force: true), null, CancellationToken.None));
        AssertSame(child);
        GuestTemplate moved = templates.Move(child.Path, To("moved"), null, CancellationToken.None);
        AssertSame(moved);
        Assert.False(File.Exists(At(".child.working-set")));
        AssertSame(templates.Compress(moved.Path, new CompressOptions()));
        Assert.Null(GuestTemplates.Read(moved.Path).Parent);
        AssertSame(GuestTemplates.Read(moved.Path));
        Check(Clone(moved));

        // Of one that has none, none is left.
        Assert.Null(WorkingSet.Of(templates.Copy(template.Path, To("other", force: true), null, CancellationToken.None)));
        Assert.False(File.Exists(At(".other.working-set")));

        void AssertSame(GuestTemplate there)
        {
            WorkingSet? found = WorkingSet.Of(there);
            Assert.Equal((set.Bytes, set.Ranges), (found?.Bytes, found?.Count));
        }
    }

    [Fact]
    public void What_cannot_be_recorded_is_an_error_and_leaves_nothing()
    {
        GuestTemplate template = MakeTemplate("web");
        string booted = Boot(new GuestOptions { Memory = Memory });
        Assert.Equal(GuestErrorIds.WorkingSetNotClone, Assert.Throws<GuestException>(() => Host.RecordWorkingSet(booted)).ErrorId);
        string clone = Clone(template);
        Host.Stop(clone);
        Assert.Equal(GuestErrorIds.GuestStopped, Assert.Throws<GuestException>(() => Host.RecordWorkingSet(clone)).ErrorId);
        Assert.Equal(
            GuestErrorIds.TemplateNotFound, Assert.Throws<GuestException>(() => Host.RecordWorkingSet(At("none"), TimeSpan.Zero)).ErrorId);
        Directory.CreateDirectory(Path.Combine(WorkingSet.PathOf(template.Path), "not empty"));
        GuestException unwritable = Assert.Throws<GuestException>(() => Host.RecordWorkingSet(template.Path, TimeSpan.Zero));
        Assert.Equal(GuestErrorIds.WorkingSetUnwritable, unwritable.ErrorId);
        Assert.Single(Directory.GetFileSystemEntries(Folder, ".web*"));
        using CancellationTokenSource given = new();
        given.CancelAfter(50);
        Assert.ThrowsAny<OperationCanceledException>(() => Host.RecordWorkingSet(template.Path, TimeSpan.FromHours(1), given.Token));
        Assert.Equal([booted, clone], Host.List().Select(guest => guest.Name));
    }

    [Fact]
    public void A_chain_has_a_set_of_its_own_and_only_the_child_s_goes_with_it()
    {
        GuestTemplate template = MakeTemplate("web");
        Host.RecordWorkingSet(template.Path, TimeSpan.Zero);
        string clone = Clone(template);
        Ask(clone, "touch 100", "touch: ");
        GuestTemplate child = Make(clone, new CheckpointOptions { Path = At("child"), Differential = true });
        Assert.Null(WorkingSet.Of(child));
        Host.RecordWorkingSet(child.Path, TimeSpan.Zero);
        Check(Clone(child));
        GuestTemplates.Remove(child.Path);
        Assert.False(File.Exists(At(".child.working-set")));
        Assert.NotNull(WorkingSet.Of(template));
    }

    [Fact]
    public void Looks_give_ranges_in_the_order_in_which_pages_were_new_and_close_ones_are_one()
    {
        WorkingSetRecorder recorder = new([1 << 20, 1 << 20]);
        recorder.Look([[Pages(50, 2)], []]);
        recorder.Look([[Pages(10, 1), Pages(12, 1), Pages(49, 4)], [Pages(0, 256)]]);
        recorder.Look([[Pages(10, 1)], [Pages(0, 256)]]);
        recorder.ToSet().Write(Described());

        StateStream stream = new(StateFile.Read("", File.ReadAllBytes(At(".t.working-set")), Described().Id)[0].Content);
        IReadOnlyList<PageRange>[] blocks = MachineState.TransferRanges(stream, []);
        Assert.Equal([Pages(50, 2), Pages(10, 3), Pages(49, 4)], blocks[0]); // with what lies between
        Assert.Equal([Pages(0, 256)], blocks[1]);

        static PageRange Pages(long first, long count) => new(first * Page, count * Page);
    }

    private static byte[] Bytes(Guid id, IReadOnlyList<IReadOnlyList<PageRange>> blocks)
    {
        StateStream stream = new();
        MachineState.TransferRanges(stream, blocks);
        return StateFile.Write(id, [new StateSection("workingset", 1, stream.ToArray())]);
    }

    private GuestTemplate Described() => new()
    {
        Path = At("t"), Id = new Guid(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), Guest = "g", MachineType = "virt-1.1", Board = "virt",
        Isa = "rv64", Boot = "b",
    };

    /// <summary>A template of a guest that has many pages of pattern.</summary>
    private GuestTemplate MakeLarge()
    {
        string guest = Boot(new GuestOptions { Memory = 64 << 20 });
        Ask(guest, $"touch {PatternPages}", "touch: ");
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("large") });
        End(guest);
        return template;
    }

    private static void Evict(GuestTemplate template)
    {
        using SafeFileHandle file = File.OpenHandle(template.RamBlocks[0].File);
        Assert.Equal(0, Syscall.posix_fadvise((int)file.DangerousGetHandle(), 0, 0, PosixFadviseAdvice.POSIX_FADV_DONTNEED));
    }

    /// <summary>What of a range of the template's RAM file is in memory, by a mapping of it that touches nothing.</summary>
    private long CachedBytes(GuestTemplate template, PageRange range)
    {
        MemoryBackend look = Backends.Create(new MemoryBackendOptions { Path = template.RamBlocks[0].File, Size = template.Memory });
        long cached =
            Enumerable.Range(0, (int)(range.Length / Page)).Count(page => look.IsCached(range.Offset + (page * Page))) * (long)Page;
        look.Dispose();
        return cached;
    }
}
