namespace PsVm.Machine.State;

/// <summary>The sections of a state of one moment, of which some may still be written.</summary>
/// <param name="sections">Name, version and stream of each.</param>
internal sealed class TakenState(IReadOnlyList<(string Name, uint Version, StateStream Content)> sections) : IDisposable
{
    /// <summary>Writes what is left to be written.</summary>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="IOException">Some of it cannot be read.</exception>
    public List<StateSection> Finish(CancellationToken cancellation = default) =>
        [.. sections.Select(section => new StateSection(section.Name, section.Version, section.Content.ToArray(cancellation)))];

    /// <summary>Gives up what was not written.</summary>
    public void Dispose()
    {
        foreach ((_, _, StateStream content) in sections)
        {
            content.Abandon();
        }
    }
}
