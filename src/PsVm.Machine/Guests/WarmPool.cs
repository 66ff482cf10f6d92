namespace PsVm.Machine.Guests;

/// <summary>
/// Clones of one template that are put together and wait before their first instruction. What is taken is made again beside. Safe from any
/// thread.
/// </summary>
/// <remarks>
/// A clone that waits costs its tables and no CPU; its RAM is the template's. It goes on being of use when its template is removed, since
/// it has the files open; when another one is in its place, it is given up, and who takes one gets a clone of that.
/// </remarks>
internal sealed class WarmPool : IDisposable
{
    private readonly Lock _gate = new();
    private readonly GuestPoolOptions _options;
    private readonly CloneIdentity? _identity;
    private readonly GuestAssembler _assembler;
    private readonly HostEventLog _events;
    private readonly Queue<LiveGuest> _held = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly DateTimeOffset _createdAt = DateTimeOffset.UtcNow;
    private Task _filling = Task.CompletedTask;
    private bool _isFilling;
    private bool _closed;
    private long _taken;
    private long _grown;
    private long _memory;
    private PsVmError? _failure;

    /// <summary>Makes a pool that holds nothing yet.</summary>
    /// <param name="options">What is asked for.</param>
    /// <param name="assembler">Puts the clones together.</param>
    /// <param name="events">Told when it cannot be filled again.</param>
    public WarmPool(GuestPoolOptions options, GuestAssembler assembler, HostEventLog events)
    {
        _identity = options.Guest.Identity;
        _options = options with { Guest = WhatWaits(options) };
        (_assembler, _events) = (assembler, events);
    }

    /// <summary>What a clone is before it is taken: nobody yet.</summary>
    public static GuestOptions WhatWaits(GuestPoolOptions options) => options.Guest with { Identity = null };

    /// <summary>Its name.</summary>
    public string Name => _options.Name;

    /// <summary>It as it is now.</summary>
    public GuestPool Info
    {
        get
        {
            LiveGuest[] held;
            lock (_gate)
            {
                held = [.. _held];
            }

            long own = held.Sum(guest => guest.MeasureOwn());
            lock (_gate)
            {
                return new GuestPool
                {
                    Name = Name,
                    Template = _options.Guest.Template!,
                    Size = _options.Size,
                    Held = _held.Count,
                    Grow = _options.Grow,
                    Taken = _taken,
                    Grown = _grown,
                    Memory = _memory,
                    OwnBytes = own,
                    CreatedAt = _createdAt,
                    Failure = _failure,
                };
            }
        }
    }

    /// <summary>Completes when nobody fills it beside; whoever takes one has that done.</summary>
    internal Task Filling
    {
        get
        {
            lock (_gate)
            {
                return _filling;
            }
        }
    }

    /// <summary>Fills it.</summary>
    /// <param name="progress">Told how many it holds; null: no one asks.</param>
    /// <param name="cancellation">Gives up; what it holds then stays.</param>
    public void Fill(IProgress<int>? progress, CancellationToken cancellation)
    {
        for (int held = 1; held <= _options.Size; held++)
        {
            Add(Make(cancellation));
            progress?.Report(held);
        }
    }

    /// <summary>Takes a clone, which does not run yet, and has another one made beside.</summary>
    /// <param name="identity">Who it is to be where its guest is not told; null: any clone.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">
    /// It holds none and does not grow (<see cref="GuestErrorIds.GuestPoolEmpty"/>), or none can be made.
    /// </exception>
    public LiveGuest Take(out CloneIdentity? identity, CancellationToken cancellation)
    {
        LiveGuest? found = null;
        List<LiveGuest> outdated = [];
        while (found is null && TakeHeld() is { } next)
        {
            // Not under the gate: the template's file system may not answer, and others ask how the pool is.
            if (next.IsOutdated)
            {
                outdated.Add(next);
            }
            else
            {
                found = next;
            }
        }

        outdated.ForEach(guest => guest.Discard());
        bool isGrowth = found is null;
        try
        {
            if (isGrowth && !_options.Grow && outdated.Count == 0)
            {
                throw Empty();
            }

            found ??= Make(cancellation);
            lock (_gate)
            {
                _taken++;
                identity = _identity?.WithNumber(_taken);
                _grown += isGrowth ? 1 : 0;
            }

            return found;
        }
        finally
        {
            FillBeside();
        }
    }

    /// <summary>Throws when there is nothing to take.</summary>
    /// <exception cref="GuestException">It holds none and does not grow (<see cref="GuestErrorIds.GuestPoolEmpty"/>).</exception>
    public void CheckTake()
    {
        lock (_gate)
        {
            if (_held.Count > 0 || _options.Grow)
            {
                return;
            }
        }

        throw Empty();
    }

    /// <inheritdoc/>
    public void Dispose() => Close(CancellationToken.None);

    /// <summary>Gives up all that it holds; returns when nothing more is put together for it.</summary>
    /// <param name="cancellation">Gives up waiting for that: what still comes is given up, too.</param>
    public void Close(CancellationToken cancellation)
    {
        Task filling;
        LiveGuest[] held;
        lock (_gate)
        {
            _closed = true;
            filling = _filling;
            held = [.. _held];
            _held.Clear();
        }

        _stop.Cancel();
        Array.ForEach(held, guest => guest.Discard());
        filling.Wait(cancellation); // the template's file system may not answer
        _stop.Dispose();
    }

    private LiveGuest? TakeHeld()
    {
        lock (_gate)
        {
            return _held.TryDequeue(out LiveGuest? held) ? held : null;
        }
    }

    private LiveGuest Make(CancellationToken cancellation)
    {
        // A name that is the pool's to see in lists of backends, and nobody's else: what is held is no guest yet.
        string name = $"{Name}.{Guid.NewGuid():N}"[..(Name.Length + 9)];
        LiveGuest guest = _assembler.Open(_options.Guest).Build(name, previous: null, reset: null, new StartClock(), cancellation);
        guest.Wait();
        return guest;
    }

    /// <summary>Holds a clone, or gives it up where nobody is to take any.</summary>
    private void Add(LiveGuest guest)
    {
        lock (_gate)
        {
            if (!_closed)
            {
                _held.Enqueue(guest);
                _memory = guest.Description.Memory;
                _failure = null;
                return;
            }
        }

        guest.Discard();
    }

    /// <summary>Has it filled again on another thread, unless that is being done.</summary>
    private void FillBeside()
    {
        lock (_gate)
        {
            if (!_closed && !_isFilling)
            {
                _isFilling = true;
                _filling = Task.Run(FillAgain);
            }
        }
    }

    private void FillAgain()
    {
        while (IsToFill())
        {
            try
            {
                Add(Make(_stop.Token));
            }
            catch (OperationCanceledException)
            {
                // It ends; the next look tells.
            }
            catch (Exception failure)
            {
                GiveUp(failure is PsVmException { Error: var known }
                    ? known
                    : new PsVmError(GuestErrorIds.GuestFailed, $"{failure.GetType().Name}: {failure.Message}") { Target = Name });
                return;
            }
        }
    }

    private bool IsToFill()
    {
        lock (_gate)
        {
            return _isFilling = !_closed && _held.Count < _options.Size;
        }
    }

    /// <summary>It is tried again when the next one is taken.</summary>
    private void GiveUp(PsVmError failure)
    {
        bool isNews;
        lock (_gate)
        {
            isNews = _failure?.Id != failure.Id;
            (_failure, _isFilling) = (failure, false);
        }

        if (isNews)
        {
            _events.WarnOfPool(Name, failure);
        }
    }

    private GuestException Empty()
    {
        PsVmError? failure;
        lock (_gate)
        {
            failure = _failure;
        }

        return new GuestException(
            GuestErrorIds.GuestPoolEmpty,
            $"Expected a clone in pool '{Name}', found none of {_options.Size}"
            + (failure is null ? ": all were taken, and it is being filled again." : $": it could not be filled again: {failure.Message}"),
            Name,
            failure is null
                ? "Try again in a moment, or make the pool larger, or so that it grows: New-GuestPool -Size, -Grow."
                : failure.RecommendedAction ?? "Make the template again; then the pool is filled when the next clone is taken.");
    }
}
