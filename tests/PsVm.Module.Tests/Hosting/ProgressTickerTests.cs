using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Tests.Hosting;

public class ProgressTickerTests
{
    [Fact]
    public void A_quick_action_shows_nothing()
    {
        RecordingOutput output = new();

        new ProgressTicker(output, "Mapping", Timeout.InfiniteTimeSpan).Dispose();

        Assert.Empty(output.Progress);
    }

    [Fact]
    public void With_a_limit_it_shows_how_far_it_is()
    {
        using ProgressTicker ticker = new(new RecordingOutput(), "Waiting", TimeSpan.FromSeconds(60));

        Assert.Equal(new CmdletProgress("Waiting", "15 of 60 s", 25), ticker.At(TimeSpan.FromSeconds(15)));
        Assert.Equal(100, ticker.At(TimeSpan.FromSeconds(61)).PercentComplete);
    }

    [Fact]
    public void Without_a_limit_it_shows_the_time()
    {
        using ProgressTicker ticker = new(new RecordingOutput(), "Waiting", Timeout.InfiniteTimeSpan);

        Assert.Equal(new CmdletProgress("Waiting", "15 s"), ticker.At(TimeSpan.FromSeconds(15)));
    }
}
