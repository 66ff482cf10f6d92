namespace PsVm;

/// <summary>What an operator asks of a checkpoint.</summary>
public sealed record CheckpointOptions
{
    /// <summary>Folder that becomes the template; the folder it lies in must exist.</summary>
    public required string Path { get; init; }

    /// <summary>
    /// The guest's shared RAM files become the template's where they are, and the guest is stopped; false: RAM is copied.
    /// </summary>
    /// <remarks>A guest that went on would write into its own template.</remarks>
    public bool UseRamFile { get; init; }

    /// <summary>
    /// Record the plain SHA-256 of each RAM file too, which other tools give as well; it reads all of it. The digest that starts compare is
    /// always recorded.
    /// </summary>
    public bool Digest { get; init; }

    /// <summary>Store only what changed since the template that the guest was started from; the new one then needs that one.</summary>
    public bool Differential { get; init; }

    /// <summary>
    /// Devices of other processes (vhost-user), which cannot be in a template, are detached from it: a clone's requests to them fail at
    /// once, and the guest goes on with them; false: a guest that has some is refused.
    /// </summary>
    public bool DetachVhostUser { get; init; }

    /// <summary>Replace a template that is there already.</summary>
    public bool Force { get; init; }
}
