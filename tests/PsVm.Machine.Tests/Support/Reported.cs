namespace PsVm.Machine.Tests.Support;

/// <summary>Progress that is told at once, on the thread that works.</summary>
internal sealed class Reported(Action<StepProgress> told) : IProgress<StepProgress>
{
    public void Report(StepProgress value) => told(value);
}
