using PsVm.Module.Output;

namespace PsVm.Module.Tests.Output;

public class ConfirmationTests
{
    [Theory]
    [InlineData(true, true, 0, 0)]
    [InlineData(false, true, 1, 0)]
    [InlineData(false, false, 1, 1)]
    public void Texts_are_made_and_checks_are_done_only_when_somebody_is_told(bool isUntold, bool answer, int texts, int checks)
    {
        (int Texts, int Checks) made = default;
        RecordingOutput output = new() { IsUntold = isUntold, Answer = answer };

        bool goesOn = output.ShouldProcess(() => $"Do it, the {++made.Texts}.", () => made.Checks++);

        Assert.Equal((texts, checks), made);
        Assert.Equal(answer, goesOn);
        Assert.Equal(texts, output.Actions.Count);
    }
}
