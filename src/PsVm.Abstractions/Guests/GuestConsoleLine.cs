namespace PsVm;

/// <summary>A line that a guest wrote on its console.</summary>
/// <param name="Guest">The guest's name.</param>
/// <param name="Time">When the line's last character came (UTC), exact to some milliseconds, less so in output that is long past.</param>
/// <param name="Text">The line without its end, fit for a terminal (<see cref="VisibleText"/>) unless the raw text was asked for.</param>
public sealed record GuestConsoleLine(string Guest, DateTimeOffset Time, string Text)
{
    /// <summary>The text.</summary>
    public override string ToString() => Text;
}
