using System.Collections.Concurrent;
using System.Diagnostics;
using PsVm.Machine.Board;
using PsVm.Machine.Guests;
using PsVm.Machine.Tests.Support;
using PsVm.Memory;
using PsVm.Riscv.Tests;

namespace PsVm.Machine.Tests.Guests;

public sealed class GuestHostTests : IDisposable
{
    private const long Memory = 4 << 20;
    private const ulong DebugConsole = 0x4442434e, HartState = 0x48534d;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly string _folder = Directory.CreateTempSubdirectory("psvm-guest-host-").FullName;
    private readonly MemoryBackends _backends = new();
    private readonly GuestHost _host;
    private int _kernels;

    public GuestHostTests() => _host = new GuestHost(_backends);

    public void Dispose()
    {
        _host.Dispose();
        _backends.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void A_started_guest_runs_and_tells_what_it_is()
    {
        string path = Kernel(GuestProgram.Spin);
        DateTimeOffset before = DateTimeOffset.UtcNow;

        GuestInfo guest = _host.Start(new GuestOptions { Name = "web", Kernel = path, Memory = Memory }, CancellationToken.None);

        Assert.Equal(("web", GuestState.Running, null), (guest.Name, guest.State, guest.StopReason));
        Assert.Equal(("virt-1.1", 1, Memory), (guest.MachineType, guest.Harts, guest.Memory));
        Assert.Equal(Path.GetFileName(path), guest.Boot);
        Assert.Equal("ram.default", Assert.Single(guest.Backends).Id);
        Assert.InRange(guest.StartedAt, before, DateTimeOffset.UtcNow);
        Assert.True(guest.StartLatency > TimeSpan.Zero);
        Until(() => _host.Get("web").Instructions > 1_000_000);
        Until(() => _host.Get("web").CpuTime > TimeSpan.Zero);
        Assert.True(_host.Get("web").Uptime > TimeSpan.Zero);
    }

    [Fact]
    public void Without_options_there_is_the_embedded_guest_on_128_MiB()
    {
        GuestInfo guest = _host.Start(new GuestOptions(), CancellationToken.None);

        Assert.Equal(("guest1", "embedded guest", 128L << 20), (guest.Name, guest.Boot, guest.Memory));
        Assert.Equal((BackendKind.Anonymous, false), (guest.Backends[0].Kind, guest.Backends[0].Share));
    }

    [Fact]
    public void The_default_RAM_can_be_a_private_mapping_of_a_file()
    {
        string path = Path.Combine(_folder, "ram");
        File.WriteAllBytes(path, new byte[Memory]);

        GuestInfo guest = _host.Start(new GuestOptions { MemoryPath = path, Memory = Memory, DenyPrivateDiscard = true }, CancellationToken.None);
        Assert.True(_host.WaitForText(guest.Name, "GUEST-UP", Patience, CancellationToken.None));

        Assert.Equal((BackendKind.File, path, false), (guest.Backends[0].Kind, guest.Backends[0].Path, guest.Backends[0].Share));
        Assert.Equal(DiscardPolicy.Deny, guest.Backends[0].EffectiveDiscardPolicy);
        Assert.All(File.ReadAllBytes(path), value => Assert.Equal(0, value));
    }

    [Fact]
    public void Several_backends_make_up_the_RAM_in_their_order()
    {
        _backends.Create(new MemoryBackendOptions { Id = "second", Size = 8 << 20 });
        _backends.Create(new MemoryBackendOptions { Id = "first", Size = Memory });

        GuestInfo guest = _host.Start(new GuestOptions { Name = "g", BackendIds = ["first", "second"] }, CancellationToken.None);
        Assert.True(_host.WaitForText("g", "GUEST-UP", Patience, CancellationToken.None));

        Assert.Equal(12L << 20, guest.Memory);
        Assert.Equal(["first", "second"], guest.Backends.Select(backend => backend.Id));
        string console = _host.ReadConsole("g", 0).Text;
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
        Assert.Equal(["guest2", "guest1", "guest3"], _host.List().Select(guest => guest.Name));
    }

    [Fact]
    public void A_guest_that_there_is_not_is_an_error_everywhere()
    {
        CancellationToken none = CancellationToken.None;
        Action[] calls =
        [
            () => _host.Get("no"),
            () => _host.Suspend("no"),
            () => _host.Resume("no"),
            () => _host.Stop("no"),
            () => _host.Remove("no"),
            () => _host.WaitForText("no", "x", TimeSpan.Zero, none),
            () => _host.WaitForState("no", GuestState.Stopped, TimeSpan.Zero, none),
            () => _host.ReadConsole("no", 0),
            () => _host.WriteConsole("no", "x"),
        ];

        Assert.All(calls, call => Fails(GuestErrorIds.GuestNotFound, call));
    }

    [Fact]
    public void A_suspended_guest_stands_still_until_it_is_resumed()
    {
        Start("g", Kernel(GuestProgram.Spin));

        _host.Suspend("g");
        GuestInfo suspended = _host.Get("g");
        Thread.Sleep(50);
        Assert.Equal(GuestState.Suspended, suspended.State);
        Assert.Equal((suspended.Instructions, suspended.CpuTime), (_host.Get("g").Instructions, _host.Get("g").CpuTime));
        _host.Suspend("g");

        _host.Resume("g");
        Assert.Equal(GuestState.Running, _host.Get("g").State);
        Until(() => _host.Get("g").Instructions > suspended.Instructions);
        _host.Resume("g");
        Assert.Equal(GuestState.Running, _host.Get("g").State);
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
            _host.Suspend("g");
        }

        _host.Stop("g");

        GuestInfo stopped = _host.Get("g");
        Assert.Equal((GuestState.Stopped, "stopped by the operator"), (stopped.State, stopped.StopReason));
        _host.Stop("g");
        Assert.Equal(stopped, _host.Get("g"));
    }

    [Fact]
    public void A_stopped_guest_can_be_looked_at_and_removed_and_nothing_else()
    {
        Start("g", Kernel(new GuestProgram().Print('x').PowerOff().ToKernel()));
        Assert.True(_host.WaitForState("g", GuestState.Stopped, Patience, CancellationToken.None));

        Fails(GuestErrorIds.GuestStopped, () => _host.Suspend("g"));
        Fails(GuestErrorIds.GuestStopped, () => _host.Resume("g"));
        Fails(GuestErrorIds.GuestStopped, () => _host.WriteConsole("g", "x"));
        Assert.Equal("x", _host.ReadConsole("g", 0).Text);
        Assert.Equal("ram.default", _host.Get("g").Backends[0].Id);

        _host.Remove("g");
        Assert.Empty(_host.List());
        Fails(GuestErrorIds.GuestNotFound, () => _host.Remove("g"));
    }

    [Fact]
    public void A_guest_that_has_not_stopped_cannot_be_removed()
    {
        Start("g", Kernel(GuestProgram.Wait));
        Fails(GuestErrorIds.GuestNotStopped, () => _host.Remove("g"));

        _host.Suspend("g");
        Fails(GuestErrorIds.GuestNotStopped, () => _host.Remove("g"));
    }

    [Theory]
    [InlineData(0x5555, GuestState.Stopped, "powered off by the guest")]
    [InlineData(0x7777, GuestState.Stopped, "reboot requested by the guest")]
    [InlineData(0x7_3333, GuestState.Failed, "the guest reported a failure, code 7")]
    public void The_test_device_ends_the_guest(uint value, GuestState state, string reason)
    {
        GuestProgram program = new GuestProgram().Store32(0x10_0000, value);
        Start("g", Kernel(program.Jump(program.Here).ToKernel()));

        Assert.True(_host.WaitForState("g", state, Patience, CancellationToken.None));

        GuestInfo guest = _host.Get("g");
        Assert.Equal(reason, guest.StopReason);
        Assert.InRange(guest.EndedAt!.Value, guest.StartedAt, DateTimeOffset.UtcNow);
        PsVmError? failure = state == GuestState.Failed ? new(GuestErrorIds.GuestReportedFailure, reason) { Target = "g" } : null;
        Assert.Equal(failure, guest.Failure);
    }

    [Fact]
    public void A_kernel_that_panics_fails_its_guest()
    {
        const uint storeByte = 0x23 | (Asm.T0 << 15) | (Asm.T1 << 20); // sb t1, 0(t0)
        string path = Kernel(new GuestProgram().Load(Asm.T0, 0x10_3000).Load(Asm.T1, 1).Emit(storeByte).Jump(0).ToKernel());
        _host.Start(new GuestOptions { Name = "g", Kernel = path, Memory = Memory, MachineType = "virt-1.2" }, CancellationToken.None);

        Assert.True(_host.WaitForState("g", GuestState.Failed, Patience, CancellationToken.None));
        Assert.Equal("the guest's kernel panicked", _host.Get("g").StopReason);
    }

    [Fact]
    public void What_happened_to_guests_can_be_read_by_whoever_comes_later()
    {
        string path = Kernel(new GuestProgram().Store32(0x10_0000, 0x7_3333).ToKernel());
        Start("g", path);
        Assert.True(_host.WaitForState("g", GuestState.Failed, Patience, CancellationToken.None));
        GuestInfo guest = _host.Get("g");
        Until(() => _host.ReadEvents(0).Events.Count == 2);
        _host.Remove("g");

        HostEvents log = _host.ReadEvents(0);
        Assert.Equal(
            [HostEventIds.GuestStarted, HostEventIds.GuestFailed, HostEventIds.GuestRemoved], log.Events.Select(happened => happened.Id));
        Assert.All(log.Events, happened => Assert.Equal(guest.Reference, happened.Guest));
        Assert.Equal((HostEventLevel.Error, "Guest g failed: the guest reported a failure, code 7"), (log.Events[1].Level, log.Events[1].Message));
        Assert.Empty(_host.ReadEvents(log.NextPosition).Events);
        Assert.Equal(log.NextPosition, _host.ReadEvents(long.MaxValue).NextPosition);
        Assert.Equal(log.Events[2], Assert.Single(_host.ReadEvents(2).Events));
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
        Until(() => _host.Measure("g", detailed: false).Translation.Blocks > 0);
        mine.Value = null;

        Assert.DoesNotContain(carriers, name => name.StartsWith("PsVm", StringComparison.Ordinal));
    }

    [Fact]
    public void A_reference_with_an_id_means_that_guest_alone()
    {
        GuestInfo old = _host.Get(Start("g", Kernel(GuestProgram.Wait)));
        Assert.Null(old.EndedAt);
        _host.Stop(old.Reference);
        _host.Remove(old.Reference);
        GuestInfo now = _host.Get(Start("g", Kernel(GuestProgram.Wait)));

        Fails(GuestErrorIds.GuestNotFound, () => _host.Stop(old.Reference));
        Fails(GuestErrorIds.GuestNotFound, () => _host.Remove(old.Reference));
        Assert.Equal(GuestState.Running, _host.Get(now.Reference).State);
        Assert.Equal(now.Id, _host.Get("G").Id);
    }

    [Fact]
    public void A_waiting_hart_wakes_for_its_timer()
    {
        const int sie = 0x104, stimecmp = 0x14d, time = 0xc01;
        const ulong timerInterrupt = 1 << 5, tenMilliseconds = 100_000;
        GuestProgram program = new GuestProgram()
            .Load(Asm.T0, timerInterrupt)
            .Emit(Asm.Csrrs(0, sie, Asm.T0), Asm.Csrrs(Asm.T0, time, 0))
            .Load(Asm.T1, tenMilliseconds)
            .Emit(Asm.Add(Asm.T0, Asm.T0, Asm.T1), Asm.Csrrw(0, stimecmp, Asm.T0), Asm.Wfi)
            .PowerOff();
        Start("g", Kernel(program.ToKernel()));

        Assert.True(_host.WaitForState("g", GuestState.Stopped, Patience, CancellationToken.None));
    }

    [Fact]
    public unsafe void Time_does_not_pass_for_a_suspended_guest()
    {
        const int before = 0x1000, after = 0x1008, typed = 0x1010;
        MemoryBackend ram = _backends.Create(new MemoryBackendOptions { Id = "ram", Size = Memory });
        GuestProgram program = new GuestProgram().StoreTime(MemoryMap.RamStart + before).Print('x');
        int poll = program.Here;
        program
            .Call(DebugConsole, 1, 1, MemoryMap.RamStart + typed, 0)
            .Load(Asm.T0, 1)
            .JumpIfDifferent(Asm.A1, Asm.T0, poll)
            .StoreTime(MemoryMap.RamStart + after)
            .PowerOff();
        long begin = Stopwatch.GetTimestamp();
        _host.Start(new GuestOptions { Name = "g", Kernel = Kernel(program.ToKernel()), BackendIds = ["ram"] }, CancellationToken.None);
        Assert.True(_host.WaitForText("g", "x", Patience, CancellationToken.None));

        _host.Suspend("g");
        long suspended = Stopwatch.GetTimestamp();
        Thread.Sleep(100);
        TimeSpan held = Stopwatch.GetElapsedTime(suspended);
        _host.Resume("g");
        _host.WriteConsole("g", "y");
        Assert.True(_host.WaitForState("g", GuestState.Stopped, Patience, CancellationToken.None));

        ulong ticks = *(ulong*)(ram.Address + after) - *(ulong*)(ram.Address + before);
        Assert.InRange(TimeSpan.FromTicks((long)ticks), TimeSpan.FromTicks(1), Stopwatch.GetElapsedTime(begin) - held);
    }

    [Fact]
    public void Many_guests_run_side_by_side()
    {
        const int guests = 24;
        string kernel = Kernel(GuestProgram.Spin);
        string[] names = [.. Enumerable.Range(0, guests).Select(_ => Start(null, kernel))];

        Assert.All(names, name => Until(() => _host.Get(name).Instructions > 1_000_000));
        Assert.All(_host.List(), guest => Assert.Equal(GuestState.Running, guest.State));

        Parallel.ForEach(names, name => _host.Stop(name));
        Assert.All(_host.List(), guest => Assert.Equal(GuestState.Stopped, guest.State));
        Parallel.ForEach(names, name => _host.Remove(name));
        Assert.Empty(_host.List());
    }

    [Fact]
    public void Calls_from_many_threads_do_not_trip_over_each_other()
    {
        string kernel = Kernel(GuestProgram.Wait);
        Parallel.For(0, 8, index =>
        {
            for (int i = 0; i < 10; i++)
            {
                string name = $"g{index}";
                Start(name, kernel);
                _host.WriteConsole(name, "x");
                Parallel.Invoke(
                    () => Ignoring(GuestErrorIds.GuestStopped, () => _host.Suspend(name)),
                    () => Ignoring(GuestErrorIds.GuestStopped, () => _host.Resume(name)),
                    () => Ignoring(GuestErrorIds.GuestStopped, () => _host.WriteConsole(name, "y")),
                    () => _host.List(),
                    () => _host.Stop(name));
                _host.Remove(name);
            }
        });

        Assert.Empty(_host.List());
    }

    [Fact]
    public void A_wait_for_a_state_ends_with_it_with_the_time_or_with_the_guest()
    {
        string kernel = Kernel(GuestProgram.Wait);
        Start("g", kernel);
        Assert.True(_host.WaitForState("g", GuestState.Running, TimeSpan.Zero, CancellationToken.None));
        Assert.False(_host.WaitForState("g", GuestState.Stopped, TimeSpan.FromMilliseconds(1), CancellationToken.None));
        using CancellationTokenSource cancelled = new(TimeSpan.FromMilliseconds(1));
        Assert.ThrowsAny<OperationCanceledException>(() => _host.WaitForState("g", GuestState.Stopped, Timeout.InfiniteTimeSpan, cancelled.Token));

        Parallel.Invoke(
            () => Assert.True(_host.WaitForState("g", GuestState.Stopped, Timeout.InfiniteTimeSpan, CancellationToken.None)),
            () => Assert.False(_host.WaitForState("g", GuestState.Failed, Timeout.InfiniteTimeSpan, CancellationToken.None)),
            () => Assert.False(_host.WaitForText("g", "never", Timeout.InfiniteTimeSpan, CancellationToken.None)),
            () => _host.Stop("g"));
    }

    [Fact]
    public void Typing_more_than_may_wait_is_an_error()
    {
        Start("g", Kernel(GuestProgram.Wait));
        _host.WriteConsole("g", new string('x', 1 << 16));

        GuestException error = Fails(GuestErrorIds.ConsoleInputFull, () => _host.WriteConsole("g", "y"));
        Assert.Contains("65536", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Backends_are_a_guests_own_until_it_stops()
    {
        string kernel = Kernel(GuestProgram.Wait);
        _backends.Create(new MemoryBackendOptions { Id = "ram", Size = Memory });
        GuestOptions options = new() { Kernel = kernel, BackendIds = ["ram"] };
        string first = _host.Start(options, CancellationToken.None).Name;

        Assert.Equal(MemoryErrorIds.BackendInUse, Assert.Throws<MemoryBackendException>(() => _host.Start(options, CancellationToken.None)).ErrorId);
        Assert.Equal(MemoryErrorIds.BackendInUse, Assert.Throws<MemoryBackendException>(() => _backends.Remove("ram")).ErrorId);

        _host.Stop(first);
        _host.Start(options, CancellationToken.None);
    }

    [Fact]
    public void Several_guests_may_each_have_default_RAM()
    {
        string kernel = Kernel(GuestProgram.Wait);
        Start("a", kernel);
        Start("b", kernel);

        Assert.Equal(2, _backends.List().Count);
        _host.Stop("a");
        _host.Stop("b");
        Assert.Empty(_backends.List());
    }

    [Fact]
    public void Options_that_cannot_be_are_refused_by_id()
    {
        _backends.Create(new MemoryBackendOptions { Id = "ram", Size = Memory });

        StartFails(GuestErrorIds.HartCountInvalid, new GuestOptions { Harts = 0 });
        StartFails(GuestErrorIds.HartCountInvalid, new GuestOptions { Harts = 65 });
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
        Assert.ThrowsAny<OperationCanceledException>(() => _host.Start(new GuestOptions(), new CancellationToken(canceled: true)));

        Assert.Empty(_host.List());
        Assert.Empty(_backends.List());
    }

    [Fact]
    public void A_closed_host_has_stopped_its_guests_and_starts_no_more()
    {
        GuestInfo info = _host.Start(new GuestOptions { Name = "g", Kernel = Kernel(GuestProgram.Spin), Memory = Memory }, CancellationToken.None);
        Guest guest = new(_host, info);

        _host.Dispose();

        Assert.Empty(_backends.List());
        Assert.Equal(GuestState.Stopped, guest.State);
        StartFails(GuestErrorIds.GuestHostClosed, new GuestOptions());
    }

    [Fact]
    public void Nothing_is_left_of_a_guest_that_failed_to_start_or_was_removed()
    {
        string ram = Path.Combine(_folder, "ram");
        string broken = Path.Combine(_folder, "broken");
        File.WriteAllBytes(broken, [1, 2, 3]);
        GuestOptions options = new() { Name = "left", MemoryPath = ram, Memory = 8 << 20, MachineType = "virt-1.0" };

        StartFails(GuestErrorIds.KernelNotRecognised, options with { Kernel = broken });
        StartFails(GuestErrorIds.RamTooSmall, options with { Memory = 1 << 20 });
        Assert.Empty(Left());
        Assert.False(File.Exists(ram));
        _host.Start(options with { Harts = 3 }, CancellationToken.None);
        Assert.NotEmpty(Left());
        _host.Stop("left");
        _host.Remove("left");

        Assert.Empty(Left());

        IEnumerable<string> Left() =>
        [
            .. Directory.EnumerateFiles("/proc/self/fd").Select(fd => new FileInfo(fd).LinkTarget ?? "")
                .Where(target => target.StartsWith(_folder, StringComparison.Ordinal)),
            .. File.ReadLines("/proc/self/maps").Where(line => line.Contains(_folder, StringComparison.Ordinal)),
        ];
    }

    [Fact]
    public void A_handle_shows_the_guest_as_it_is_and_outlives_it()
    {
        string kernel = Kernel(GuestProgram.Spin);
        Guest guest = new(_host, _host.Start(new GuestOptions { Name = "g", Kernel = kernel, Memory = Memory }, CancellationToken.None));
        Assert.Equal(("g", GuestState.Running, Memory, "virt-1.1"), (guest.ToString(), guest.State, guest.Memory, guest.MachineType));
        Until(() => guest.Instructions > 0);
        _host.Suspend("g");
        Assert.Equal(GuestState.Suspended, guest.State);

        _host.Stop("g");
        _host.Remove("g");
        Start("g", kernel); // another guest of the same name

        Assert.Equal(GuestState.Stopped, guest.State);
        Assert.Equal("ram.default", guest.Backends[0].Id);
    }

    [Fact]
    public void A_hart_starts_another_and_sees_it_stop()
    {
        const ulong stopped = 1;
        GuestProgram program = new();
        int first = program.Here + 90;
        program.Jump(first);

        // The second hart prints what it was given in a1. What follows the stop must not run.
        ulong second = program.Address;
        program.Emit(Asm.Addi(Asm.A0, Asm.A1, 0)).CallWithRegisters(DebugConsole, 2).Call(HartState, 1).Print('!').PadTo(first);

        program.Call(HartState, 0, 1, second, 'B');
        int poll = program.Here;
        program.Call(HartState, 2, 1).Load(Asm.T0, stopped).JumpIfDifferent(Asm.A1, Asm.T0, poll).Print('A').PowerOff();
        _host.Start(new GuestOptions { Name = "g", Kernel = Kernel(program.ToKernel()), Memory = Memory, Harts = 2 }, CancellationToken.None);

        Assert.True(_host.WaitForState("g", GuestState.Stopped, Patience, CancellationToken.None));

        Assert.Equal("BA", _host.ReadConsole("g", 0).Text);
    }

    [Fact]
    public void Harts_that_fence_each_other_do_not_lock_up()
    {
        const ulong rounds = 20_000;
        GuestProgram program = new();
        int first = program.Here + 90;
        program.Jump(first);
        ulong second = program.Address;
        program.Load(Asm.A3, rounds).Repeat(Asm.A3, RemoteFence).Call(HartState, 1).PadTo(first);
        program.Call(HartState, 0, 1, second, 0).Load(Asm.A3, rounds).Repeat(Asm.A3, RemoteFence);
        int poll = program.Here;
        program.Call(HartState, 2, 1).Load(Asm.T0, 1).JumpIfDifferent(Asm.A1, Asm.T0, poll).PowerOff();
        _host.Start(new GuestOptions { Name = "g", Kernel = Kernel(program.ToKernel()), Memory = Memory, Harts = 2 }, CancellationToken.None);

        Assert.True(_host.WaitForState("g", GuestState.Stopped, Patience, CancellationToken.None));

        static void RemoteFence(GuestProgram loop) => loop.Call(0x52464e43, 1, 0, ulong.MaxValue);
    }

    private string Start(string? name, string kernel) =>
        _host.Start(new GuestOptions { Name = name, Kernel = kernel, Memory = Memory }, CancellationToken.None).Name;

    private string Kernel(byte[] content)
    {
        string path = Path.Combine(_folder, $"kernel{_kernels++}");
        File.WriteAllBytes(path, content);
        return path;
    }

    private void StartFails(string errorId, GuestOptions options)
    {
        PsVmException error = Assert.ThrowsAny<PsVmException>(() => _host.Start(options, CancellationToken.None));
        Assert.Equal(errorId, error.ErrorId);
    }

    private static GuestException Fails(string errorId, Action action)
    {
        GuestException error = Assert.Throws<GuestException>(action);
        Assert.Equal(errorId, error.ErrorId);
        return error;
    }

    private static void Ignoring(string errorId, Action action)
    {
        try
        {
            action();
        }
        catch (GuestException error) when (error.ErrorId == errorId)
        {
        }
    }

    private static void Until(Func<bool> condition) => Assert.True(SpinWait.SpinUntil(condition, Patience));
}
