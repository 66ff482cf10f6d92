using PsVm.Module.Hosting;

namespace PsVm.Module.Output;

/// <summary>What a host has last told of how far it is, for a <see cref="ProgressTicker"/> to show.</summary>
internal sealed class LatestStep : IProgress<StepProgress>
{
    private StepProgress? _latest;

    public void Report(StepProgress value) => Volatile.Write(ref _latest, value);

    /// <summary>How far it is now.</summary>
    /// <param name="activity">What is being done.</param>
    /// <param name="elapsed">Since when: all there is to show until the host has told something.</param>
    public CmdletProgress At(string activity, TimeSpan elapsed)
    {
        if (Volatile.Read(ref _latest) is not { } step)
        {
            return ProgressTicker.Elapsed(activity, elapsed, Timeout.InfiniteTimeSpan);
        }

        string done = step.Step switch
        {
            HostStep.Allocating => "of the file allocated",
            HostStep.Preallocating => "preallocated",
            HostStep.Writing or HostStep.Saving => "written",
            HostStep.Copying => "copied",
            HostStep.Exporting => "exported",
            HostStep.Importing => "imported",
            HostStep.Hashing => "hashed",
            HostStep.Filling => "of the guest's RAM here",
            _ => "loaded",
        };
        return new CmdletProgress(
            activity,
            $"{ByteSize.ToText(step.Done)} of {ByteSize.ToText(step.Total)} {done}",
            step.Total > 0 ? (int)Math.Clamp(100.0 * step.Done / step.Total, 0, 100) : -1);
    }
}
