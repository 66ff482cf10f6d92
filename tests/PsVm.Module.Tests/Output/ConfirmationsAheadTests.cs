using PsVm.Module.Output;

namespace PsVm.Module.Tests.Output;

public class ConfirmationsAheadTests
{
    private static readonly string[] s_all = ["a", "b", "a"];

    [Fact]
    public void What_was_confirmed_is_asked_once_and_not_done_before()
    {
        RecordingOutput pipeline = new();
        List<string> done = [];
        ConfirmationsAhead ahead = new(pipeline);

        Work(ahead, done);
        Assert.Empty(done);
        Assert.Equal(s_all, pipeline.Actions);
        Assert.False(ahead.IsRefused);

        Assert.True(ahead.Take("a"));
        Assert.True(ahead.Take("a"));
        Assert.False(ahead.Take("a"), "It was asked for twice only.");
        Assert.False(ahead.Take("nobody was asked"));
    }

    [Fact]
    public void What_was_refused_is_not_begun_and_its_errors_are_known()
    {
        ConfirmationsAhead ahead = new(new RecordingOutput { Answer = false });
        Work(ahead, []);
        ahead.WriteError(new CmdletException("SomeId", "wrong"));
        Assert.True(ahead.IsRefused);
        Assert.Equal("SomeId", Assert.Single(ahead.Errors).ErrorId);
    }

    [Fact]
    public void Work_that_asks_nothing_is_not_refused() => Assert.False(new ConfirmationsAhead(new RecordingOutput()).IsRefused);

    private static void Work(ConfirmationsAhead output, List<string> done) =>
        done.AddRange(s_all.Where(item => output.ShouldProcess(() => item)));
}
