namespace PsVm.Memory.Tests;

/// <summary>Keeps what it is told of a host's progress; one at a time tells, as is promised.</summary>
/// <param name="also">Called for each.</param>
internal sealed class ReportList(Action<StepProgress>? also = null) : List<StepProgress>, IProgress<StepProgress>
{
    public ReportList()
        : this(null)
    {
    }

    public void Report(StepProgress value)
    {
        Add(value);
        also?.Invoke(value);
    }
}
