namespace PsVm;

/// <summary>Reads, tests and removes templates; <see cref="IGuestHost.Checkpoint"/> makes them. Paths are those of the host.</summary>
public interface ITemplateHost
{
    /// <summary>What a template says about itself.</summary>
    /// <exception cref="GuestException">There is none at the path, or it cannot be read.</exception>
    GuestTemplate Read(string path, CancellationToken cancellation = default);

    /// <summary>The templates in a folder, by name.</summary>
    IReadOnlyList<GuestTemplate> List(string folder, CancellationToken cancellation = default);

    /// <summary>Paths of what checkpoints that were cut short left in a folder, by name. The next checkpoint to there removes them.</summary>
    IReadOnlyList<string> Leftovers(string folder, CancellationToken cancellation = default);

    /// <summary>Whether guests can start from a template, and if not, why.</summary>
    /// <param name="path">Its folder.</param>
    /// <param name="verify">Compare the SHA-256 of the RAM files, which reads all of them.</param>
    /// <param name="cancellation">Gives up.</param>
    TemplateReport Test(string path, bool verify, CancellationToken cancellation = default);

    /// <summary>Removes a template from disk.</summary>
    /// <exception cref="GuestException">There is none at the path, or it cannot be removed.</exception>
    void Remove(string path, CancellationToken cancellation = default);
}
