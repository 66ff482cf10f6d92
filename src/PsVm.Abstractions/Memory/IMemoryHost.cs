namespace PsVm;

/// <summary>Owns guest RAM: makes, lists, measures, discards and removes backends, all in values. Nothing here is a mapping.</summary>
/// <remarks>
/// Methods that take a backend throw <see cref="MemoryBackendException"/> with id <c>BackendNotFound</c> when there is none of that id, or
/// when the reference means a certain backend that is no more; with <c>AmbiguousId</c> when several guests have a default RAM of that id.
/// What may wait can be cancelled.
/// </remarks>
public interface IMemoryHost
{
    /// <summary>The policy for backends that do not say themselves.</summary>
    MemoryBackendPolicy Policy { get; }

    /// <summary>Sets the policy for backends made from now on.</summary>
    /// <param name="denyPrivateDiscard">See <see cref="MemoryBackendPolicy.DenyPrivateDiscard"/>.</param>
    void SetPolicy(bool denyPrivateDiscard);

    /// <summary>Sets how much memory guests must leave, from now on.</summary>
    /// <param name="bytes">See <see cref="MemoryBackendPolicy.MemoryReserve"/>; null: the default.</param>
    /// <exception cref="MemoryBackendException">It is negative, or more than there is (<c>MemoryReserveInvalid</c>).</exception>
    void SetMemoryReserve(long? bytes);

    /// <summary>Finds out whether guests could be made to leave that much.</summary>
    /// <exception cref="MemoryBackendException">They could not.</exception>
    void CheckMemoryReserve(long? bytes);

    /// <inheritdoc cref="Create(MemoryBackendOptions, IProgress{StepProgress}?, CancellationToken)"/>
    MemoryBackendInfo Create(MemoryBackendOptions options, CancellationToken cancellation = default) => Create(options, null, cancellation);

    /// <summary>Opens, creates and maps what the options ask for.</summary>
    /// <param name="options">What is asked for.</param>
    /// <param name="progress">
    /// Told of preallocation, whenever some MiB more are done; null: no one asks. Called on any thread, by one at a time.
    /// </param>
    /// <param name="cancellation">Stops preallocation and what has not begun.</param>
    /// <exception cref="MemoryBackendException">It cannot be had; nothing is left behind.</exception>
    MemoryBackendInfo Create(MemoryBackendOptions options, IProgress<StepProgress>? progress, CancellationToken cancellation);

    /// <summary>
    /// Foretells what <see cref="Create(MemoryBackendOptions, CancellationToken)"/> would do. Opens nothing for writing, creates and maps
    /// nothing.
    /// </summary>
    BackendReport Test(MemoryBackendOptions options, CancellationToken cancellation = default);

    /// <summary>The live backends, in the order they were made.</summary>
    IReadOnlyList<MemoryBackendInfo> List(CancellationToken cancellation = default);

    /// <summary>A live backend.</summary>
    MemoryBackendInfo Get(BackendReference backend, CancellationToken cancellation = default);

    /// <summary>
    /// What backends cost the host now, in their order, from the kernel's accounting; the mappings of the process are visited once for all.
    /// </summary>
    IReadOnlyList<MemoryUsage> Measure(IReadOnlyList<BackendReference> wanted, CancellationToken cancellation = default);

    /// <summary>Gives a range of guest memory back to the host. Guests may run meanwhile.</summary>
    /// <param name="backend">The backend.</param>
    /// <param name="offset">Bytes from the start of the block; a multiple of the backing page size.</param>
    /// <param name="length">Bytes; a multiple of the backing page size.</param>
    /// <param name="policy">What to do; null: the backend's policy. A backend that denies discards denies each.</param>
    /// <param name="cancellation">Gives up before it begins.</param>
    /// <exception cref="MemoryBackendException">
    /// The range or policy is impossible or denied, the backend's guest is being checkpointed (<c>BackendBusy</c>), or the kernel refused.
    /// </exception>
    DiscardOutcome Discard(
        BackendReference backend, long offset, long length, DiscardPolicy? policy, CancellationToken cancellation = default);

    /// <summary>Finds out what is wrong with a discard, as far as that can be known without doing it; nothing changes.</summary>
    /// <exception cref="MemoryBackendException">As of <see cref="Discard"/>, but for what the kernel refuses.</exception>
    void CheckDiscard(BackendReference backend, long offset, long length, DiscardPolicy? policy);

    /// <summary>Finds out whether a backend could be removed now; nothing changes.</summary>
    /// <exception cref="MemoryBackendException">There is none, or a guest uses it.</exception>
    void CheckRemove(BackendReference backend);

    /// <summary>Unmaps and forgets a backend; its file stays.</summary>
    /// <exception cref="MemoryBackendException">A guest uses it (<c>BackendInUse</c>).</exception>
    void Remove(BackendReference backend, CancellationToken cancellation = default);
}
