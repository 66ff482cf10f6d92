namespace PsVm.Memory;

/// <summary>
/// Counts who measures, copies or changes the RAM of a backend: the last user of one that has gone unmaps it. Changes wait for one another,
/// and may be refused while somebody needs the RAM to stay as it is. Safe from any thread; its lock is held for moments only.
/// </summary>
/// <param name="backend">The backend.</param>
/// <param name="unmap">Unmaps it; called once.</param>
internal sealed class RamUsers(MemoryBackend backend, Action unmap) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _change = new(1, 1);
    private int _users;
    private int _keepers;
    private bool _isLeaving;
    private bool _unmapped;

    /// <summary>Somebody needs the RAM to stay as it is.</summary>
    public bool IsKept
    {
        get
        {
            lock (_lock)
            {
                return _keepers > 0;
            }
        }
    }

    /// <summary>Does something for which the RAM must stay mapped.</summary>
    /// <exception cref="ObjectDisposedException">It has gone.</exception>
    public T Use<T>(Func<T> work)
    {
        lock (_lock)
        {
            Enter();
        }

        try
        {
            return work();
        }
        finally
        {
            Leave(keeper: false);
        }
    }

    /// <summary>Does something short, also with RAM that has gone, as long as a user keeps it mapped.</summary>
    /// <exception cref="ObjectDisposedException">It is unmapped.</exception>
    public void WhileMapped(Action work)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_unmapped, backend);
            work();
        }
    }

    /// <summary>Changes the RAM, after whoever else does.</summary>
    /// <param name="work">
    /// The change. Looks whether the RAM is kept: who wants that says so, and then waits for the change under way.
    /// </param>
    /// <param name="cancellation">Gives up before it begins.</param>
    public T Change<T>(Func<T> work, CancellationToken cancellation)
    {
        _change.Wait(cancellation);
        try
        {
            return work();
        }
        finally
        {
            _change.Release();
        }
    }

    /// <summary>Has changes refused until it is disposed; returns once one that is under way has ended.</summary>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="ObjectDisposedException">The RAM has gone.</exception>
    public IDisposable Keep(CancellationToken cancellation)
    {
        lock (_lock)
        {
            Enter();
            _keepers++;
        }

        var kept = new Release(() => Leave(keeper: true));
        try
        {
            _change.Wait(cancellation);
            _change.Release();
            return kept;
        }
        catch
        {
            kept.Dispose();
            throw;
        }
    }

    /// <summary>Unmaps the RAM now, or when its last user leaves.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            Unmap();
        }
    }

    private void Enter()
    {
        ObjectDisposedException.ThrowIf(_isLeaving, backend);
        _users++;
    }

    private void Leave(bool keeper)
    {
        lock (_lock)
        {
            _keepers -= keeper ? 1 : 0;
            _users--;
            if (_isLeaving)
            {
                Unmap();
            }
        }
    }

    private void Unmap()
    {
        _isLeaving = true;
        if (!_unmapped && _users == 0)
        {
            _unmapped = true;
            unmap();
        }
    }
}
