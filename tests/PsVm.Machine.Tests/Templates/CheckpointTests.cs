using System.Collections.Concurrent;
using PsVm.Machine.Templates;
using PsVm.Machine.Tests.Support;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests.Templates;

/// <summary>Making templates: what can be in the way, and that the guest goes on.</summary>
public sealed class CheckpointTests : TemplateTest
{
    [Fact]
    public void What_is_at_the_path_stays_unless_it_is_a_template_and_Force_is_given()
    {
        string guest = Boot(new GuestOptions { Memory = Memory });
        Directory.CreateDirectory(At("folder"));
        File.WriteAllText(At("file"), "mine");
        GuestTemplate first = Make(guest, new CheckpointOptions { Path = At("t") });

        foreach (string name in new[] { "folder", "file" })
        {
            AssertRefused(guest, GuestErrorIds.CheckpointPathInUse, new CheckpointOptions { Path = At(name), Force = true });
        }

        AssertRefused(guest, GuestErrorIds.CheckpointPathInUse, new CheckpointOptions { Path = At("t") });
        Assert.Equal(first.Id, GuestTemplates.Read(At("t")).Id);
        string clone = Clone(first);

        GuestTemplate second = Make(guest, new CheckpointOptions { Path = At("t"), Force = true });

        Assert.NotEqual(first.Id, second.Id);
        Assert.Equal(second.Id, GuestTemplates.Read(At("t")).Id);
        Check(clone);
        Check(Clone(second));
        Assert.Equal(["file", "folder", "t"], Directory.GetFileSystemEntries(Folder).Select(Path.GetFileName).Order());
    }

    [SkippableFact]
    public void A_full_disk_leaves_the_guest_as_it_was_and_no_template()
    {
        using TestFolder folder = new();
        using Mounted small = PsVm.Memory.Tests.Support.Host.Mount(folder, "tmpfs", "size=400k");
        string guest = Boot(new GuestOptions { Memory = Memory });

        AssertRefused(guest, GuestErrorIds.CheckpointDiskFull, new CheckpointOptions { Path = small.In("t") });

        Assert.Empty(Directory.GetFileSystemEntries(small.Path));
    }

    [Fact]
    public void Only_one_checkpoint_of_a_guest_at_a_time()
    {
        string guest = Boot(new GuestOptions { Memory = Memory });
        string? second = null;
        Reported progress = new(_ => second ??= ErrorOf(() => Make(guest, new CheckpointOptions { Path = At("second") })));

        Host.Checkpoint(guest, new CheckpointOptions { Path = At("first") }, progress, CancellationToken.None);

        Assert.Equal(GuestErrorIds.CheckpointInProgress, second);
        Check(guest);
        Assert.Equal("first", Path.GetFileName(Assert.Single(Directory.GetDirectories(Folder))));
    }

    [Fact]
    public void Progress_is_told_in_bytes_of_the_RAM_up_to_all_of_them()
    {
        string guest = Boot(new GuestOptions { Memory = Memory });
        List<StepProgress> told = [];

        Host.Checkpoint(guest, new CheckpointOptions { Path = At("t"), Digest = true }, new Reported(told.Add), CancellationToken.None);

        Assert.All(told, report => Assert.Equal(Memory, report.Total));
        Assert.Equal([HostStep.Writing, HostStep.Hashing], told.Select(report => report.Step).Distinct());
        Assert.All(told.GroupBy(report => report.Step), step =>
        {
            Assert.Equal(step.Select(report => report.Done).Order(), step.Select(report => report.Done));
            Assert.Equal(Memory, step.Last().Done);
        });
    }

    [Fact]
    public void Progress_of_hashing_is_told_without_a_digest_of_the_whole_file_too()
    {
        string guest = Boot(new GuestOptions { Memory = Memory });
        ConcurrentQueue<StepProgress> told = [];

        Host.Checkpoint(guest, new CheckpointOptions { Path = At("t") }, new Reported(told.Enqueue), CancellationToken.None);

        Assert.Contains(told, report => report is { Step: HostStep.Hashing, Done: > 0 and <= (long)Memory });
    }

    [Fact]
    public void A_cancelled_checkpoint_leaves_the_guest_running_and_nothing_else()
    {
        string guest = Boot(new GuestOptions { Memory = Memory });
        using CancellationTokenSource source = new();

        Assert.ThrowsAny<OperationCanceledException>(() => Host.Checkpoint(
            guest, new CheckpointOptions { Path = At("t") }, new Reported(_ => source.Cancel()), source.Token));

        Check(guest);
        Assert.Empty(Directory.GetFileSystemEntries(Folder));
    }

    [Fact]
    public void Stopping_the_guest_ends_its_checkpoint()
    {
        string guest = Boot(new GuestOptions { Memory = Memory });
        Thread? stop = null;
        Reported progress = new(_ => stop ??= StopMeanwhile(guest));

        string error = ErrorOf(() => Host.Checkpoint(guest, new CheckpointOptions { Path = At("t") }, progress, CancellationToken.None));
        Assert.True(stop!.Join(Patience));

        Assert.Equal(GuestErrorIds.GuestStopped, error);
        Assert.Equal(GuestState.Stopped, Host.Get(guest).State);
        Assert.Empty(Directory.GetFileSystemEntries(Folder));
        Assert.Equal(GuestErrorIds.GuestStopped, ErrorOf(() => Make(guest, new CheckpointOptions { Path = At("t") })));
    }

    [Fact]
    public void A_suspended_guest_stays_suspended_and_its_clone_runs()
    {
        string guest = Boot(new GuestOptions { Memory = Memory });
        Host.Suspend(guest);

        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });

        Assert.Equal(GuestState.Suspended, Host.Get(guest).State);
        Check(Clone(template));
        Host.Resume(guest);
        Check(guest);
    }

    [Fact]
    public void Zero_pages_take_no_space()
    {
        string guest = Boot(new GuestOptions { Memory = 64 << 20 });
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });

        (_, string blocks) = PsVm.Memory.Tests.Support.Host.Run("stat", "-c", "%b", template.RamBlocks.Single().File);

        Assert.InRange(long.Parse(blocks, null) * 512, 1 << 20, 4 << 20);
        Check(Clone(template));
    }

    [Fact]
    public void A_shared_RAM_file_becomes_the_templates_and_its_guest_ends()
    {
        string file = At("ram");
        Backends.Create(new MemoryBackendOptions { Id = "ram", Path = file, Size = Memory, Share = true });
        string guest = Boot(new GuestOptions { BackendIds = ["ram"] });
        string check = Check(guest);

        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t"), UseRamFile = true, Digest = true });

        Assert.Equal(GuestState.Stopped, Host.Get(guest).State);
        Assert.Contains("checkpointed", Host.Get(guest).StopReason, StringComparison.Ordinal);
        Assert.Empty(Backends.List());
        Assert.Equal(file, template.RamBlocks.Single().File);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead, File.GetUnixFileMode(file));
        Assert.Empty(GuestTemplates.Test(template.Path, verify: true).Errors);
        string clone = Clone(template);
        Assert.Equal(check, Check(clone));
        Ask(clone, "touch 100", "touch: ");
        Assert.Equal(template.RamBlocks.Single().Sha256, Sha256(file));
        GuestTemplates.Remove(template.Path);
        Assert.True(File.Exists(file));
    }

    [Fact]
    public void RAM_that_is_not_in_a_shared_file_of_its_own_cannot_be_taken_over()
    {
        string ordinary = Boot(new GuestOptions { Memory = Memory });
        AssertRefused(ordinary, GuestErrorIds.CheckpointRamNotShared, new() { Path = At("t"), UseRamFile = true });
        MemoryBackendOptions shared = new() { Id = "one", Path = At("ram"), Size = Memory, Share = true };
        Backends.Create(shared);
        Backends.Create(shared with { Id = "two", AllowSharedWriters = true });
        string guest = Boot(new GuestOptions { BackendIds = ["one"] });
        AssertRefused(guest, GuestErrorIds.CheckpointRamNotShared, new() { Path = At("t"), UseRamFile = true });
        AssertRefused(guest, GuestErrorIds.CheckpointNotClone, new() { Path = At("t"), Differential = true });
        AssertRefused(guest, GuestErrorIds.TemplateOptionConflict, new() { Path = At("t"), UseRamFile = true, Differential = true });
        Assert.True(File.GetUnixFileMode(At("ram")).HasFlag(UnixFileMode.UserWrite));
        Assert.False(Directory.Exists(At("t")));
    }

    [Fact]
    public void Missing_folders_above_a_template_are_made()
    {
        string guest = Boot(new GuestOptions { Memory = Memory });
        Check(Clone(Make(guest, new CheckpointOptions { Path = At("new/er/t") })));
    }

    private void AssertRefused(string guest, string error, CheckpointOptions options)
    {
        Assert.Equal(error, ErrorOf(() => Make(guest, options)));
        Assert.Equal(GuestState.Running, Host.Get(guest).State);
        Check(guest);
    }
}
