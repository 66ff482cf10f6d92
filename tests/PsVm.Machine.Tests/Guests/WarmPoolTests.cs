using System.Diagnostics;
using PsVm.Machine.Guests;
using PsVm.Machine.State;
using PsVm.Machine.Templates;
using PsVm.Machine.Tests.Templates;
using PsVm.Memory;

namespace PsVm.Machine.Tests.Guests;

/// <summary>Pools of clones that wait to be taken.</summary>
public sealed class WarmPoolTests : TemplateTest
{
    [Fact]
    public void A_clone_that_is_taken_is_a_guest_of_its_own()
    {
        GuestTemplate template = MakeTemplate("t");
        string fresh = Check(Clone(template));
        GuestPool made = Make(template, size: 3);
        Assert.Equal((3, 3, 0L, Memory, template.Path), (made.Size, made.Held, made.Taken, made.Memory, made.Template));

        GuestInfo taken = Host.Start(
            new GuestOptions
            {
                Pool = "web", Name = "mine", Notes = "n", Labels = new Dictionary<string, string> { ["a"] = "b" }, CpuWeight = 200,
            },
            CancellationToken.None);
        GuestInfo other = Host.Start(new GuestOptions { Pool = "WEB" }, CancellationToken.None);

        Assert.Equal(
            ("mine", "n", "b", 200, GuestState.Running), (taken.Name, taken.Notes, taken.Labels["a"], taken.CpuWeight, taken.State));
        Assert.Equal(fresh, Check("mine"));
        Assert.Equal(fresh, Check(other.Name));
        Assert.NotEqual(taken.GenerationId, other.GenerationId);
        Assert.NotEqual(taken.Uuid, other.Uuid);
        Assert.NotEqual(taken.Id, other.Id);
        Assert.Equal("mine", Backends.List().Single(backend => (ulong)backend.Address == taken.Backends.Single().Address).Info.Guest);
        WaitUntilHeld("web", 3);
        Assert.Equal((2L, 0L), (Host.Pools.Get("web").Taken, Host.Pools.Get("web").Grown));
        Assert.Equal(taken.Id, Host.Reset("mine").Id);
        Assert.Equal(fresh, Check("mine"));
        Host.Stop("mine");
        Assert.Equal(taken.Id, Host.StartAgain("mine", null, CancellationToken.None).Id);
        Assert.Equal(fresh, Check("mine"));
    }

    [Fact]
    public void What_is_held_is_no_guest_runs_nothing_and_has_no_memory_of_its_own()
    {
        GuestTemplate template = MakeTemplate("t");
        Make(template, size: 20);

        Assert.Empty(Host.List());
        Assert.Equal(20, Backends.List().Count);
        GuestPool pool = Host.Pools.Get("web");
        Assert.Equal((20, 0L), (pool.Held, pool.OwnBytes));
    }

    [Fact]
    public void Its_time_begins_when_it_is_taken()
    {
        GuestTemplate template = MakeTemplate("t");
        long made = Stopwatch.GetTimestamp();
        string reference = Clone(template);
        Make(template, size: 1);
        Thread.Sleep(500);

        long asked = Stopwatch.GetTimestamp();
        string taken = Clone(new GuestOptions { Pool = "web" });

        // No more than since it was asked for, however long that took, where the other's time went on.
        Assert.InRange(Ticks(taken), 1, Stopwatch.GetElapsedTime(asked).Ticks + 1);
        Assert.InRange(Ticks(reference), TimeSpan.FromMilliseconds(400).Ticks, Stopwatch.GetElapsedTime(made).Ticks + 1);

        long Ticks(string guest) => Clock(Make(guest, new CheckpointOptions { Path = At($"now-{guest}") })) - Clock(template);
    }

    [Fact]
    public async Task One_that_is_empty_says_so_or_grows()
    {
        GuestTemplate template = MakeTemplate("t");
        Make(template, size: 1);
        Make(template, size: 1, grow: true, name: "growing");
        Directory.Move(template.Path, At("elsewhere"));
        Clone(new GuestOptions { Pool = "web" });
        Clone(new GuestOptions { Pool = "growing" });

        // Those that were held come from what is mapped; no more can be made.
        Assert.True(SpinWait.SpinUntil(() => Host.Pools.List().All(pool => pool.Failure is not null), Patience));
        GuestException empty = Assert.Throws<GuestException>(() => Clone(new GuestOptions { Pool = "web" }));
        Assert.Equal(GuestErrorIds.GuestPoolEmpty, empty.ErrorId);
        Assert.Contains("could not be filled again", empty.Message, StringComparison.Ordinal);
        Assert.Equal(GuestErrorIds.GuestPoolEmpty, ErrorOf(() => Host.CheckStart(new GuestOptions { Pool = "web" })));
        Assert.Equal(GuestErrorIds.TemplateNotFound, ErrorOf(() => Clone(new GuestOptions { Pool = "growing" })));
        Assert.True(SpinWait.SpinUntil(
            () => Host.ReadEvents(0).Events.Any(happened => happened.Id == HostEventIds.GuestPoolNotFilled), Patience));

        // Who could not grow has it filled again, which must not find the template that comes now.
        await ((WarmPools)Host.Pools).FillingOf("growing").WaitAsync(Patience);
        Directory.Move(At("elsewhere"), template.Path);
        Check(Clone(new GuestOptions { Pool = "growing" }));
        Assert.Equal(1, Host.Pools.Get("growing").Grown);
        WaitUntilHeld("growing", 1);
        Assert.Null(Host.Pools.Get("growing").Failure);
    }

    [Fact]
    public void A_template_that_was_replaced_is_what_is_taken()
    {
        GuestTemplate template = MakeTemplate("t");
        string before = Check(Clone(template));
        Make(template, size: 5);
        string other = Boot(new GuestOptions { Memory = Memory });
        Ask(other, "touch 70", "touch: ");
        Make(other, new CheckpointOptions { Path = template.Path, Force = true });
        string after = Check(Clone(template));

        string taken = Clone(new GuestOptions { Pool = "web" });

        Assert.Equal(after, Check(taken));
        Assert.NotEqual(before, after);
        WaitUntilHeld("web", 5);
        Assert.Equal(after, Check(Clone(new GuestOptions { Pool = "web" })));
    }

    [Fact]
    public void A_template_that_was_removed_is_there_for_those_that_are_held()
    {
        GuestTemplate template = MakeTemplate("t");
        string fresh = Check(Clone(template));
        Make(template, size: 2);
        GuestTemplates.Remove(template.Path);

        Assert.Equal(fresh, Check(Clone(new GuestOptions { Pool = "web" })));
        Assert.Equal(fresh, Check(Clone(new GuestOptions { Pool = "web" })));
        Assert.Equal(GuestErrorIds.GuestPoolEmpty, ErrorOf(() => Clone(new GuestOptions { Pool = "web" })));
    }

    [Fact]
    public void What_is_wrong_with_a_pool_is_said_and_leaves_nothing()
    {
        GuestTemplate template = MakeTemplate("t");
        int backends = Backends.List().Count;

        Assert.Equal(GuestErrorIds.GuestPoolNameInvalid, ErrorOf(() => Make(template, size: 1, name: "a/b")));
        Assert.Equal(GuestErrorIds.GuestPoolNameInvalid, ErrorOf(() => Make(template, size: 1, name: "")));
        Assert.Equal(GuestErrorIds.GuestPoolSizeInvalid, ErrorOf(() => Make(template, size: 0)));
        Assert.Equal(GuestErrorIds.GuestPoolSizeInvalid, ErrorOf(() => Make(template, size: 10_001)));
        Assert.Equal(GuestErrorIds.TemplateNotFound, ErrorOf(() => Create(new GuestOptions { Template = At("nowhere") })));
        Assert.Equal(GuestErrorIds.GuestPoolOptionConflict, ErrorOf(() => Create(new GuestOptions { Memory = Memory })));
        Assert.Equal(
            GuestErrorIds.GuestPoolOptionConflict,
            ErrorOf(() => Create(new GuestOptions { Template = template.Path, KeepIdentity = true })));
        Assert.Equal(GuestErrorIds.CpuWeightInvalid, ErrorOf(() => Create(new GuestOptions { Template = template.Path, CpuWeight = -1 })));
        Assert.Equal(GuestErrorIds.GuestPoolNotFound, ErrorOf(() => Host.Pools.Remove("web")));
        Assert.Equal(GuestErrorIds.GuestPoolNotFound, ErrorOf(() => Clone(new GuestOptions { Pool = "web" })));
        Make(template, size: 1);
        Assert.Equal(GuestErrorIds.GuestPoolNameInUse, ErrorOf(() => Make(template, size: 1, name: "WEB")));
        Assert.Equal(GuestErrorIds.GuestPoolNameInUse, ErrorOf(() => Host.Pools.CheckCreate(Options(template, 1, false, "web"))));
        foreach (GuestOptions alien in (GuestOptions[])
            [
                new() { Template = template.Path }, new() { Memory = Memory }, new() { Harts = 1 }, new() { Kernel = "k" },
                new() { KeepIdentity = true },
                new() { BackendIds = ["ram"] }, new() { DiscardPolicy = DiscardPolicy.Deny },
            ])
        {
            Assert.Equal(GuestErrorIds.GuestPoolOptionConflict, ErrorOf(() => Clone(alien with { Pool = "web" })));
        }

        Assert.Equal(GuestErrorIds.CpuWeightInvalid, ErrorOf(() => Clone(new GuestOptions { Pool = "web", CpuWeight = -1 })));
        Assert.Equal(GuestErrorIds.GuestNameInvalid, ErrorOf(() => Clone(new GuestOptions { Pool = "web", Name = "a b" })));
        Assert.Equal(0, Host.Pools.Get("web").Taken);
        Host.Pools.Remove("web");
        Assert.Equal(backends, Backends.List().Count);
        Assert.Empty(Host.Pools.List());

        void Create(GuestOptions guest) => Host.Pools.Create(new GuestPoolOptions { Name = "p", Guest = guest });
    }

    [Fact]
    public void A_cancelled_fill_leaves_nothing()
    {
        GuestTemplate template = MakeTemplate("t");
        using CancellationTokenSource stop = new();
        Held progress = new(held => { if (held == 3) { stop.Cancel(); } });

        Assert.ThrowsAny<OperationCanceledException>(() => Host.Pools.Create(Options(template, 1000, false, "web"), progress, stop.Token));

        Assert.Empty(Backends.List());
        Assert.Empty(Host.Pools.List());
        Make(template, size: 1);
    }

    [Fact]
    public void Taken_clones_outlive_their_pool()
    {
        GuestTemplate template = MakeTemplate("t");
        Make(template, size: 4);
        string taken = Clone(new GuestOptions { Pool = "web" });

        Host.Pools.Remove("web");

        Check(taken);
        Assert.Single(Backends.List());
    }

    [Fact]
    public async Task Many_take_and_remove_at_the_same_time()
    {
        GuestTemplate template = MakeTemplate("t");
        Make(template, size: 4, grow: true);
        string[] names = [.. Enumerable.Range(0, 60).Select(i => $"n{i}")];

        Task<Guid>[] takes = [.. names.Select(
            name => Task.Run(() => Host.Start(new GuestOptions { Pool = "web", Name = name }, CancellationToken.None).GenerationId))];
        Guid[] ids = await Task.WhenAll(takes).WaitAsync(Patience);

        Assert.Equal(60, ids.Distinct().Count());
        Assert.Equal(60, Host.List().Count);
        WaitUntilHeld("web", 4);
        Task remove = Task.Run(() => Host.Pools.Remove("web"));
        Task[] late = [.. Enumerable.Range(0, 20).Select(
            _ => Task.Run(() => Record.Exception(() => Clone(new GuestOptions { Pool = "web" }))))];
        await Task.WhenAll([remove, .. late]).WaitAsync(Patience);
        Assert.All(Host.List(), guest => Assert.Equal(GuestState.Running, guest.State));
        Assert.Equal(Host.List().Count, Backends.List().Count);
    }

    /// <summary>The guest's time in a template, in ticks of 100 ns.</summary>
    private static long Clock(GuestTemplate template)
    {
        string path = Path.Combine(template.Path, "state.bin");
        return BitConverter.ToInt64(
            StateFile.Read(path, File.ReadAllBytes(path), template.Id).Single(section => section.Name == "clock").Content.Span);
    }

    private GuestPool Make(GuestTemplate template, int size, bool grow = false, string name = "web") =>
        Host.Pools.Create(Options(template, size, grow, name));

    private static GuestPoolOptions Options(GuestTemplate template, int size, bool grow, string name) =>
        new() { Name = name, Size = size, Grow = grow, Guest = new GuestOptions { Template = template.Path } };

    private void WaitUntilHeld(string pool, int count) =>
        Assert.True(SpinWait.SpinUntil(() => Host.Pools.Get(pool).Held == count, Patience), $"{Host.Pools.Get(pool)}");

    private sealed class Held(Action<int> tell) : IProgress<int>
    {
        public void Report(int value) => tell(value);
    }
}
