using PsVm.Machine.Board;
using PsVm.Machine.Guests;
using PsVm.Machine.Tests.Support;
using PsVm.Memory;
using PsVm.Memory.Mapping;
using PsVm.Memory.Tests.Support;
using PsVm.Riscv.Tests;

namespace PsVm.Machine.Tests.Overcommit;

/// <summary>Guests with a limit of own memory, and guests on a host whose memory is said to be short.</summary>
public sealed class OwnMemoryTests : IDisposable
{
    private const long MiB = 1 << 20;
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(1);
    private static readonly CancellationToken s_none = CancellationToken.None;

    private readonly string _folder = Directory.CreateTempSubdirectory("psvm-own-").FullName;
    private readonly MemoryBackends _backends = new(_ => null);
    private readonly GuestHost _host;
    private long _available = long.MaxValue;

    public OwnMemoryTests() =>
        _host = new GuestHost(_backends) { ReadMemory = _ => new MemoryRoom(Volatile.Read(ref _available), "/proc/meminfo") };

    public void Dispose()
    {
        _host.Dispose();
        _backends.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Nobody_watches_a_guest_that_was_stopped_before_it_began()
    {
        MemoryWatch watch = new(_ => new MemoryRoom(long.MaxValue, "/proc/meminfo"), () => 0, (_, _) => { });
        OwnMemoryMeter meter = new(new OwnMemoryAccount(null, null), watch, () => 0, () => 4096, _ => { });
        watch.Remove(meter);
        watch.Add(meter);

        Assert.Equal(0, watch.Count);
    }

    [Theory]
    [InlineData(BackendKind.Anonymous, false)]
    [InlineData(BackendKind.Anonymous, true)]
    [InlineData(BackendKind.Memfd, true)]
    [InlineData(BackendKind.File, false)]
    public void A_guest_that_passes_its_limit_is_suspended_and_goes_on_when_that_is_raised(BackendKind kind, bool share)
    {
        Start("still", new GuestProgram().Jump(0).ToKernel(), limit: 16 * MiB);
        Start("wild", Touch(64 * MiB), limit: 16 * MiB, Ram(kind, share));

        Assert.True(_host.WaitForState("wild", GuestState.Suspended, s_patience, s_none));

        GuestInfo wild = _host.Get("wild");
        Assert.Matches(@"^its own memory of [0-9.]+ MiB passed its limit of 16 MiB$", wild.SuspendReason);
        Assert.Null(wild.StopReason);
        Assert.InRange(_backends.Get("ram.wild").MeasureHeld(), 16 * MiB, 32 * MiB); // a slice may bring some more
        HostEvent warning = Assert.Single(_host.ReadEvents(0).Events, one => one.Level == HostEventLevel.Warning);
        Assert.Equal((HostEventIds.OwnMemoryLimitPassed, "wild"), (warning.Id, warning.Guest?.Name));
        Assert.Equal($"Guest wild is suspended: {wild.SuspendReason}", warning.Message);
        Assert.Equal(GuestState.Running, _host.Get("still").State);

        foreach (Action resume in (Action[])[() => _host.Resume("wild"), () => _host.CheckResume("wild")])
        {
            GuestException refusal = Assert.Throws<GuestException>(resume);
            Assert.Equal(GuestErrorIds.OwnMemoryLimitPassed, refusal.ErrorId);
            Assert.Contains("at most 16 MiB of own memory, found ", refusal.Message, StringComparison.Ordinal);
        }

        Assert.Equal(GuestState.Suspended, _host.Get("wild").State);
        _host.Change("wild", new GuestChange { OwnMemoryLimit = 128 * MiB });
        _host.Resume("wild");

        Assert.Null(_host.Get("wild").SuspendReason);
        Assert.True(_host.WaitForText("wild", "!", s_patience, s_none), "it did not come to its end");
        Assert.Equal((GuestState.Running, 128 * MiB), (_host.Get("wild").State, _host.Get("wild").OwnMemoryLimit));
    }

    [SkippableFact]
    public void Huge_pages_that_a_guest_comes_to_own_count_as_what_they_are()
    {
        const long size = 64 * MiB;
        using HugePages pages = new((int)(2 * size / HugePages.Size));
        using TestFolder folder = new();
        using Mounted mount = Host.Mount(folder, "hugetlbfs");
        try
        {
            // Content, which the guest's stores make copies of.
            using (MemoryBackend content = _backends.Create(
                new MemoryBackendOptions { Path = mount.In("ram"), Size = size, Share = true, Prealloc = true }))
            {
                Assert.Equal(0, content.MeasureOwn());
            }

            Start("wild", Touch(56 * MiB), limit: 16 * MiB, name => _backends.Create(
                new MemoryBackendOptions { Id = $"ram.{name}", Path = mount.In("ram"), Size = size }).Id);

            Assert.True(_host.WaitForState("wild", GuestState.Suspended, s_patience, s_none));
            Assert.Matches("^its own memory of [0-9.]+ MiB passed its limit of 16 MiB$", _host.Get("wild").SuspendReason);
            Assert.InRange(_backends.Get("ram.wild").MeasureHeld(), 16 * MiB, 48 * MiB);
        }
        finally
        {
            _host.Dispose(); // before its RAM is unmounted
            _backends.Dispose();
        }
    }

    [Fact]
    public void A_guest_that_is_to_stop_does_and_its_memory_is_free()
    {
        Start("wild", Touch(64 * MiB), limit: 16 * MiB, action: OwnMemoryAction.Stop);

        Assert.True(_host.WaitForState("wild", GuestState.Stopped, s_patience, s_none));

        Assert.Matches("^stopped by the host: its own memory of [0-9.]+ MiB passed its limit of 16 MiB$", _host.Get("wild").StopReason);
        Assert.Empty(_backends.List());
        Assert.Contains(_host.ReadEvents(0).Events, one => one is { Level: HostEventLevel.Warning, Id: HostEventIds.OwnMemoryLimitPassed });
    }

    [Fact]
    public void A_limit_below_what_a_waiting_guest_has_counts_at_once()
    {
        Start("wild", Touch(64 * MiB));
        Assert.True(_host.WaitForText("wild", "!", s_patience, s_none));

        _host.Change("wild", new GuestChange { OwnMemoryLimit = 32 * MiB });

        Assert.True(_host.WaitForState("wild", GuestState.Suspended, s_patience, s_none));
        Assert.NotNull(_host.Get("wild").SuspendReason);
    }

    [Fact]
    public void Limit_and_action_stay_through_restarts_and_are_no_templates()
    {
        Start("wild", Touch(8 * MiB), limit: 16 * MiB, action: OwnMemoryAction.Stop);
        Assert.True(_host.WaitForText("wild", "!", s_patience, s_none));
        _host.Checkpoint("wild", new CheckpointOptions { Path = In("t") }, null, s_none);
        _host.Change("wild", new GuestChange { OwnMemoryLimit = 17 * MiB });
        _host.Stop("wild");
        _host.StartAgain("wild", s_none);
        GuestInfo clone = _host.Start(new GuestOptions { Name = "clone", Template = In("t") }, s_none);

        Assert.Equal((17 * MiB, OwnMemoryAction.Stop), (_host.Get("wild").OwnMemoryLimit, _host.Get("wild").OwnMemoryAction));
        Assert.Equal((null, OwnMemoryAction.Suspend), (clone.OwnMemoryLimit, clone.OwnMemoryAction));
        Assert.Null(_host.Change("wild", new GuestChange { OwnMemoryLimit = 0 }).OwnMemoryLimit);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(1)]
    [InlineData((1 << 20) - 1)]
    public void A_limit_that_no_guest_could_live_with_is_refused(long limit)
    {
        Start("web", new GuestProgram().Jump(0).ToKernel());
        GuestChange change = new() { OwnMemoryLimit = limit, Notes = "n" };
        Action[] tries =
        [
            () => Start("other", GuestProgram.Wait, limit), () => _host.Change("web", change), () => _host.CheckChange("web", change),
            () => _host.CheckStart(new GuestOptions { OwnMemoryLimit = limit }),
        ];
        Assert.All(tries, wrong => Assert.Equal(GuestErrorIds.OwnMemoryLimitInvalid, Assert.Throws<GuestException>(wrong).ErrorId));
        Assert.Null(_host.Get("web").Notes);
    }

    [Fact]
    public void On_a_host_without_memory_the_one_that_grows_is_suspended_and_the_others_live()
    {
        _backends.SetMemoryReserve(64 * MiB);
        Start("large", Touch(128 * MiB));
        Assert.True(_host.WaitForText("large", "!", s_patience, s_none));
        Volatile.Write(ref _available, 60 * MiB);
        Start("busy", Touch(MiB, again: true));
        Start("wild", Touch(256 * MiB));

        Assert.True(_host.WaitForState("wild", GuestState.Suspended, s_patience, s_none));

        Assert.Matches(
            @"^it grew by [0-9.]+ MiB while 60 MiB of memory were left, less than the reserve of 64 MiB \(/proc/meminfo\)$",
            _host.Get("wild").SuspendReason);
        Assert.InRange(_host.Measure("wild", detailed: false).OwnBytes, 4 * MiB, 192 * MiB);
        Assert.Equal([GuestState.Running, GuestState.Running], [_host.Get("large").State, _host.Get("busy").State]);
        HostEvent[] warnings = [.. _host.ReadEvents(0).Events.Where(one => one.Level == HostEventLevel.Warning)];
        Assert.Equal(
            [(HostEventIds.MemoryReserveReached, null), (HostEventIds.MemoryReserveReached, "wild")],
            warnings.Select(one => (one.Id, one.Guest?.Name)));

        Assert.Equal(GuestErrorIds.MemoryReserveReached, Assert.Throws<GuestException>(() => _host.Resume("wild")).ErrorId);
        Volatile.Write(ref _available, 10L << 30);
        _host.Resume("wild");
        Assert.True(_host.WaitForText("wild", "!", s_patience, s_none));
    }

    [Fact]
    public void Without_a_reserve_nobody_is_held()
    {
        _backends.SetMemoryReserve(0);
        Volatile.Write(ref _available, -1);
        Start("wild", Touch(64 * MiB));

        Assert.True(_host.WaitForText("wild", "!", s_patience, s_none));
    }

    [Fact]
    public void Guests_that_touch_nothing_new_are_not_looked_at()
    {
        int looks = 0;
        using MemoryBackends backends = new(_ => null);
        using GuestHost host =
            new(backends) { ReadMemory = _ => new MemoryRoom((Interlocked.Increment(ref looks) * 0L) + (100 * MiB), "") };
        backends.SetMemoryReserve(64 * MiB);
        host.Start(new GuestOptions { Name = "busy", Kernel = Kernel(Touch(4 * MiB, again: true)), Memory = 32 * MiB }, s_none);
        Until(() => host.Measure("busy", detailed: false).OwnBytes >= 4 * MiB);
        Until(() => host.Get("busy").Instructions > 10_000_000);
        int before = looks;
        long instructions = host.Get("busy").Instructions;

        Until(() => host.Get("busy").Instructions > instructions + 100_000_000);

        // A fault or two that the kernel or the runtime makes may be among it.
        Assert.InRange(looks - before, 0, 10);
    }

    [Fact]
    public async Task A_guest_that_is_checkpointed_when_it_has_too_much_is_suspended_afterwards()
    {
        Start("wild", Touch(64 * MiB));
        Assert.True(_host.WaitForText("wild", "!", s_patience, s_none));
        Task checkpoint = Task.Run(() => _host.Checkpoint("wild", new CheckpointOptions { Path = In("t") }, null, s_none));
        _host.Change("wild", new GuestChange { OwnMemoryLimit = 16 * MiB });

        await checkpoint.WaitAsync(s_patience);
        Assert.True(_host.WaitForState("wild", GuestState.Suspended, s_patience, s_none));
    }

    [Theory]
    [InlineData(null, true)]
    [InlineData(0L, true)]
    [InlineData(1L << 20, true)]
    [InlineData(-1L, false)]
    [InlineData(1L << 60, false)]
    public void A_reserve_is_a_part_of_what_there_is(long? bytes, bool possible)
    {
        if (possible)
        {
            _backends.CheckMemoryReserve(bytes);
            _backends.SetMemoryReserve(bytes);
            Assert.Equal(bytes ?? _backends.MemoryReserve, _backends.Policy.MemoryReserve);
            Assert.Equal(bytes is null ? "Default" : "Cmdlet", _backends.Policy.MemoryReserveSource);
            Assert.InRange(_backends.MemoryReserve, 0, 512 * MiB);
            return;
        }

        Assert.Equal(
            MemoryErrorIds.MemoryReserveInvalid, Assert.Throws<MemoryBackendException>(() => _backends.CheckMemoryReserve(bytes)).ErrorId);
        Assert.Equal(
            MemoryErrorIds.MemoryReserveInvalid, Assert.Throws<MemoryBackendException>(() => _backends.SetMemoryReserve(bytes)).ErrorId);
    }

    /// <summary>Stores to one page after the other, then prints, or begins again.</summary>
    internal static byte[] Touch(long bytes, bool again = false)
    {
        const ulong start = MemoryMap.RamStart + 0x40_0000;
        GuestProgram program = new();
        int begin = program.Here;
        program.Load(Asm.T0, start).Load(Asm.T1, 4096).Load(Asm.T2, start + (ulong)bytes);
        int loop = program.Here;
        program.Emit(Asm.Sd(Asm.T1, Asm.T0, 0), Asm.Add(Asm.T0, Asm.T0, Asm.T1)).JumpIfDifferent(Asm.T0, Asm.T2, loop);
        if (again)
        {
            return program.Jump(begin).ToKernel();
        }

        program.Print('!');
        return program.Jump(program.Here).ToKernel();
    }

    private Func<string, string> Ram(BackendKind kind, bool share) => name => _backends.Create(new MemoryBackendOptions
    {
        Id = $"ram.{name}", Kind = kind, Path = kind == BackendKind.File ? Sparse(name) : null, Size = 320 * MiB, Share = share,
    }).Id;

    private string Sparse(string name)
    {
        using FileStream file = File.Create(In(name));
        file.SetLength(320 * MiB);
        return file.Name;
    }

    private GuestInfo Start(
        string name, byte[] kernel, long? limit = null, Func<string, string>? ram = null, OwnMemoryAction? action = null) => _host.Start(
        new GuestOptions
        {
            Name = name,
            Kernel = Kernel(kernel),
            BackendIds = ram is null ? [] : [ram(name)],
            Memory = ram is null ? 320 * MiB : 0,
            OwnMemoryLimit = limit,
            OwnMemoryAction = action,
        },
        s_none);

    private string Kernel(byte[] bytes)
    {
        string path = In($"{Guid.NewGuid():N}.kernel");
        File.WriteAllBytes(path, bytes);
        return path;
    }

    private string In(string name) => Path.Combine(_folder, name);

    private static void Until(Func<bool> condition) => Assert.True(SpinWait.SpinUntil(condition, s_patience));
}
