namespace PsVm.Memory;

/// <summary>The live backends of this process, in values.</summary>
/// <param name="backends">The backends.</param>
public sealed class MemoryHost(MemoryBackends backends) : IMemoryHost
{
    /// <inheritdoc/>
    public MemoryBackendPolicy Policy => backends.Policy;

    /// <inheritdoc/>
    public void SetPolicy(bool denyPrivateDiscard) => backends.SetPolicy(denyPrivateDiscard);

    /// <inheritdoc/>
    public MemoryBackendInfo Create(MemoryBackendOptions options, CancellationToken cancellation = default) =>
        backends.Create(options, cancellation).Info;

    /// <inheritdoc/>
    public BackendReport Test(MemoryBackendOptions options, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        return backends.Test(options);
    }

    /// <inheritdoc/>
    public IReadOnlyList<MemoryBackendInfo> List(CancellationToken cancellation = default) =>
        [.. backends.List().Select(backend => backend.Info)];

    /// <inheritdoc/>
    public MemoryBackendInfo Get(BackendReference backend, CancellationToken cancellation = default) => backends.Get(backend).Info;

    /// <inheritdoc/>
    public MemoryUsage Measure(BackendReference backend, CancellationToken cancellation = default) =>
        WhileThere(backend, found => found.Measure(), cancellation);

    /// <inheritdoc/>
    public DiscardOutcome Discard(
        BackendReference backend, long offset, long length, DiscardPolicy? policy, CancellationToken cancellation = default) =>
        WhileThere(backend, found => found.Discard(offset, length, policy, cancellation), cancellation);

    /// <inheritdoc/>
    public void Remove(BackendReference backend, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        backends.Remove(backend);
    }

    // Another caller may remove it between the look and the act.
    private T WhileThere<T>(BackendReference backend, Func<MemoryBackend, T> act, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        MemoryBackend found = backends.Get(backend);
        try
        {
            return act(found);
        }
        catch (ObjectDisposedException)
        {
            throw MemoryBackends.NotFound(backend, found);
        }
    }
}
