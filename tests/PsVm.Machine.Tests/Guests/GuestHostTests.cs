using System.Collections.Concurrent;
using System.Diagnostics;
using PsVm.Machine.Board;
using PsVm.Machine.Guests;
using PsVm.Machine.Tests.Support;
using PsVm.Memory;
using PsVm.Riscv.Tests;

namespace PsVm.Machine.Tests.Guests;

public sealed class GuestHostTests : ProgramGuestTest
{
    [Fact]
    public void A_started_guest_runs_and_tells_what_it_is()
    {
        string path = Kernel(GuestProgram.Spin);
        DateTimeOffset before = DateTimeOffset.UtcNow;

        GuestInfo guest = Host.Start(new GuestOptions { Name = "web", Kernel = path, Memory = Memory }, CancellationToken.None);

        Assert.Equal(("web", GuestState.Running, null), (guest.Name, guest.State, guest.StopReason));
        Assert.Equal(("virt-1.1", 1, Memory), (guest.MachineType, guest.Harts, guest.Memory));
        Assert.Equal(Path.GetFileName(path), guest.Boot);
        Assert.Equal("ram.default", Assert.Single(guest.Backends).Id);
        Assert.InRange(guest.StartedAt, before, DateTimeOffset.UtcNow);
        Assert.True(guest.StartLatency > TimeSpan.Zero);
        Until(() => Host.Get("web").Instructions > 1_000_000);
        Until(() => Host.Get("web").CpuTime > TimeSpan.Zero);
        Assert.True(Host.Get("web").Uptime > TimeSpan.Zero);
    }

    [Fact]
    public void Without_options_there_is_the_embedded_guest_on_128_MiB()
    {
        GuestInfo guest = Host.Start(new GuestOptions(), CancellationToken.None);

        Assert.Equal(("guest1", "embedded guest", 128L << 20), (guest.Name, guest.Boot, guest.Memory));
        Assert.Equal((BackendKind.Anonymous, false), (guest.Backends[0].Kind, guest.Backends[0].Share));
    }

    [Fact]
    public void The_default_RAM_can_be_a_private_mapping_of_a_file()
    {
        string path = Path.Combine(Folder, "ram");
        File.WriteAllBytes(path, new byte[Memory]);

        GuestInfo guest = Host.Start(
            new GuestOptions { MemoryPath = path, Memory = Memory, DenyPrivateDiscard = true }, CancellationToken.None);
        Assert.True(Host.WaitForText(guest.Name, "GUEST-UP", Patience, CancellationToken.None));

        Assert.Equal((BackendKind.File, path, false), (guest.Backends[0].Kind, guest.Backends[0].Path, guest.Backends[0].Share));
        Assert.Equal(DiscardPolicy.Deny, guest.Backends[0].EffectiveDiscardPolicy);
        Assert.All(File.ReadAllBytes(path), value => Assert.Equal(0, value));
    }

    [Fact]
    public void Several_backends_make_up_the_RAM_in_their_order()
    {
        Backends.Create(new MemoryBackendOptions { Id = "second", Size = 8 << 20 });
        Backends.Create(new MemoryBackendOptions { Id = "first", Size = Memory });

        GuestInfo guest = Host.Start(new GuestOptions { Name = "g", BackendIds = ["first", "second"] }, CancellationToken.None);
        Assert.True(Host.WaitForText("g", "GUEST-UP", Patience, CancellationToken.None));

        Assert.Equal(12L << 20, guest.Memory);
        Assert.Equal(["first", "second"], guest.Backends.Select(backend => backend.Id));
        string console = Host.ReadConsole("g", 0).Text;
        Assert.Contains("ram: region=0 base=0x80000000 bytes=4194304\r\n", console, StringComparison.Ordinal);
        Assert.Contains("ram: region=1 base=0x80400000 bytes=8388608\r\n", console, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_are_generated_where_none_is_given_and_belong_to_one_guest()
    {
        string kernel = Kernel(GuestProgram.Wait);
        Start("guest2", kernel);

        Assert.Equal("guest1", Start(null, kernel));
        Assert.Equal("guest3", Start(null, kernel));
        Fails(GuestErrorIds.GuestNameInUse, () => Start("Guest2", kernel));
        Fails(GuestErrorIds.GuestNameInvalid, () => Start(" ", kernel));
        Assert.Equal(["guest2", "guest1", "guest3"], Host.List().Select(guest => guest.Name));
    }

    [Fact]
    public void A_guest_that_there_is_not_is_an_error_everywhere()
    {
        CancellationToken none = CancellationToken.None;
        Action[] calls =
        [
            () => Host.Get("no"),
            () => Host.Suspend("no"),
            () => Host.Resume("no"),
            () => Host.Stop("no"),
            () => Host.Remove("no"),
            () => Host.WaitForText("no", "x", TimeSpan.Zero, none),
            () => Host.WaitForState("no", GuestState.Stopped, TimeSpan.Zero, none),
            () => Host.ReadConsole("no", 0),
            () => Host.WriteConsole("no", "x"),
        ];

        Assert.All(calls, call => Fails(GuestErrorIds.GuestNotFound, call));
    }

    [Fact]
    public void A_suspended_guest_stands_still_until_it_is_resumed()
    {
        Start("g", Kernel(GuestProgram.Spin));

        Host.Suspend("g");
        GuestInfo suspended = Host.Get("g");
        Thread.Sleep(50);
        Assert.Equal(GuestState.Suspended, suspended.State);
        Assert.Equal((suspended.Instructions, suspended.CpuTime), (Host.Get("g").Instructions, Host.Get("g").CpuTime));
        Host.Suspend("g");

        Host.Resume("g");
        Assert.Equal(GuestState.Running, Host.Get("g").State);
        Until(() => Host.Get("g").Instructions > suspended.Instructions);
        Host.Resume("g");
        Assert.Equal(GuestState.Running, Host.Get("g").State);
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    [InlineData(false, true)]
    public void A_guest_stops_whatever_it_does(bool spins, bool suspended)
    {
        Start("g", Kernel(spins ? GuestProgram.Spin : GuestProgram.Wait));
        if (suspended)
        {
            Host.Suspend("g");
        }

        Host.Stop("g");

        GuestInfo stopped = Host.Get("g");
        Assert.Equal((GuestState.Stopped, "stopped by the operator"), (stopped.State, stopped.StopReason));
        Host.Stop("g");
        Assert.Equal(stopped, Host.Get("g"));
    }

    [Fact]
    public void A_stopped_guest_can_be_looked_at_and_removed_and_nothing_else()
    {
        Start("g", Kernel(new GuestProgram().Print('x').PowerOff().ToKernel()));
        Assert.True(Host.WaitForState("g", GuestState.Stopped, Patience, CancellationToken.None));

        Fails(GuestErrorIds.GuestStopped, () => Host.Suspend("g"));
        Fails(GuestErrorIds.GuestStopped, () => Host.Resume("g"));
        Fails(GuestErrorIds.GuestStopped, () => Host.WriteConsole("g", "x"));
        Assert.Equal("x", Host.ReadConsole("g", 0).Text);
        Assert.Equal("ram.default", Host.Get("g").Backends[0].Id);

        Host.Remove("g");
        Assert.Empty(Host.List());
        Fails(GuestErrorIds.GuestNotFound, () => Host.Remove("g"));
    }

    [Fact]
    public void A_guest_that_has_not_stopped_cannot_be_removed()
    {
        Start("g", Kernel(GuestProgram.Wait));
        Fails(GuestErrorIds.GuestNotStopped, () => Host.Remove("g"));

        Host.Suspend("g");
        Fails(GuestErrorIds.GuestNotStopped, () => Host.Remove("g"));
    }

    [Theory]
    [InlineData(0x5555, GuestState.Stopped, "powered off by the guest")]
    [InlineData(0x7777, GuestState.Stopped, "reboot requested by the guest")]
    [InlineData(0x7_3333, GuestState.Failed, "the guest reported a failure, code 7")]
    public void The_test_device_ends_the_guest(uint value, GuestState state, string reason)
    {
        GuestProgram program = new GuestProgram().Store32(0x10_0000, value);
        string kernel = Kernel(program.Jump(program.Here).ToKernel());
        Host.Start(new GuestOptions { Name = "g", Kernel = kernel, Memory = Memory, NoReboot = true }, CancellationToken.None);

        Assert.True(Host.WaitForState("g", state, Patience, CancellationToken.None));

        GuestInfo guest = Host.Get("g");
        Assert.Equal(reason, guest.StopReason);
        Assert.InRange(guest.EndedAt!.Value, guest.StartedAt, DateTimeOffset.UtcNow);
        PsVmError? failure = state == GuestState.Failed ? new(GuestErrorIds.GuestReportedFailure, reason) { Target = "g" } : null;
        Assert.Equal(failure, guest.Failure);
    }

    [Theory]
    [InlineData("virt-1.2", "")]
    [InlineData("virt-1.3", "")]
    [InlineData("virt-1.4", "")]
    [InlineData("virt-1.2", "Kernel panic - not syncing: gone")]
    [InlineData("virt-1.3", "\u001b[2Jgone")]
    public void A_kernel_that_panics_makes_its_guest_panicked_which_shows_its_last_lines_and_runs_no_more(
        string machineType, string lastLine)
    {
        const uint storeByte = 0x23 | (Asm.T0 << 15) | (Asm.T1 << 20); // sb t1, 0(t0)
        GuestProgram program = new();
        foreach (char character in lastLine.Length == 0 ? "" : $"before\n{lastLine}\n\n")
        {
            program.Print(character);
        }

        program.Load(Asm.T0, 0x10_3000).Load(Asm.T1, 1).Emit(storeByte);
        string path = Kernel(program.Jump(program.Here).ToKernel());
        Host.Start(new GuestOptions { Name = "g", Kernel = path, Memory = Memory, MachineType = machineType }, CancellationToken.None);

        Assert.True(Host.WaitForState("g", GuestState.Panicked, Patience, CancellationToken.None));
        string shown = lastLine.Replace("\u001b", "\\x1b", StringComparison.Ordinal);
        string reason = "the guest's kernel panicked" + (lastLine.Length == 0 ? "" : $"; its last lines are 'before' / '{shown}'");
        Assert.Equal(reason, Host.Get("g").StopReason);
        Assert.Equal((GuestErrorIds.GuestReportedFailure, reason), (Host.Get("g").Failure!.Id, Host.Get("g").Failure!.Message));
        // And nobody waits for ever.
        Assert.False(Host.WaitForState("g", GuestState.Stopped, Timeout.InfiniteTimeSpan, CancellationToken.None));
        (long instructions, TimeSpan cpu) = (Host.Get("g").Instructions, Host.Get("g").CpuTime);
        Thread.Sleep(50);
        Assert.Equal((instructions, cpu), (Host.Get("g").Instructions, Host.Get("g").CpuTime));

        Host.Stop("g");
        Assert.Equal(GuestState.Panicked, Host.Get("g").State);
        Host.StartAgain("g", CancellationToken.None);
        Assert.True(Host.WaitForState("g", GuestState.Panicked, Patience, CancellationToken.None));
        Host.Remove("g");
        Assert.Empty(Host.List());
    }

    [Fact]
    public void What_happened_to_guests_can_be_read_by_whoever_comes_later()
    {
        string path = Kernel(new GuestProgram().Store32(0x10_0000, 0x7_3333).ToKernel());
        Start("g", path);
        Assert.True(Host.WaitForState("g", GuestState.Failed, Patience, CancellationToken.None));
        GuestInfo guest = Host.Get("g");
        Until(() => Host.ReadEvents(0).Events.Count == 2);
        Host.Remove("g");

        HostEvents log = Host.ReadEvents(0);
        Assert.Equal(
            [HostEventIds.GuestStarted, HostEventIds.GuestFailed, HostEventIds.GuestRemoved], log.Events.Select(happened => happened.Id));
        Assert.All(log.Events, happened => Assert.Equal(guest.Reference, happened.Guest));
        Assert.Equal(
            (HostEventLevel.Error, "Guest g failed: the guest reported a failure, code 7"), (log.Events[1].Level, log.Events[1].Message));
        Assert.Empty(Host.ReadEvents(log.NextPosition).Events);
        Assert.Equal(log.NextPosition, Host.ReadEvents(long.MaxValue).NextPosition);
        Assert.Equal(log.Events[2], Assert.Single(Host.ReadEvents(2).Events));
    }

    [Fact]
    public void No_thread_of_the_host_keeps_the_context_of_whoever_started_a_guest()
    {
        ConcurrentBag<string> carriers = [];
        AsyncLocal<string?> mine = new(change =>
        {
            if (change is { ThreadContextChanged: true, CurrentValue: not null })
            {
                carriers.Add(Thread.CurrentThread.Name ?? "");
            }
        });
        mine.Value = "the first cmdlet's";
        Start("g", Kernel(GuestProgram.Spin));
        Until(() => Host.Measure("g", detailed: false).Translation.Blocks > 0);
        mine.Value = null;

        Assert.DoesNotContain(carriers, name => name.StartsWith("PsVm", StringComparison.Ordinal));
    }

    [Fact]
    public void A_reference_with_an_id_means_that_guest_alone()
    {
        GuestInfo old = Host.Get(Start("g", Kernel(GuestProgram.Wait)));
        Assert.Null(old.EndedAt);
        Host.Stop(old.Reference);
        Host.Remove(old.Reference);
        GuestInfo now = Host.Get(Start("g", Kernel(GuestProgram.Wait)));

        Fails(GuestErrorIds.GuestNotFound, () => Host.Stop(old.Reference));
        Fails(GuestErrorIds.GuestNotFound, () => Host.Remove(old.Reference));
        Assert.Equal(GuestState.Running, Host.Get(now.Reference).State);
        Assert.Equal(now.Id, Host.Get("G").Id);
    }

    [Fact]
    public void A_wait_for_a_state_ends_with_it_with_the_time_or_with_the_guest()
    {
        string kernel = Kernel(GuestProgram.Wait);
        Start("g", kernel);
        Assert.True(Host.WaitForState("g", GuestState.Running, TimeSpan.Zero, CancellationToken.None));
        Assert.False(Host.WaitForState("g", GuestState.Stopped, TimeSpan.FromMilliseconds(1), CancellationToken.None));
        using CancellationTokenSource cancelled = new(TimeSpan.FromMilliseconds(1));
        Assert.ThrowsAny<OperationCanceledException>(
            () => Host.WaitForState("g", GuestState.Stopped, Timeout.InfiniteTimeSpan, cancelled.Token));

        Parallel.Invoke(
            () => Assert.True(Host.WaitForState("g", GuestState.Stopped, Timeout.InfiniteTimeSpan, CancellationToken.None)),
            () => Assert.False(Host.WaitForState("g", GuestState.Failed, Timeout.InfiniteTimeSpan, CancellationToken.None)),
            () => Assert.False(Host.WaitForText("g", "never", Timeout.InfiniteTimeSpan, CancellationToken.None)),
            () => Host.Stop("g"));
    }

    [Fact]
    public void Typing_more_than_may_wait_is_an_error()
    {
        Start("g", Kernel(GuestProgram.Wait));
        Host.WriteConsole("g", new string('x', 1 << 16));

        GuestException error = Fails(GuestErrorIds.ConsoleInputFull, () => Host.WriteConsole("g", "y"));
        Assert.Contains("65536", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Backends_are_a_guests_own_until_it_stops()
    {
        string kernel = Kernel(GuestProgram.Wait);
        Backends.Create(new MemoryBackendOptions { Id = "ram", Size = Memory });
        GuestOptions options = new() { Kernel = kernel, BackendIds = ["ram"] };
        string first = Host.Start(options, CancellationToken.None).Name;

        Assert.Equal(
            MemoryErrorIds.BackendInUse, Assert.Throws<MemoryBackendException>(() => Host.Start(options, CancellationToken.None)).ErrorId);
        Assert.Equal(MemoryErrorIds.BackendInUse, Assert.Throws<MemoryBackendException>(() => Backends.Remove("ram")).ErrorId);

        Host.Stop(first);
        Host.Start(options, CancellationToken.None);
    }

    [Fact]
    public void Several_guests_may_each_have_default_RAM()
    {
        string kernel = Kernel(GuestProgram.Wait);
        Start("a", kernel);
        Start("b", kernel);

        Assert.Equal(2, Backends.List().Count);
        Host.Stop("a");
        Host.Stop("b");
        Assert.Empty(Backends.List());
    }

    [Fact]
    public void Options_that_cannot_be_are_refused_by_id()
    {
        Backends.Create(new MemoryBackendOptions { Id = "ram", Size = Memory });

        StartFails(GuestErrorIds.HartCountInvalid, new GuestOptions { Harts = 0 });
        StartFails(GuestErrorIds.HartCountInvalid, new GuestOptions { Harts = 65 });
        StartFails(GuestErrorIds.CpuWeightInvalid, new GuestOptions { CpuWeight = 0 });
        StartFails(GuestErrorIds.CpuLimitInvalid, new GuestOptions { CpuLimit = double.NaN });
        StartFails(GuestErrorIds.UnknownMachineType, new GuestOptions { MachineType = "pc" });
        StartFails(GuestErrorIds.DefaultRamConflict, new GuestOptions { BackendIds = ["ram"], MemoryPath = "/tmp/x" });
        StartFails(GuestErrorIds.DefaultRamConflict, new GuestOptions { BackendIds = ["ram"], Memory = Memory });
        StartFails(GuestErrorIds.RamTooSmall, new GuestOptions { Memory = 2 << 20 });
        StartFails(GuestErrorIds.KernelNotFound, new GuestOptions { Kernel = "/no/such/kernel" });
        StartFails(MemoryErrorIds.BackendNotFound, new GuestOptions { BackendIds = ["no"] });
        StartFails(MemoryErrorIds.BackendInUse, new GuestOptions { BackendIds = ["ram", "ram"] });
        StartFails(MemoryErrorIds.SizeMisaligned, new GuestOptions { Memory = 12345 });
    }

    [Fact]
    public void A_cancelled_start_starts_nothing()
    {
        Assert.ThrowsAny<OperationCanceledException>(() => Host.Start(new GuestOptions(), new CancellationToken(canceled: true)));

        Assert.Empty(Host.List());
        Assert.Empty(Backends.List());
    }

    [Fact]
    public void A_closed_host_has_stopped_its_guests_and_starts_no_more()
    {
        GuestInfo info = Host.Start(
            new GuestOptions { Name = "g", Kernel = Kernel(GuestProgram.Spin), Memory = Memory }, CancellationToken.None);
        Guest guest = new(Host, info);

        Host.Dispose();

        Assert.Empty(Backends.List());
        Assert.Equal(GuestState.Stopped, guest.State);
        StartFails(GuestErrorIds.GuestHostClosed, new GuestOptions());
    }

    [Fact]
    public void Nothing_is_left_of_a_guest_that_failed_to_start_or_was_removed()
    {
        string ram = Path.Combine(Folder, "ram");
        string broken = Path.Combine(Folder, "broken");
        File.WriteAllBytes(broken, [1, 2, 3]);
        GuestOptions options = new() { Name = "left", MemoryPath = ram, Memory = 8 << 20, MachineType = "virt-1.0" };

        StartFails(GuestErrorIds.KernelNotRecognised, options with { Kernel = broken });
        StartFails(GuestErrorIds.RamTooSmall, options with { Memory = 1 << 20 });
        Assert.Empty(Left());
        Assert.False(File.Exists(ram));
        Host.Start(options with { Harts = 3 }, CancellationToken.None);
        Assert.NotEmpty(Left());
        Host.Stop("left");
        Host.Remove("left");

        Assert.Empty(Left());

        IEnumerable<string> Left() =>
        [
            .. Directory.EnumerateFiles("/proc/self/fd").Select(fd => new FileInfo(fd).LinkTarget ?? "")
                .Where(target => target.StartsWith(Folder, StringComparison.Ordinal)),
            .. File.ReadLines("/proc/self/maps").Where(line => line.Contains(Folder, StringComparison.Ordinal)),
        ];
    }

    [Fact]
    public void A_handle_shows_the_guest_as_it_is_and_outlives_it()
    {
        string kernel = Kernel(GuestProgram.Spin);
        Guest guest = new(Host, Host.Start(new GuestOptions { Name = "g", Kernel = kernel, Memory = Memory }, CancellationToken.None));
        Assert.Equal(("g", GuestState.Running, Memory, "virt-1.1"), (guest.ToString(), guest.State, guest.Memory, guest.MachineType));
        Until(() => guest.Instructions > 0);
        Host.Suspend("g");
        Assert.Equal(GuestState.Suspended, guest.State);

        Host.Stop("g");
        Host.Remove("g");
        Start("g", kernel); // another guest of the same name

        Assert.Equal(GuestState.Stopped, guest.State);
        Assert.Equal("ram.default", guest.Backends[0].Id);
    }
}
