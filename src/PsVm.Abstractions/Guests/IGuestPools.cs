namespace PsVm;

/// <summary>
/// Owns pools of clones that are put together and held before their first instruction, to be taken by <see cref="GuestOptions.Pool"/>.
/// </summary>
/// <remarks>
/// What is held is no guest yet: <see cref="IGuestHost.List"/> does not have it. A clone has its own identity from the beginning, and its
/// time begins when it is taken. Methods that take a pool throw <see cref="GuestException"/> with id <c>GuestPoolNotFound</c> when there is
/// none of that name.
/// </remarks>
public interface IGuestPools
{
    /// <summary>Makes a pool and fills it.</summary>
    /// <param name="options">What is asked for.</param>
    /// <param name="progress">Told how many clones are held; null: no one asks.</param>
    /// <param name="cancellation">Gives up; nothing is left behind.</param>
    /// <exception cref="GuestException">
    /// There is such a pool, its options are wrong, or its clones cannot be put together; nothing is left behind.
    /// </exception>
    /// <exception cref="MemoryBackendException">Their RAM cannot be had; nothing is left behind.</exception>
    GuestPool Create(GuestPoolOptions options, IProgress<int>? progress = null, CancellationToken cancellation = default);

    /// <summary>Finds out what would be wrong with making a pool; nothing changes.</summary>
    /// <exception cref="GuestException">As of <see cref="Create"/>.</exception>
    void CheckCreate(GuestPoolOptions options, CancellationToken cancellation = default);

    /// <summary>All pools, in the order in which they were made.</summary>
    IReadOnlyList<GuestPool> List(CancellationToken cancellation = default);

    /// <summary>A pool as it is now.</summary>
    GuestPool Get(string pool, CancellationToken cancellation = default);

    /// <summary>Ends a pool, and the clones that it holds; those that were taken go on.</summary>
    void Remove(string pool, CancellationToken cancellation = default);
}
