using System.Diagnostics;
using PsVm.Machine.Guests;
using PsVm.Machine.State;
using PsVm.Machine.Templates;
using PsVm.Machine.Tests.Support;
using PsVm.Memory;

namespace PsVm.Machine.Tests.Templates;

/// <summary>Clones that are put back to their template, in place.</summary>
public sealed class ResetTests : TemplateTest
{
    [Fact]
    public void A_clone_goes_on_where_its_template_ends_and_stays_the_same_guest()
    {
        GuestTemplate template = MakeTemplate("t");
        string fresh = Check(Clone(template));
        GuestInfo before = Host.Start(
            new GuestOptions
            {
                Name = "web", Template = template.Path, Notes = "mine", Labels = new Dictionary<string, string> { ["role"] = "web" },
                CpuWeight = 300,
            },
            CancellationToken.None);
        Ask("web", "touch 50", "touch: ");
        Assert.NotEqual(fresh, Check("web"));

        GuestInfo after = Host.Reset("web");

        Assert.Equal(fresh, Check("web"));
        Assert.Equal(before.Reference, after.Reference);
        Assert.Equal((before.Uuid, "mine", "web", 300), (after.Uuid, after.Notes, after.Labels["role"], after.CpuWeight));
        Assert.Equal((GuestState.Running, 1, 0), (after.State, after.Resets, before.Resets));
        Assert.Equal(before.Backends, after.Backends);
        Assert.True(after.StartedAt > before.StartedAt);
        Assert.Equal("touch: pages=9 generation=2", Ask("web", "touch 9", "touch: "));
        HostEvent happened = Host.ReadEvents(0).Events.Single(happened => happened.Id == HostEventIds.GuestReset);
        Assert.Equal(before.Reference, happened.Guest);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void What_it_is_then_is_the_template_bit_by_bit(int harts)
    {
        GuestTemplate template = Churn(harts, rounds: 1 << 20, out string source);
        End(source);
        string clone = Clone(template);
        for (int turn = 0; turn < 4; turn++)
        {
            WaitForInstructions(clone, 100_000 * (turn + 1));
            Host.Suspend(clone);

            Host.Reset(clone, keepIdentity: true);

            Assert.Equal(GuestState.Suspended, Host.Get(clone).State);
            AssertIs(template, clone);
            Host.Resume(clone);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void Programs_that_rewrite_themselves_come_to_the_same_end_whenever_they_are_reset(int harts)
    {
        GuestTemplate template = Churn(harts, rounds: 1 << 19, out string source);
        string expected = Outcome(source);
        string clone = Clone(template);
        Random random = new(harts);
        for (int turn = 0; turn < 40; turn++)
        {
            Thread.Sleep(TimeSpan.FromMilliseconds(random.NextDouble() * 20));
            Host.Reset(clone, keepIdentity: turn % 2 == 0);
            if (turn % 10 == 9)
            {
                Assert.Equal(expected, Outcome(clone));
            }
        }

        Assert.Equal(40, Host.Get(clone).Resets);
    }

    [Fact]
    public void The_identity_is_new_or_that_of_the_template()
    {
        GuestTemplate template = MakeTemplate("t");
        GuestInfo restored = Host.Start(new GuestOptions { Template = template.Path, KeepIdentity = true }, CancellationToken.None);
        string clone = Clone(template);
        Guid first = Host.Get(clone).GenerationId;

        Guid renewed = Host.Reset(clone).GenerationId;
        Guid kept = Host.Reset(clone, keepIdentity: true).GenerationId;

        Assert.Equal(3, new[] { first, renewed, kept }.Distinct().Count());
        Assert.Equal(restored.GenerationId, kept);
    }

    [Fact]
    public async Task The_console_is_cut()
    {
        GuestTemplate template = MakeTemplate("t");
        string clone = Clone(template);
        Ask(clone, "touch 3", "touch: ");
        ConsoleText before = Host.ReadConsole(clone, 0);
        Task<bool> waits = Task.Run(() => Host.WaitForText(clone, "touch: pages=4", Patience, CancellationToken.None));
        Host.Suspend(clone);
        Host.WriteConsole(clone, "touch 7\r");

        Host.Reset(clone);

        // Of those who had read all, of those who had read nothing.
        ConsoleText follower = Host.ReadConsole(clone, before.NextPosition);
        Assert.Equal(("", true, 0L), (follower.Text, follower.IsCut, follower.Lost));
        ConsoleText all = Host.ReadConsole(clone, 0);
        Assert.Equal(("", true, 0L, follower.NextPosition), (all.Text, all.IsCut, all.Lost, all.NextPosition));
        Assert.False(Host.ReadConsole(clone, follower.NextPosition).IsCut);
        Host.Resume(clone);
        Assert.Equal("touch: pages=4 generation=2", Ask(clone, "touch 4", "touch: "));
        Assert.True(await waits.WaitAsync(Patience), "who waited before the reset hears what comes after it");
        Assert.DoesNotContain("pages=7", Host.ReadConsole(clone, 0).Text, StringComparison.Ordinal);
        Assert.DoesNotContain("pages=3", Host.ReadConsole(clone, 0).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void What_was_discarded_is_there_again_under_every_policy()
    {
        GuestTemplate template = MakeTemplate("t");
        string fresh = Check(Clone(template));
        foreach (DiscardPolicy policy in (DiscardPolicy[])[DiscardPolicy.ZeroOverlay, DiscardPolicy.RestoreTemplate, DiscardPolicy.Deny])
        {
            string clone = Clone(new GuestOptions { Template = template.Path, DiscardPolicy = policy });
            MemoryBackend ram = Ram(clone);
            Ask(clone, "touch 60", "touch: ");
            for (int page = 0; page < 100 && policy != DiscardPolicy.Deny; page += 2)
            {
                ram.Discard((3 << 20) + (page * 4096), 4096);
            }

            Host.Reset(clone);

            Assert.Equal(fresh, Check(clone));
            Host.Suspend(clone);
            Assert.Equal(0, ram.Map(1 << 20).Cells.Sum(cell => cell.Overlay));
            Host.Reset(clone, keepIdentity: true);
            AssertIs(template, clone);
            End(clone);
        }

        string denied = Clone(new GuestOptions { Template = template.Path, DenyPrivateDiscard = true });
        Ask(denied, "touch 60", "touch: ");
        Host.Reset(denied);
        Assert.Equal(fresh, Check(denied));
    }

    [Fact]
    public void One_that_has_stopped_or_failed_is_started_again()
    {
        GuestTemplate template = MakeTemplate("t");
        string fresh = Check(Clone(template));
        string clone = Clone(template);
        GuestReference same = Host.Get(clone).Reference;
        Ask(clone, "touch 3", "touch: ");
        Host.Stop(clone);

        Assert.Equal(same, Host.Reset(same).Reference);

        Assert.DoesNotContain("pages=3", Host.ReadConsole(clone, 0).Text, StringComparison.Ordinal);
        Assert.Equal(fresh, Check(clone));
        Assert.Equal((GuestState.Running, 1), (Host.Get(clone).State, Host.Get(clone).Resets));
        Host.WriteConsole(clone, "off\r");
        Assert.True(Host.WaitForState(clone, GuestState.Stopped, Patience, CancellationToken.None));
        GuestInfo again = Host.Reset(same, keepIdentity: true);
        Assert.Equal(fresh, Check(clone));
        Assert.Equal(
            Host.Start(new GuestOptions { Template = template.Path, KeepIdentity = true }, CancellationToken.None).GenerationId,
            again.GenerationId);
        Assert.Equal(2, again.Resets);
    }

    [Fact]
    public void One_whose_start_again_fails_keeps_its_console()
    {
        GuestTemplate template = MakeTemplate("t");
        string clone = Clone(template);
        Ask(clone, "touch 3", "touch: ");
        Host.Stop(clone);
        Directory.Move(template.Path, At("elsewhere"));

        Assert.Equal(GuestErrorIds.TemplateNotFound, ErrorOf(() => Host.Reset(clone)));
        Assert.Equal(GuestErrorIds.TemplateNotFound, ErrorOf(() => Host.CheckReset(clone)));

        Assert.Contains("pages=3", Host.ReadConsole(clone, 0).Text, StringComparison.Ordinal);
        Assert.Equal(GuestState.Stopped, Host.Get(clone).State);
    }

    [Fact]
    public void One_that_booted_is_refused()
    {
        string guest = Boot(new GuestOptions { Memory = Memory });

        Assert.Equal(GuestErrorIds.ResetNotClone, ErrorOf(() => Host.Reset(guest)));
        Assert.Equal(GuestErrorIds.ResetNotClone, ErrorOf(() => Host.CheckReset(guest)));
        Host.Stop(guest);
        Assert.Equal(GuestErrorIds.ResetNotClone, ErrorOf(() => Host.Reset(guest)));
        Assert.Equal(GuestErrorIds.GuestNotFound, ErrorOf(() => Host.Reset("nobody")));
    }

    [Fact]
    public void A_template_that_was_removed_or_replaced_since_is_the_one_that_it_goes_back_to()
    {
        GuestTemplate template = MakeTemplate("t");
        string clone = Clone(template);
        string fresh = Check(clone);
        string other = Boot(new GuestOptions { Memory = Memory });
        Ask(other, "touch 80", "touch: ");
        Make(other, new CheckpointOptions { Path = template.Path, Force = true });
        string replaced = Check(Clone(template));
        Ask(clone, "touch 9", "touch: ");

        Host.Reset(clone);

        Assert.Equal(fresh, Check(clone));
        Assert.NotEqual(fresh, replaced);
        GuestTemplates.Remove(template.Path);
        Ask(clone, "touch 9", "touch: ");
        Host.Reset(clone);
        Assert.Equal(fresh, Check(clone));
    }

    [Fact]
    public void A_RAM_file_that_was_written_to_since_is_refused_and_the_guest_goes_on_as_it_was()
    {
        GuestTemplate template = MakeTemplate("t");
        string clone = Clone(template);
        string file = template.RamBlocks.Single().File;
        Ask(clone, "touch 9", "touch: ");
        string now = Check(clone);
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        using (FileStream stream = new(file, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            stream.Position = stream.Length - 1;
            stream.WriteByte(1);
        }

        Assert.Equal(GuestErrorIds.TemplateRamChanged, ErrorOf(() => Host.Reset(clone)));
        Assert.Equal(GuestErrorIds.TemplateRamChanged, ErrorOf(() => Host.CheckReset(clone)));

        Assert.Equal(now, Check(clone));
        Assert.Equal(0, Host.Get(clone).Resets);
    }

    [Fact]
    public void One_that_is_being_checkpointed_is_refused()
    {
        GuestTemplate template = MakeTemplate("t");
        string clone = Clone(template);
        string? error = null, check = null;
        Progress<StepProgress> during = new(() =>
        {
            error ??= ErrorOf(() => Host.Reset(clone));
            check ??= ErrorOf(() => Host.CheckReset(clone));
        });

        Host.Checkpoint(clone, new CheckpointOptions { Path = At("u") }, during, CancellationToken.None);

        Assert.Equal((GuestErrorIds.CheckpointInProgress, GuestErrorIds.CheckpointInProgress), (error, check));
        Host.Reset(clone);
        Check(clone);
    }

    [Fact]
    public void A_clone_of_a_differential_template_gets_its_changes_back()
    {
        GuestTemplate template = MakeTemplate("t");
        string clone = Clone(template);
        Ask(clone, "touch 40", "touch: ");
        GuestTemplate child = Make(clone, new CheckpointOptions { Path = At("d"), Differential = true });
        string grandchild = Clone(child);
        string fresh = Check(grandchild);
        Ask(grandchild, "touch 90", "touch: ");

        Host.Reset(grandchild);

        Assert.Equal(fresh, Check(grandchild));
        Assert.NotEqual(fresh, Check(Clone(template)));
        Host.Suspend(grandchild);
        Host.Reset(grandchild, keepIdentity: true);
        AssertIs(child, grandchild);
    }

    [Fact]
    public void One_that_the_host_suspended_for_its_memory_goes_on()
    {
        string guest = Boot(new GuestOptions { Memory = 64 << 20 });
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("large") });
        string clone = Clone(new GuestOptions { Template = template.Path, OwnMemoryLimit = 24 << 20 });
        for (int turn = 0; turn < 2; turn++)
        {
            Host.WriteConsole(clone, "touch 10000\r");
            Assert.True(Host.WaitForState(clone, GuestState.Suspended, Patience, CancellationToken.None));
            Assert.NotNull(Host.Get(clone).SuspendReason);

            Host.Reset(clone);

            Assert.Equal((GuestState.Running, null), (Host.Get(clone).State, Host.Get(clone).SuspendReason));
            Assert.Equal("touch: pages=1000 generation=2", Ask(clone, "touch 1000", "touch: "));
        }
    }

    [Fact]
    public void A_cancelled_reset_leaves_the_guest_as_it_was()
    {
        string clone = Clone(MakeTemplate("t"));
        Ask(clone, "touch 9", "touch: ");
        string now = Check(clone);

        Assert.ThrowsAny<OperationCanceledException>(() => Host.Reset(clone, cancellation: new CancellationToken(canceled: true)));

        Assert.Equal(now, Check(clone));
    }

    [Fact]
    public async Task Whoever_else_is_at_work_meanwhile_is_answered()
    {
        GuestTemplate template = MakeTemplate("t");
        string fresh = Check(Clone(template));
        string clone = Clone(template);
        MemoryBackend ram = Ram(clone);
        string[] allowed =
        [
            GuestErrorIds.GuestStopped, GuestErrorIds.CheckpointInProgress, GuestErrorIds.GuestNotStopped, MemoryErrorIds.BackendBusy,
            GuestErrorIds.ConsoleInputFull,
        ];
        long until = Stopwatch.GetTimestamp() + (2 * Stopwatch.Frequency);
        Action[] works =
        [
            () => Host.Reset(clone),
            () => Host.Reset(clone, keepIdentity: true),
            () => Host.Suspend(clone),
            () => Host.Resume(clone),
            () => Host.Measure(clone, detailed: true),
            () => Host.Get(clone),
            () => Host.ReadConsole(clone, 0),
            () => Host.WriteConsole(clone, "touch 20\r"),
            () => Host.Change(clone, new GuestChange { CpuWeight = Random.Shared.Next(1, 1000) }),
            () => ram.Discard((3 << 20) + (Random.Shared.Next(100) * 4096), 4096),
            () => Host.Checkpoint(clone, new CheckpointOptions { Path = At("c"), Force = true }, null, CancellationToken.None),
        ];

        Task[] workers = [.. works.Select(work => Task.Factory.StartNew(() => Repeat(work), TaskCreationOptions.LongRunning))];

        await Task.WhenAll(workers).WaitAsync(Patience);
        Host.Resume(clone);
        Host.Reset(clone);
        Assert.Equal(fresh, Check(clone));

        void Repeat(Action work)
        {
            while (Stopwatch.GetTimestamp() < until)
            {
                try
                {
                    work();
                }
                catch (PsVmException error) when (allowed.Contains(error.ErrorId))
                {
                    // Another's turn.
                }
            }
        }
    }

    [Fact]
    public async Task Whoever_stops_it_meanwhile_stops_it_or_it_is_started_again()
    {
        GuestTemplate template = MakeTemplate("t");
        string fresh = Check(Clone(template));
        string clone = Clone(template);
        Task stops = Task.Factory.StartNew(
            () =>
            {
                for (int i = 0; i < 200; i++)
                {
                    Host.Stop(clone);
                }
            },
            TaskCreationOptions.LongRunning);

        while (!stops.IsCompleted)
        {
            Host.Reset(clone);
        }

        await stops.WaitAsync(Patience);
        Host.Reset(clone);
        Assert.Equal(fresh, Check(clone));
    }

    /// <summary>A template in the middle of what <see cref="ChurnProgram"/> does.</summary>
    private GuestTemplate Churn(int harts, int rounds, out string source)
    {
        string kernel = At("churn");
        File.WriteAllBytes(kernel, ChurnProgram.Of(harts, rounds));

        // Little of the CPU, so that it is not through before it is suspended, however long that takes.
        source = Host.Start(
            new GuestOptions { Kernel = kernel, Harts = harts, Memory = ChurnProgram.Memory, CpuLimit = 0.02 },
            CancellationToken.None).Name;
        WaitForInstructions(source, 200_000);

        // A template of one that runs is of a later moment, when a fast one may have printed what it comes to.
        Host.Suspend(source);
        Host.Change(source, new GuestChange { CpuLimit = 0 });
        GuestTemplate template = Make(source, new CheckpointOptions { Path = At($"churn-{harts}") });
        Host.Resume(source);
        return template;
    }

    private void WaitForInstructions(string guest, long count) =>
        Assert.True(SpinWait.SpinUntil(() => Host.Get(guest).Instructions >= count, Patience), "it does not run");

    private string Outcome(string guest)
    {
        WaitFor(guest, ".");
        string text = Host.ReadConsole(guest, 0).Text;
        Assert.Matches("^[a-p]{16}\\.$", text);
        return text;
    }

    /// <summary>A suspended guest is what the template's files say, but for its UUID.</summary>
    private void AssertIs(GuestTemplate template, string guest)
    {
        GuestTemplate now = Make(guest, new CheckpointOptions { Path = At("now"), Force = true });
        Dictionary<string, string> expected = Sections(template), found = Sections(now);
        foreach (string name in expected.Keys.Union(found.Keys).Except(["machine", "changes"]))
        {
            Assert.Equal((name, expected.GetValueOrDefault(name)), (name, found.GetValueOrDefault(name)));
        }

        Assert.Equal(
            template.Differential ? ContentOfChild(template) : Sha256(template.RamBlocks.Single().File),
            Sha256(now.RamBlocks.Single().File));
    }

    /// <summary>SHA-256 of the parent's RAM with the pages that the child holds over it; none of them is all zeros here.</summary>
    private static string ContentOfChild(GuestTemplate template)
    {
        byte[] ram = File.ReadAllBytes(GuestTemplates.Read(template.Parent!.Path).RamBlocks.Single().File);
        byte[] changes = File.ReadAllBytes(template.RamBlocks.Single().File);
        for (int page = 0; page < changes.Length; page += 4096)
        {
            if (changes.AsSpan(page, 4096).ContainsAnyExcept((byte)0))
            {
                changes.AsSpan(page, 4096).CopyTo(ram.AsSpan(page));
            }
        }

        return Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(ram));
    }

    private static Dictionary<string, string> Sections(GuestTemplate template)
    {
        string path = Path.Combine(template.Path, "state.bin");
        return StateFile.Read(path, File.ReadAllBytes(path), template.Id)
            .ToDictionary(section => section.Name, section => Convert.ToHexString(section.Content.Span));
    }

    private MemoryBackend Ram(string guest)
    {
        ulong address = Host.Get(guest).Backends.Single().Address;
        return Backends.List().Single(backend => (ulong)backend.Address == address);
    }

    private sealed class Progress<T>(Action tell) : IProgress<T>
    {
        public void Report(T value) => tell();
    }
}
