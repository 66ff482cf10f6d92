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
        TimeSpan limit = TimeSpan.FromSeconds(60);

        Assert.Equal(new CmdletProgress("Waiting", "15 of 60 s", 25), ProgressTicker.Elapsed("Waiting", TimeSpan.FromSeconds(15), limit));
        Assert.Equal(100, ProgressTicker.Elapsed("Waiting", TimeSpan.FromSeconds(61), limit).PercentComplete);
    }

    [Fact]
    public void Without_a_limit_it_shows_the_time() =>
        Assert.Equal(
            new CmdletProgress("Waiting", "15 s"),
            ProgressTicker.Elapsed("Waiting", TimeSpan.FromSeconds(15), Timeout.InfiniteTimeSpan));
}
