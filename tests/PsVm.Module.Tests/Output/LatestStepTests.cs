using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Tests.Output;

public class LatestStepTests
{
    [Theory]
    [InlineData(HostStep.Allocating, "256 MiB of 1 GiB of the file allocated")]
    [InlineData(HostStep.Preallocating, "256 MiB of 1 GiB preallocated")]
    [InlineData(HostStep.Loading, "256 MiB of 1 GiB loaded")]
    [InlineData(HostStep.Copying, "256 MiB of 1 GiB copied")]
    [InlineData(HostStep.Exporting, "256 MiB of 1 GiB exported")]
    [InlineData(HostStep.Importing, "256 MiB of 1 GiB imported")]
    [InlineData(HostStep.Hashing, "256 MiB of 1 GiB hashed")]
    [InlineData(HostStep.Writing, "256 MiB of 1 GiB written")]
    public void A_step_is_told_in_sizes_that_people_read(HostStep step, string status)
    {
        LatestStep latest = new();
        latest.Report(new StepProgress(step, 256 << 20, 1 << 30));
        Assert.Equal(new CmdletProgress("Doing", status, 25), latest.At("Doing", TimeSpan.FromSeconds(7)));
    }

    [Fact]
    public void Until_something_is_told_the_time_is_shown() =>
        Assert.Equal(new CmdletProgress("Doing", "7 s"), new LatestStep().At("Doing", TimeSpan.FromSeconds(7)));

    [Fact]
    public void Many_reports_are_few_displays_and_an_error_completes_the_display()
    {
        RecordingOutput output = new();
        LatestStep latest = new();
        InvalidOperationException error = Assert.Throws<InvalidOperationException>((Action)(() =>
        {
            using ProgressTicker progress = new(output, elapsed => latest.At("Doing", elapsed));
            for (long done = 0; output.Progress.IsEmpty; done++)
            {
                latest.Report(new StepProgress(HostStep.Loading, done, long.MaxValue));
            }

            throw new InvalidOperationException("failed");
        }));
        Assert.Equal("failed", error.Message);
        Assert.True(output.Progress.Count < 10, "It floods.");
        Assert.False(output.Progress.First().Completed);
        Assert.True(output.Progress.Last().Completed);
    }
}
