using PsVm.Machine.Devices;
using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests.Guests;

/// <summary>Guests are asked to power off.</summary>
public sealed class ShutdownTests : GuestHostTest
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan s_briefly = TimeSpan.FromMilliseconds(500);

    [Fact]
    public async Task The_embedded_guest_powers_off()
    {
        Start("web");
        Assert.True(Host.WaitForText("web", "GUEST-UP", s_patience, CancellationToken.None));

        Assert.True(await Host.ShutDownAsync("web", s_patience));

        Assert.Equal((GuestState.Stopped, "powered off by the guest"), (Host.Get("web").State, Host.Get("web").StopReason));
        Assert.Contains("off: powering off", Host.ReadConsole("web", 0).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_guest_that_boots_powers_off_once_it_is_up()
    {
        Start("web");

        Assert.True(await Host.ShutDownAsync("web", s_patience));

        Assert.Equal("powered off by the guest", Host.Get("web").StopReason);
    }

    [Fact]
    public async Task A_suspended_guest_is_resumed_and_powers_off()
    {
        Start("web");
        Host.Suspend("web");

        Assert.True(await Host.ShutDownAsync("web", s_patience));

        Assert.Equal("powered off by the guest", Host.Get("web").StopReason);
    }

    [Fact]
    public async Task Nothing_is_asked_of_a_guest_that_has_stopped()
    {
        Start("web");
        Host.Stop("web");

        Assert.True(await Host.ShutDownAsync("web", TimeSpan.Zero));

        Assert.Equal("stopped by the operator", Host.Get("web").StopReason);
    }

    [Fact]
    public async Task A_guest_that_does_not_listen_runs_on_and_nothing_waits_for_it()
    {
        string kernel = Path.Combine(Folder, "kernel");
        File.WriteAllBytes(kernel, GuestProgram.Wait);
        Host.Start(new GuestOptions { Name = "deaf", Kernel = kernel, Memory = 32 << 20 }, CancellationToken.None);

        Assert.False(await Host.ShutDownAsync("deaf", s_briefly));

        Assert.Equal(GuestState.Running, Host.Get("deaf").State);
        Host.WriteConsole("deaf", new string('x', GuestConsole.InputCapacity));
    }

    [Fact]
    public async Task Who_gives_up_takes_back_what_was_asked()
    {
        Start("web");
        Assert.True(Host.WaitForText("web", "GUEST-UP", s_patience, CancellationToken.None));

        // It must not come to its next look at the console meanwhile, however long this thread has to wait for a busy host.
        Host.Change("web", new GuestChange { CpuLimit = 0.01 });
        Host.WriteConsole("web", "spin 300\n");
        Assert.True(Host.WaitForText("web", "spin 300", s_patience, CancellationToken.None));
        using CancellationTokenSource stop = new();
        Task<bool> asked = Host.ShutDownAsync("web", s_patience, stop.Token);
        stop.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);
        Host.Change("web", new GuestChange { CpuLimit = 0 });

        Assert.True(Host.WaitForText("web", "iterations=300000000", s_patience, CancellationToken.None));
        Host.WriteConsole("web", "check\n");
        Assert.True(Host.WaitForText("web", "check: ok pages=256 good=256 zero=0 bad=0 checksum", s_patience, CancellationToken.None));
        Assert.Equal(GuestState.Running, Host.Get("web").State);
    }

    [Fact]
    public async Task A_fleet_is_asked_at_once()
    {
        string[] names = [.. Enumerable.Range(0, 8).Select(number => $"web-{number}")];
        Array.ForEach(names, Start);

        Assert.All(await Task.WhenAll(names.Select(name => Host.ShutDownAsync(name, s_patience))), Assert.True);

        Assert.All(Host.List(), guest => Assert.Equal("powered off by the guest", guest.StopReason));
    }

    [SkippableFact]
    public async Task Linux_powers_off()
    {
        LinuxGuest linux = LinuxGuest.GetOrSkip();
        Host.Start(
            new GuestOptions
            {
                Name = "linux", Kernel = linux.Kernel, Initrd = linux.Initrd, CommandLine = "console=ttyS0 quiet", Memory = 256 << 20,
            },
            CancellationToken.None);
        Assert.True(Host.WaitForText("linux", "GUEST-UP", s_patience, CancellationToken.None));

        Assert.True(await Host.ShutDownAsync("linux", s_patience));

        Assert.Equal("powered off by the guest", Host.Get("linux").StopReason);
        string console = Host.ReadConsole("linux", 0).Text;
        Assert.Contains("sysrq: Emergency Sync", console, StringComparison.Ordinal);
        Assert.Contains("sysrq: Emergency Remount R/O", console, StringComparison.Ordinal);
        Assert.Contains("sysrq: Power Off", console, StringComparison.Ordinal);
    }

    private void Start(string name) => Host.Start(new GuestOptions { Name = name, Memory = 32 << 20 }, CancellationToken.None);
}
