using System.Diagnostics;
using PsVm.Machine.Guests;
using PsVm.Machine.Tests.Support;
using PsVm.Memory;
using PsVm.Riscv.Tests;

namespace PsVm.Machine.Tests.Guests;

/// <summary>Guests that begin again: after a stop, by a reboot; and guests that get another name.</summary>
public sealed class GuestLivesTests : GuestHostTest
{
    private const long Memory = 4 << 20;
    private const ulong Marker = 0x8030_0000;
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(1);

    [Fact]
    public void A_stopped_guest_starts_again_as_the_same_guest()
    {
        GuestInfo first = Host.Start(
            new GuestOptions
            {
                Name = "web", Memory = 32 << 20, Notes = "mine", Labels = new Dictionary<string, string> { ["role"] = "web" },
            },
            CancellationToken.None);
        Assert.True(Host.WaitForText("web", "GUEST-UP", s_patience, CancellationToken.None));
        Host.Stop("web");
        long printed = Host.ReadConsole("web", 0).NextPosition;

        GuestInfo again = Host.StartAgain(first.Reference, CancellationToken.None);

        Assert.Equal((first.Id, first.Uuid, "web", "mine", "web"), (again.Id, again.Uuid, again.Name, again.Notes, again.Labels["role"]));
        Assert.Equal(GuestState.Running, again.State);
        Until(() => Host.ReadConsole("web", printed).Text.Contains("GUEST-UP", StringComparison.Ordinal));
        Assert.Single(Host.List());
        Assert.Single(Backends.List());
    }

    [Fact]
    public void A_guest_that_runs_is_not_started_again()
    {
        Start("web", GuestProgram.Wait);
        Assert.Equal(
            GuestErrorIds.GuestNotStopped, Assert.Throws<GuestException>(() => Host.StartAgain("web", CancellationToken.None)).ErrorId);
        Assert.Equal(GuestErrorIds.GuestNotStopped, Assert.Throws<GuestException>(() => Host.CheckStartAgain("web")).ErrorId);
    }

    [Fact]
    public void What_an_operator_made_keeps_its_content_and_is_taken_again_by_reference()
    {
        MemoryBackend ram = Backends.Create(new() { Id = "ram", Size = Memory });
        Host.Start(new GuestOptions { Name = "web", Kernel = Kernel(GuestProgram.Wait), BackendIds = ["ram"] }, CancellationToken.None);
        Host.Stop("web");
        Assert.Equal(GuestState.Running, Host.StartAgain("web", CancellationToken.None).State);
        Host.Stop("web");
        Host.CheckStartAgain("web");
        ram.Dispose();
        Backends.Create(new() { Id = "ram", Size = Memory });

        // Another backend has the id now: it is not taken for the one that is gone.
        MemoryBackendException error = Assert.Throws<MemoryBackendException>(() => Host.StartAgain("web", CancellationToken.None));
        Assert.Equal(MemoryErrorIds.BackendNotFound, error.ErrorId);
        Assert.Equal(error.Message, Assert.Throws<MemoryBackendException>(() => Host.CheckStartAgain("web")).Message);
        Assert.Equal(GuestState.Stopped, Host.Get("web").State);
    }

    [Fact]
    public void A_guest_that_asks_to_reboot_begins_again_and_says_how_often()
    {
        Start("web", Reboot());
        Until(() => Host.Get("web").Reboots >= 2);

        Assert.Equal(GuestState.Running, Host.Get("web").State);
        Assert.Contains(Host.ReadEvents(0).Events, happened => happened.Id == HostEventIds.GuestRebooted);
        Host.Stop("web");
        Assert.Equal(GuestState.Stopped, Host.Get("web").State);
        int reboots = Host.Get("web").Reboots;
        Thread.Sleep(300);
        Assert.Equal((GuestState.Stopped, reboots), (Host.Get("web").State, Host.Get("web").Reboots));
    }

    [Fact]
    public void Who_has_found_a_guest_just_before_it_reboots_stops_the_guest_and_not_what_was()
    {
        Start("web", Reboot());
        LiveGuest before = Host.LifeOf("web");
        Until(() => before.IsHandedOver);

        Assert.Equal((GuestState.Running, null), (before.Info.State, before.Info.StopReason));
        before.ThrowIfEnded(); // what is typed is typed to the next
        Queue<LiveGuest> found = new([before]);
        GuestHost.Stop(() => found.TryDequeue(out LiveGuest? first) ? first : Host.LifeOf("web"), CancellationToken.None);

        Assert.Equal((GuestState.Stopped, "stopped by the operator"), (Host.Get("web").State, Host.Get("web").StopReason));
        int reboots = Host.Get("web").Reboots;
        Thread.Sleep(300);
        Assert.Equal((GuestState.Stopped, reboots), (Host.Get("web").State, Host.Get("web").Reboots));
    }

    [Fact]
    public void A_guest_that_must_not_reboot_stops()
    {
        Host.Start(new GuestOptions { Name = "web", Kernel = Kernel(Reboot()), Memory = Memory, NoReboot = true }, CancellationToken.None);
        Assert.True(Host.WaitForState("web", GuestState.Stopped, s_patience, CancellationToken.None));
        Assert.Equal(("reboot requested by the guest", 0), (Host.Get("web").StopReason, Host.Get("web").Reboots));
    }

    [Fact]
    public void Who_waits_for_the_end_waits_through_a_reboot()
    {
        // The first life marks the file that is its RAM and reboots, the second powers off.
        string file = Path.Combine(Folder, "ram");
        Backends.Create(new() { Id = "ram", Path = file, Size = Memory, Share = true });
        const int secondLife = 100;
        GuestProgram program = new GuestProgram().Load(Asm.T0, Marker).Emit(Asm.Ld(Asm.T1, Asm.T0, 0))
            .JumpIfDifferent(Asm.T1, Asm.Zero, secondLife);
        program.Store32(Marker, 1).Store32(0x10_0000, 0x7777).Jump(program.Here).PadTo(secondLife);
        byte[] kernel = program.Store32(0x10_0000, 0x5555).Jump(program.Here).ToKernel();

        Host.Start(new GuestOptions { Name = "web", Kernel = Kernel(kernel), BackendIds = ["ram"] }, CancellationToken.None);

        Assert.True(Host.WaitForState("web", GuestState.Stopped, s_patience, CancellationToken.None));
        Assert.Equal((1, "powered off by the guest"), (Host.Get("web").Reboots, Host.Get("web").StopReason));
    }

    [Fact]
    public void A_loop_of_reboots_is_slowed_down()
    {
        Assert.Equal(TimeSpan.Zero, RebootPace.Delay(0, TimeSpan.Zero));
        Assert.True(RebootPace.Delay(3, TimeSpan.Zero) > TimeSpan.Zero);
        Assert.True(RebootPace.Delay(8, TimeSpan.Zero) > RebootPace.Delay(4, TimeSpan.Zero));
        Assert.InRange(RebootPace.Delay(int.MaxValue, TimeSpan.Zero), TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(10));
        Assert.Equal(TimeSpan.Zero, RebootPace.Delay(1000, TimeSpan.FromMinutes(1)));
    }

    [Fact]
    public void A_guest_that_cannot_reboot_has_failed()
    {
        string kernel = Kernel(Reboot());
        Host.Start(new GuestOptions { Name = "web", Kernel = kernel, Memory = Memory }, CancellationToken.None);
        Until(() => Host.Get("web").Reboots >= 1);
        File.Delete(kernel);

        Assert.True(Host.WaitForState("web", GuestState.Failed, s_patience, CancellationToken.None));
        Assert.Equal(GuestErrorIds.KernelNotFound, Host.Get("web").Failure!.Id);
        Assert.StartsWith("could not reboot: ", Host.Get("web").StopReason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_clone_begins_again_where_its_template_ends_with_another_generation()
    {
        Host.Start(new GuestOptions { Name = "source", Memory = 32 << 20 }, CancellationToken.None);
        Assert.True(Host.WaitForText("source", "GUEST-UP", s_patience, CancellationToken.None));
        string path = Path.Combine(Folder, "t");
        Host.Checkpoint("source", new CheckpointOptions { Path = path }, null, CancellationToken.None);
        GuestInfo first = Host.Start(new GuestOptions { Name = "clone", Template = path }, CancellationToken.None);
        Host.Stop("clone");

        GuestInfo again = Host.StartAgain("clone", CancellationToken.None);

        Assert.Equal((first.Uuid, path), (again.Uuid, again.Template));
        Assert.NotEqual(first.GenerationId, again.GenerationId);
    }

    [Fact]
    public void A_guest_is_renamed_while_it_runs_and_handles_find_it()
    {
        GuestInfo web = Start("web", GuestProgram.Wait);
        Start("db", GuestProgram.Wait);

        GuestInfo renamed = Host.Change("web", new GuestChange { Name = "front-1" });

        Assert.Equal(("front-1", web.Id), (renamed.Name, renamed.Id));
        Assert.Equal("front-1", Host.Get(web.Reference).Name);
        Assert.Equal(["front-1", "db"], Host.List().Select(guest => guest.Name));
        Assert.Equal(["front-1", "db"], Backends.List().Select(backend => backend.Info.Guest!));
        Assert.Throws<GuestException>(() => Host.Get("web"));
        Assert.Equal(
            GuestErrorIds.GuestNameInUse,
            Assert.Throws<GuestException>(() => Host.Change("front-1", new GuestChange { Name = "DB" })).ErrorId);
        Assert.Equal("FRONT-1", Host.Change("front-1", new GuestChange { Name = "FRONT-1" }).Name);
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("-web")]
    [InlineData("a b")]
    [InlineData("we/b")]
    [InlineData("x\u001b[2J")]
    [InlineData("wéb")]
    [InlineData("a234567890123456789012345678901234567890123456789012345678901234")]
    public void What_is_no_name_is_refused_and_shown_as_text(string name)
    {
        GuestException error = Assert.Throws<GuestException>(() => Host.Start(new GuestOptions { Name = name }, CancellationToken.None));
        Assert.Equal(GuestErrorIds.GuestNameInvalid, error.ErrorId);
        Assert.DoesNotContain('\u001b', error.Message + error.Error.Target);
        Start("web", GuestProgram.Wait);
        Assert.Equal(
            GuestErrorIds.GuestNameInvalid,
            Assert.Throws<GuestException>(() => Host.Change("web", new GuestChange { Name = name })).ErrorId);
    }

    [Fact]
    public void What_a_guest_may_have_of_the_CPU_stays_through_restarts_reboots_and_another_name()
    {
        byte[] kernel = Reboot();
        GuestInfo web = Host.Start(
            new GuestOptions { Name = "web", Kernel = Kernel(kernel), Memory = Memory, CpuWeight = 300, CpuLimit = 0.5 },
            CancellationToken.None);
        Assert.Equal((300, 0.5), (web.CpuWeight, web.CpuLimit));
        Until(() => Host.Get("web").Reboots >= 1);
        AssertCpu("web", 300, 0.5);

        Host.Change("web", new GuestChange { CpuWeight = 50 });
        AssertCpu("web", 50, 0.5);
        int reboots = Host.Get("web").Reboots;
        Until(() => Host.Get("web").Reboots > reboots);
        AssertCpu("web", 50, 0.5);

        Host.Stop("web");
        Host.Change("web", new GuestChange { Name = "front", CpuLimit = 2 });
        AssertCpu("front", 50, 2);
        Host.StartAgain("front", CancellationToken.None);
        AssertCpu("front", 50, 2);
        Assert.Null(Host.Change("front", new GuestChange { CpuLimit = 0 }).CpuLimit);
    }

    [Fact]
    public void A_template_does_not_hold_what_its_guest_might_have_of_the_CPU()
    {
        Host.Start(new GuestOptions { Name = "source", Memory = 32 << 20, CpuWeight = 7, CpuLimit = 1 }, CancellationToken.None);
        string path = Path.Combine(Folder, "t");
        Host.Checkpoint("source", new CheckpointOptions { Path = path }, null, CancellationToken.None);
        AssertCpu("source", 7, 1);

        Host.Start(new GuestOptions { Name = "clone", Template = path }, CancellationToken.None);
        AssertCpu("clone", 100, null);
        Host.Start(new GuestOptions { Name = "other", Template = path, CpuWeight = 8, CpuLimit = 3 }, CancellationToken.None);
        AssertCpu("other", 8, 3);
    }

    [Fact]
    public void A_guest_in_any_state_is_given_another_share_and_a_wrong_one_changes_nothing()
    {
        // A limit that it comes to also where a busy host gives it little.
        const double limit = 0.01;
        GuestInfo web = Start("web", GuestProgram.Spin);
        Host.Suspend("web");
        Host.Change("web", new GuestChange { CpuWeight = 200, CpuLimit = limit });
        Host.Resume("web");
        Until(() => Host.Measure("web", detailed: false).Exits.Throttled > 0);

        GuestChange wrong = new() { Name = "other", Notes = "n", CpuWeight = 1, CpuLimit = -1 };
        Assert.Equal(GuestErrorIds.CpuLimitInvalid, Assert.Throws<GuestException>(() => Host.Change("web", wrong)).ErrorId);
        Assert.Equal(GuestErrorIds.CpuLimitInvalid, Assert.Throws<GuestException>(() => Host.CheckChange("web", wrong)).ErrorId);
        wrong = new() { Name = "other", CpuWeight = 0 };
        Assert.Equal(GuestErrorIds.CpuWeightInvalid, Assert.Throws<GuestException>(() => Host.Change("web", wrong)).ErrorId);
        Assert.Equal(GuestErrorIds.CpuWeightInvalid, Assert.Throws<GuestException>(() => Host.CheckChange("web", wrong)).ErrorId);
        Host.CheckChange("web", new GuestChange { Name = "WEB", CpuWeight = 1 });
        AssertCpu("web", 200, limit);
        Assert.Null(Host.Get("web").Notes);
        Assert.Equal("web", Host.Get(web.Reference).Name);
    }

    private void AssertCpu(string guest, int weight, double? limit) =>
        Assert.Equal((weight, limit), (Host.Get(guest).CpuWeight, Host.Get(guest).CpuLimit));

    [Fact]
    public void Notes_and_labels_change()
    {
        Start("web", GuestProgram.Wait);
        Host.Change("web", new GuestChange { Notes = "n", Labels = new Dictionary<string, string> { ["a"] = "1" } });
        Host.Change("web", new GuestChange { Labels = new Dictionary<string, string> { ["b"] = "2" } });

        GuestInfo web = Host.Get("web");
        Assert.Equal("n", web.Notes);
        Assert.Equal(["b"], web.Labels.Keys);
        Assert.Null(Host.Change("web", new GuestChange { Notes = "" }).Notes);
    }

    private static byte[] Reboot()
    {
        GuestProgram program = new GuestProgram().Store32(0x10_0000, 0x7777);
        return program.Jump(program.Here).ToKernel();
    }

    private GuestInfo Start(string name, byte[] kernel) =>
        Host.Start(new GuestOptions { Name = name, Kernel = Kernel(kernel), Memory = Memory }, CancellationToken.None);

    private string Kernel(byte[] image)
    {
        string path = Path.Combine(Folder, $"{Guid.NewGuid():N}");
        File.WriteAllBytes(path, image);
        return path;
    }

    private static void Until(Func<bool> condition)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(clock.Elapsed < s_patience, "it never happened");
            Thread.Sleep(5);
        }
    }
}
