using System.Diagnostics;
using System.Runtime.CompilerServices;
using PsVm.Machine.Guests;
using PsVm.Machine.Tests.Support;
using PsVm.Memory;

namespace PsVm.Machine.Tests;

/// <summary>The protocol of the embedded guest, as tests/guests/README.md describes it, on our own machine.</summary>
public sealed class EmbeddedGuestTests : IDisposable
{
    private const string Compiler = "riscv64-linux-gnu-gcc";
    private const long SmallestMemory = 4 << 20;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly string _folder = Directory.CreateTempSubdirectory("psvm-embedded-guest-").FullName;
    private readonly MemoryBackends _backends = new();
    private readonly GuestHost _host;

    public EmbeddedGuestTests() => _host = new GuestHost(_backends);

    public void Dispose()
    {
        _host.Dispose();
        _backends.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [SkippableFact]
    public void The_binary_is_built_from_its_source()
    {
        string? version = HostProgram.Run(Compiler, "-dumpfullversion")?.Trim();
        Skip.If(version is null, $"{Compiler} is not installed");
        Skip.IfNot(version!.StartsWith("12.", StringComparison.Ordinal), $"the committed binary comes from gcc 12, this is gcc {version}");

        string built = Path.Combine(_folder, "guest.elf");
        Assert.NotNull(HostProgram.Run("sh", Path.Combine(SourceFolder(), "../guests/embedded/build.sh"), built));

        Assert.Equal(Committed(), File.ReadAllBytes(built));
    }

    [Fact]
    public void Fresh_memory_is_written_with_the_pattern_and_checked()
    {
        string[] console = RunToEnd(new GuestOptions { Memory = SmallestMemory }, "off");

        Assert.Equal("PsVm embedded guest", console[0]);
        Assert.Equal("ram: region=0 base=0x80000000 bytes=4194304", console[1]);
        Assert.StartsWith("pattern: written pages=25", console[2], StringComparison.Ordinal); // some of 256 give way to the device tree
        Assert.StartsWith("check: ok ", console[3], StringComparison.Ordinal);
        Assert.Equal("GUEST-UP", console[4]);
    }

    [Fact]
    public void A_shared_file_keeps_the_pattern_for_the_next_life()
    {
        var ram = new MemoryBackendOptions { Id = "ram", Path = Path.Combine(_folder, "ram"), Size = 8 << 20, Share = true };
        string[] first = RunToEnd(ram, "touch 300", "check", "off");
        string[] second = RunToEnd(ram with { Share = false }, "off");

        Assert.Contains("touch: pages=300 generation=2", first);
        Assert.Contains(second, line => line.StartsWith("pattern: found pages=300 ", StringComparison.Ordinal));
        Assert.Equal(first.Last(IsCheck), second.Single(IsCheck));
    }

    [Fact]
    public void A_touch_changes_the_checksum_and_leaves_the_pattern_whole()
    {
        string[] checks = [.. RunToEnd(new GuestOptions { Memory = SmallestMemory }, "check", "touch 7", "check", "off").Where(IsCheck)];

        Assert.All(checks, line => Assert.StartsWith("check: ok ", line, StringComparison.Ordinal));
        Assert.Equal(checks[0], checks[1]);
        Assert.NotEqual(checks[1], checks[2]);
    }

    [Fact]
    public void A_check_finds_pages_that_were_discarded()
    {
        MemoryBackend ram = _backends.Create(new MemoryBackendOptions { Id = "ram", Size = 8 << 20 });
        _host.Start(new GuestOptions { Name = "g", BackendIds = ["ram"] }, CancellationToken.None);
        Assert.True(_host.WaitForText("g", "GUEST-UP", Patience, CancellationToken.None));

        ram.Discard(0x300000 + (16 * 4096), 3 * 4096);

        Assert.Contains(ObeyToEnd("g", "check", "off"), line =>
            line.StartsWith("check: FAIL pages=256 good=253 zero=3 bad=0 ", StringComparison.Ordinal));
    }

    [Fact]
    public void A_store_to_a_read_only_backend_faults()
    {
        string rom = Path.Combine(_folder, "rom");
        File.WriteAllBytes(rom, new byte[1 << 20]);
        _backends.Create(new MemoryBackendOptions { Id = "ram", Size = SmallestMemory });
        _backends.Create(new MemoryBackendOptions { Id = "rom", Path = rom, Size = 1 << 20, ReadOnly = true });

        string[] console = RunToEnd(new GuestOptions { BackendIds = ["ram", "rom"] }, "rom", "off");

        Assert.Contains("ram: region=1 base=0x80400000 bytes=1048576 read-only", console);
        Assert.Contains("rom: store succeeded at 0x803ffff8", console);
        Assert.Contains("rom: store faulted cause=7 at 0x804ffff8", console);
    }

    [Fact]
    public void Memory_that_ends_before_the_pool_is_refused()
    {
        _host.Start(new GuestOptions { Name = "g", Memory = 3 << 20 }, CancellationToken.None);

        Assert.True(_host.WaitForState("g", GuestState.Failed, Patience, CancellationToken.None));
        Assert.Contains("error: no writable RAM above 0x80300000\r\n", _host.ReadConsole("g", 0).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void It_ticks_while_it_is_idle()
    {
        _host.Start(new GuestOptions { Name = "g", Memory = SmallestMemory }, CancellationToken.None);

        Assert.True(_host.WaitForText("g", "TICK 2\r\n", Patience, CancellationToken.None));
    }

    [Theory]
    [InlineData("help", "help: touch N | check | rom | spin N | off | help")]
    [InlineData("jump", "error: unknown command jump")]
    [InlineData("touch", "error: touch needs a number from 1 to 1000000000")]
    [InlineData("touch 1000000001", "error: touch needs a number from 1 to 1000000000")]
    [InlineData("spin 1x", "error: spin needs a number from 1 to 1000000000")]
    [InlineData("helq\bp", "help: touch N | check | rom | spin N | off | help")]
    public void It_answers_each_line(string command, string answer) =>
        Assert.Contains(answer, RunToEnd(new GuestOptions { Memory = SmallestMemory }, command, "off"));

    [Fact]
    public void It_spins_as_often_as_it_is_told()
    {
        string[] console = RunToEnd(new GuestOptions { Name = "g", Memory = SmallestMemory }, "spin 3", "off");

        Assert.Contains(console, line => line.StartsWith("spin: iterations=3000000 ms=", StringComparison.Ordinal));
        Assert.True(_host.Get("g").Instructions > 6_000_000);
    }

    private static bool IsCheck(string line) => line.StartsWith("check: ", StringComparison.Ordinal);

    private string[] RunToEnd(MemoryBackendOptions ram, params string[] commands)
    {
        using MemoryBackend backend = _backends.Create(ram);
        string[] console = RunToEnd(new GuestOptions { Name = "g", BackendIds = [backend.Id] }, commands);
        _host.Remove("g");
        return console;
    }

    private string[] RunToEnd(GuestOptions options, params string[] commands) =>
        ObeyToEnd(_host.Start(options, CancellationToken.None).Name, commands);

    /// <summary>Types the commands, the last of which is off; the console's lines once the guest has stopped.</summary>
    private string[] ObeyToEnd(string name, params string[] commands)
    {
        Assert.True(_host.WaitForText(name, "GUEST-UP", Patience, CancellationToken.None), _host.ReadConsole(name, 0).Text);
        _host.WriteConsole(name, string.Join('\r', commands) + '\r');
        Assert.True(_host.WaitForState(name, GuestState.Stopped, Patience, CancellationToken.None), _host.ReadConsole(name, 0).Text);
        return _host.ReadConsole(name, 0).Text.Split("\r\n");
    }

    private static byte[] Committed()
    {
        using Stream stream = typeof(GuestHost).Assembly.GetManifestResourceStream("PsVm.Machine.EmbeddedGuest.elf")!;
        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }

    private static string SourceFolder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
