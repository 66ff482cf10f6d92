using PsVm.Memory.Mapping;

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
    public void SetMemoryReserve(long? bytes) => backends.SetMemoryReserve(bytes);

    /// <inheritdoc/>
    public void CheckMemoryReserve(long? bytes) => backends.CheckMemoryReserve(bytes);

    /// <inheritdoc/>
    public MemoryBackendInfo Create(MemoryBackendOptions options, IProgress<StepProgress>? progress, CancellationToken cancellation) =>
        backends.Create(options, progress, cancellation).Info;

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
    public IReadOnlyList<MemoryUsage> Measure(IReadOnlyList<BackendReference> wanted, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(wanted);
        ProcessMappings? mappings = wanted.Count > 1 ? ProcessMappings.Read(cancellation) : null;
        return [.. wanted.Select(backend => WhileThere(backend, found => found.Measure(mappings, cancellation), cancellation))];
    }

    /// <inheritdoc/>
    public DiscardOutcome Discard(
        BackendReference backend, long offset, long length, DiscardPolicy? policy, CancellationToken cancellation = default) =>
        WhileThere(backend, found => found.Discard(offset, length, policy, cancellation), cancellation);

    /// <inheritdoc/>
    public void CheckDiscard(BackendReference backend, long offset, long length, DiscardPolicy? policy) =>
        backends.Get(backend).CheckDiscard(offset, length, policy);

    /// <inheritdoc/>
    public void CheckRemove(BackendReference backend) => backends.Get(backend).CheckUnused();

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
            throw LiveBackends.NotFound(backend, found);
        }
    }
}
