namespace PsVm.Memory.Tests.Support;

/// <summary>
/// Tests with a folder and backends of their own, which run alone because they look at what the process and the host hold.
/// </summary>
[Collection(HostCollection.Name)]
public abstract class BackendTest : IDisposable
{
    private protected TestFolder Folder { get; } = new();

    private protected MemoryBackends Backends { get; } = Make.Backends();

    public virtual void Dispose()
    {
        Backends.Dispose();
        Folder.Dispose();
    }

    /// <summary>Creation fails as foretold, and leaves nothing behind.</summary>
    private protected MemoryBackendException Fails(string errorId, MemoryBackendOptions options)
    {
        MemoryBackendException? error = null;
        Holdings.AssertUnchanged(Folder.Path, () => error = Backends.CreateFails(errorId, options));
        Assert.Equal(options.Path, options.Path is null ? null : error!.Target);
        return error!;
    }
}
