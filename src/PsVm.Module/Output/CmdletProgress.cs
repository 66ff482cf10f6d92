namespace PsVm.Module.Output;

/// <summary>How far a slow action is.</summary>
/// <param name="Activity">What is being done.</param>
/// <param name="Status">How far it is.</param>
/// <param name="PercentComplete">0 to 100; -1 when unknown.</param>
/// <param name="Completed">The action has ended; the display goes away.</param>
internal sealed record CmdletProgress(string Activity, string Status, int PercentComplete = -1, bool Completed = false)
{
    /// <summary>The action is part of another one of the cmdlet, below which it is shown.</summary>
    public bool IsPart { get; init; }
}
