using PsVm.Machine.Devices.VhostUser;

namespace PsVm.Machine.Tests.Devices.VhostUser;

/// <summary>Daemons that are started, by programs that are none.</summary>
public sealed class ProgramDaemonTests
{
    [Fact]
    public async Task One_that_is_ended_while_it_is_waited_for_is_an_error_and_has_ended()
    {
        using ProgramDaemon daemon = new("/bin/sleep", _ => ["600"], "nothing");
        Task connecting = Task.Run(() => daemon.Connect(CancellationToken.None));
        Assert.True(SpinWait.SpinUntil(() => daemon.ProcessId is not null, TimeSpan.FromSeconds(30)));
        int process = daemon.ProcessId!.Value;

        daemon.End();

        VhostException failure = await Assert.ThrowsAsync<VhostException>(() => connecting);
        Assert.Contains("ended", failure.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists($"/proc/{process}"));
        Assert.Null(daemon.ProcessId);
    }

    [Fact]
    public async Task Waiting_for_one_can_be_given_up()
    {
        using ProgramDaemon daemon = new("/bin/sleep", _ => ["600"], "nothing");
        using CancellationTokenSource stop = new();
        Task connecting = Task.Run(() => daemon.Connect(stop.Token));
        Assert.True(SpinWait.SpinUntil(() => daemon.ProcessId is not null, TimeSpan.FromSeconds(30)));

        stop.Cancel();

        await Assert.ThrowsAsync<OperationCanceledException>(() => connecting);
        Assert.Null(daemon.ProcessId);
    }

    [Fact]
    public void A_program_that_cannot_be_started_is_an_error()
    {
        using ProgramDaemon daemon = new("/none", _ => [], "nothing");
        Assert.Contains(
            "none for nothing",
            Assert.Throws<VhostException>(() => daemon.Connect(CancellationToken.None)).Message,
            StringComparison.Ordinal);
    }
}
