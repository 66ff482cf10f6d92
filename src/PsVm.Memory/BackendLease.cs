namespace PsVm.Memory;

/// <summary>Which guest has a backend. A backend that is given up goes when no guest has it. Safe from any thread.</summary>
/// <param name="backend">The backend.</param>
/// <param name="free">Lets its RAM go; called once it was given up and no guest has it.</param>
internal sealed class BackendLease(MemoryBackend backend, Action free)
{
    private readonly Lock _lock = new();
    private bool _closed;

    /// <summary>The guest's name; null: none has it.</summary>
    public string? Holder { get; private set; }

    /// <summary>Takes it for a guest, until what this returns is disposed.</summary>
    /// <param name="guest">The guest's name.</param>
    /// <exception cref="MemoryBackendException">Another guest has it, it was removed, or a page of its RAM could not be had.</exception>
    public IDisposable Take(string guest)
    {
        lock (_lock)
        {
            ThrowIfNotFree();
            Holder = guest;
            return new Release(GiveBack);
        }
    }

    /// <summary>The guest that has it got another name.</summary>
    public void Rename(string guest)
    {
        lock (_lock)
        {
            Holder = Holder is null ? null : guest;
        }
    }

    /// <summary>
    /// Tells of something. Who has ended its subscription and gives back its lease is not told any more when that returns.
    /// </summary>
    public void Tell(Action tell)
    {
        lock (_lock)
        {
            tell();
        }
    }

    /// <summary>Finds out whether a guest could take it now.</summary>
    /// <exception cref="MemoryBackendException">It is in use or was removed, or a page of its RAM could not be had.</exception>
    public void CheckFree()
    {
        lock (_lock)
        {
            ThrowIfNotFree();
        }
    }

    /// <summary>Finds out whether it could be removed now.</summary>
    /// <exception cref="MemoryBackendException">A guest has it.</exception>
    public void CheckUnused()
    {
        lock (_lock)
        {
            ThrowIfHeld("removed");
        }
    }

    /// <summary>Gives the backend up; its RAM goes now, or when the guest that has it gives it back.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _closed = true;
            FreeIfUnused();
        }
    }

    /// <summary>Gives the backend up, unless a guest has it.</summary>
    /// <exception cref="MemoryBackendException">A guest has it.</exception>
    public void CloseIfUnused()
    {
        lock (_lock)
        {
            ThrowIfHeld("removed");
            _closed = true;
            FreeIfUnused();
        }
    }

    private void GiveBack()
    {
        lock (_lock)
        {
            Holder = null;
            FreeIfUnused();
        }
    }

    private void FreeIfUnused()
    {
        if (_closed && Holder is null)
        {
            free();
        }
    }

    private void ThrowIfNotFree()
    {
        if (_closed)
        {
            throw LiveBackends.NotFound(new(backend.Id), backend); // somebody removed it since it was found
        }

        ThrowIfHeld("attached to a second guest");
        backend.ThrowIfFaulted();
    }

    private void ThrowIfHeld(string action)
    {
        if (Holder is not null)
        {
            throw new MemoryBackendException(
                MemoryErrorIds.BackendInUse,
                $"Backend '{backend.Id}' cannot be {action}: guest '{Holder}' uses it.",
                backend.Id,
                $"Stop guest '{Holder}' first.");
        }
    }
}
