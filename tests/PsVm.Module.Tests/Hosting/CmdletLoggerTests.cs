using Microsoft.Extensions.Logging;
using PsVm.Module.Hosting;

namespace PsVm.Module.Tests.Hosting;

public class CmdletLoggerTests
{
    private readonly CmdletLogger _logger = new CmdletLogger("PsVm.Area");

    [Fact]
    public void Levels_go_to_their_streams()
    {
        RecordingOutput output = new();

        PipelinePump.Run(
            (_, _) =>
            {
                _logger.LogTrace("t");
                _logger.LogDebug("d");
                _logger.LogInformation("i");
                _logger.LogWarning(new EventId(1, "SomeId"), "w");
                _logger.LogError("e");
            },
            output,
            CancellationToken.None);

        Assert.Equal(["PsVm.Area: t", "PsVm.Area: d"], output.Debug);
        Assert.Equal(["i"], output.Verbose);
        Assert.Equal(["[SomeId] w", "e"], output.Warnings);
    }

    [Fact]
    public void A_thread_that_the_work_started_logs_to_the_same_cmdlet()
    {
        RecordingOutput output = new();

        PipelinePump.Run(
            (_, _) =>
            {
                Thread thread = new(() => _logger.LogInformation("from a hart"));
                thread.Start();
                thread.Join();
            },
            output,
            CancellationToken.None);

        Assert.Equal(["from a hart"], output.Verbose);
    }

    [Fact]
    public void Without_a_cmdlet_nothing_is_written()
    {
        Assert.False(_logger.IsEnabled(LogLevel.Critical));
        _logger.LogCritical("nobody listens");
    }
}
