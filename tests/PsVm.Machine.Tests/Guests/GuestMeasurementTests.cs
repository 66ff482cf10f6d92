using PsVm.Machine.Guests;
using PsVm.Memory;

namespace PsVm.Machine.Tests;

public sealed class GuestMeasurementTests : IDisposable
{
    private const long Page = 4096;
    private const long Memory = 8 << 20;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly string _folder = Directory.CreateTempSubdirectory("psvm-measurement-").FullName;
    private readonly MemoryBackends _backends = new();
    private readonly GuestHost _host;

    public GuestMeasurementTests() => _host = new GuestHost(_backends, sharing: CodeSharing.Host);

    public void Dispose()
    {
        _host.Dispose();
        _backends.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Own_bytes_are_what_the_guest_wrote_not_what_it_read()
    {
        string path = Path.Combine(_folder, "ram");
        _backends.Create(new MemoryBackendOptions { Id = "seed", Path = path, Size = Memory, Share = true });
        StartAndWait(new GuestOptions { Name = "seed", BackendIds = ["seed"] });
        Obey("seed", "touch 1000", "touch: pages=1000 ");
        long seed = Hold("seed").OwnBytes;
        _host.Stop("seed");
        _backends.Get(new("seed")).Dispose();

        StartAndWait(new GuestOptions { Name = "clone", MemoryPath = path, Memory = Memory });
        long before = Hold("clone").OwnBytes;
        _host.Resume("clone");
        Obey("clone", "touch 500", "touch: pages=500 ");
        long after = Hold("clone").OwnBytes;

        Assert.Equal(0, seed);
        Assert.InRange(before, Page, 300 * Page);
        Assert.InRange(after - before, 500 * Page, 520 * Page);
    }

    [Fact]
    public void The_quick_sum_is_that_of_the_details()
    {
        _backends.Create(new MemoryBackendOptions { Id = "low", Size = Memory });
        _backends.Create(new MemoryBackendOptions { Id = "high", Size = Memory, Share = true });
        StartAndWait(new GuestOptions { Name = "g", BackendIds = ["low", "high"] });

        GuestMeasurement quick = Hold("g");
        GuestMeasurement full = _host.Measure("g", detailed: true);

        Assert.Empty(quick.Backends);
        Assert.Equal(["low", "high"], full.Backends.Select(backend => backend.BackendId));
        Assert.NotEqual(0, quick.OwnBytes);
        Assert.Equal(quick.OwnBytes, full.Backends.Sum(backend => backend.Own));
        Assert.All(full.Backends, backend => Assert.Equal(backend.Resident, backend.Own + backend.Shared));
    }

    [Fact]
    public void What_ends_a_run_is_counted_by_kind()
    {
        StartAndWait(new GuestOptions { Name = "g", Memory = Memory });
        GuestExits before = null!;
        Assert.True(SpinWait.SpinUntil(
            () => (before = _host.Measure("g", detailed: false).Exits).WaitForInterrupt > 0, Patience)); // soon after it said that it is up
        Obey("g", "spin 20", "spin: ");
        GuestExits after = Hold("g").Exits;

        Assert.True(after.Slice > before.Slice);
        Assert.True(after.Requested >= before.Requested);
        Assert.True(before.SbiCalls > 0);
        Assert.True(after.DeviceAccesses > before.DeviceAccesses);
    }

    [Fact]
    public void Translated_code_is_counted_once_for_all_guests()
    {
        StartAndWait(new GuestOptions { Name = "a", Memory = Memory });
        Obey("a", "spin 50", "spin: ");
        Assert.True(SpinWait.SpinUntil(() => _host.MeasureTranslation().Blocks != 0, Patience)); // it is made beside the guest
        StartAndWait(new GuestOptions { Name = "b", Memory = Memory });
        TranslationUsage a = Hold("a").Translation, b = Hold("b").Translation;

        Assert.InRange(a.CodeBytes, 1, a.CodeLimit);
        Assert.NotEqual(0, a.Blocks);
        Assert.NotEqual(0, b.PagesShared);
        Assert.Equal(a.CodeLimit, b.CodeLimit);
    }

    [Theory]
    [InlineData("1")]
    [InlineData("lots")]
    [InlineData("1000000")]
    public void A_limit_of_code_that_cannot_be_is_an_error(string text)
    {
        GuestException error = Assert.Throws<GuestException>(() => HostEnvironment.Translation(text));
        Assert.Equal(GuestErrorIds.CodeBytesInvalid, error.ErrorId);
        Assert.Contains($"'{text}'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_speed_is_that_since_the_last_measurement()
    {
        StartAndWait(new GuestOptions { Name = "g", Memory = Memory });
        GuestMeasurement first = Hold("g");
        GuestMeasurement second = _host.Measure("g", detailed: false);

        Assert.True(first.Instructions > 0);
        Assert.True(first.InstructionsPerSecond > 0);
        Assert.Equal((first.Instructions, 0), (second.Instructions, second.InstructionsPerSecond));
        Assert.True(first.CpuTime > TimeSpan.Zero);
    }

    [Fact]
    public void The_parts_of_the_start_add_up()
    {
        StartAndWait(new GuestOptions { Name = "g", Memory = Memory });
        GuestMeasurement guest = _host.Measure("g", detailed: false);
        TimeSpan[] parts = [guest.StartTimes.Open, guest.StartTimes.Map, guest.StartTimes.Restore, guest.StartTimes.FirstInstruction];

        Assert.All(parts, part => Assert.True(part > TimeSpan.Zero));
        Assert.InRange(guest.StartLatency.Ticks - parts.Sum(part => part.Ticks), 0, parts.Length); // each is cut to a tick
    }

    [Fact]
    public void A_stopped_guest_holds_nothing_and_keeps_its_counters()
    {
        StartAndWait(new GuestOptions { Name = "g", Memory = Memory });
        GuestMeasurement running = Hold("g");
        _host.Stop("g");

        GuestMeasurement stopped = _host.Measure("g", detailed: true);

        Assert.Equal((GuestState.Stopped, 0), (stopped.State, stopped.OwnBytes));
        Assert.Empty(stopped.Backends);
        Assert.Equal(running.Instructions, stopped.Instructions);
        Assert.Equal(running.Exits.SbiCalls, stopped.Exits.SbiCalls);
    }

    [Fact]
    public void Several_are_measured_in_the_order_of_their_names()
    {
        StartAndWait(new GuestOptions { Name = "a", Memory = Memory });
        StartAndWait(new GuestOptions { Name = "b", Memory = Memory / 2 });

        IReadOnlyList<GuestMeasurement> measured = _host.Measure(["b", "a"], detailed: true);

        Assert.Equal(["b", "a"], measured.Select(guest => guest.Name));
        Assert.Equal([Memory / 2, Memory], measured.Select(guest => Assert.Single(guest.Backends).Size));
        Assert.Equal(
            GuestErrorIds.GuestNotFound, Assert.Throws<GuestException>(() => _host.Measure(["a", "nobody"], detailed: false)).ErrorId);
    }

    private void StartAndWait(GuestOptions options)
    {
        string name = _host.Start(options, default).Name;
        Assert.True(_host.WaitForText(name, "GUEST-UP", Patience, default), _host.ReadConsole(name, 0).Text);
    }

    private void Obey(string name, string command, string answer)
    {
        _host.WriteConsole(name, command + '\r');
        Assert.True(_host.WaitForText(name, answer, Patience, default), _host.ReadConsole(name, 0).Text);
    }

    /// <summary>Suspends a guest, so that nothing changes, and measures it.</summary>
    private GuestMeasurement Hold(string name)
    {
        _host.Suspend(name);
        return _host.Measure(name, detailed: false);
    }
}
