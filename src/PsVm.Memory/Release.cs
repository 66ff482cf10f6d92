namespace PsVm.Memory;

/// <summary>What is done once when it is disposed.</summary>
internal sealed class Release(Action release) : IDisposable
{
    private Action? _release = release;

    /// <inheritdoc/>
    public void Dispose() => Interlocked.Exchange(ref _release, null)?.Invoke();
}
