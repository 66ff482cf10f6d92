using System.Diagnostics;

namespace PsVm.Machine.Guests;

/// <summary>
/// Holds, releases and stops the harts of a guest: as its operator wants it, and for work that needs the guest to stand still, or its RAM
/// to stay. Safe from any thread.
/// </summary>
/// <param name="name">The guest's name now.</param>
/// <param name="life">Whether it is to run.</param>
/// <param name="machine">Its time stands still with its harts. Others take their place only in work that is done alone.</param>
internal sealed class GuestHold(Func<string> name, GuestLife life, GuestMachine machine) : IDisposable
{
    // Taken before the life's own: work begins before the guest is said to end, or never.
    private readonly Lock _gate = new();

    // Whoever holds and releases the harts, one after the other; never for longer than it takes to hold them and to look at them.
    private readonly SemaphoreSlim _operator = new(1, 1);
    private RamWork? _work;

    /// <summary>
    /// Lets it begin, in its turn among those who operate on it: they may have found it by now, and have it suspended, or need it to stand
    /// still.
    /// </summary>
    /// <returns>False: it does not run yet, or has stopped.</returns>
    public bool Begin()
    {
        bool begins = false;
        Operate(() => begins = ReleaseIfToRun(), CancellationToken.None);
        return begins;
    }

    /// <summary>Holds it; returns once no hart runs. It stays held when work for which it is held is over.</summary>
    /// <param name="cancellation">Gives up; the guest is as it was.</param>
    /// <param name="reason">Why the host does it; null: an operator wants it.</param>
    /// <param name="isDue">Whether that still holds, after all who were before; null: it does.</param>
    /// <exception cref="GuestException">It has stopped.</exception>
    public void Suspend(CancellationToken cancellation, string? reason = null, Func<bool>? isDue = null) => Operate(
        () =>
        {
            if (isDue?.Invoke() == false)
            {
                return;
            }

            Hold(cancellation);
            life.ChangeTo(GuestState.Suspended, reason);
        },
        cancellation);

    /// <summary>Lets it go on; when work for which it is held is under way, afterwards.</summary>
    /// <param name="check">Throws when it may not go on; nothing has changed then.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">It has stopped, or what <paramref name="check"/> throws.</exception>
    public void Resume(Action check, CancellationToken cancellation) => Operate(
        () =>
        {
            check();
            life.ChangeTo(GuestState.Running);
            ReleaseIfToRun();
        },
        cancellation);

    /// <summary>Does something while it does not run, and lets it go on as its operator wants it then.</summary>
    /// <param name="work">Is given what is cancelled when the guest is to be stopped meanwhile.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">It has stopped, is being stopped, or does such a thing already.</exception>
    public T While<T>(Func<CancellationToken, T> work, CancellationToken cancellation) => WithRam(
        stop =>
        {
            Operate(
                () =>
                {
                    Hold(stop);
                    SetHeld(true);
                },
                stop);
            try
            {
                life.ThrowIfEnding();
                machine.Board.Drain(stop);
                return work(stop);
            }
            finally
            {
                // Not to be cancelled: the guest must not stay held. Who else operates on it is done within a slice.
                Operate(
                    () =>
                    {
                        SetHeld(false);
                        ReleaseIfToRun();
                    },
                    CancellationToken.None);
            }
        },
        cancellation);

    /// <summary>Does something for which its RAM must stay; it runs meanwhile, or not, as its operator wants it.</summary>
    /// <remarks>A guest that ends meanwhile stops at once; its RAM goes, and the end is told, when the work is over.</remarks>
    /// <param name="work">Is given what is cancelled when it is to be given up, since the guest ends.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">It has stopped, is being stopped, or such work is under way.</exception>
    public T WithRam<T>(Func<CancellationToken, T> work, CancellationToken cancellation)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        RamWork? begun = null;
        try
        {
            // After what is done alone, and what stops the guest ends this: whoever operates is done within a slice.
            Operate(() => begun = Begin(stop), stop.Token);
            return work(stop.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw life.StoppedError();
        }
        finally
        {
            if (begun is not null)
            {
                End(begun);
            }
        }
    }

    /// <summary>
    /// Does something while it does not run, as <see cref="While"/>, and nobody holds or releases it, or begins such work, before this is
    /// over: for what takes moments. It may put another machine in the place of this one, whose end it keeps from being told.
    /// </summary>
    /// <param name="work">Is given what is cancelled when the guest is to be stopped meanwhile.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">It has stopped, is being stopped, or such work is under way.</exception>
    public void Alone(Action<CancellationToken> work, CancellationToken cancellation)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Operate(
            () =>
            {
                RamWork begun = Begin(stop);
                try
                {
                    Hold(stop.Token);
                    SetHeld(true);
                    life.ThrowIfEnding();
                    machine.Board.Drain(stop.Token);
                    work(stop.Token);
                }
                catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
                {
                    throw life.StoppedError();
                }
                finally
                {
                    SetHeld(false);
                    if (life.IsEnding)
                    {
                        machine.Harts.Stop(); // those that were told so may have lost their place
                    }
                    else
                    {
                        ReleaseIfToRun();
                    }

                    End(begun);
                }
            },
            cancellation);
    }

    /// <summary>
    /// Does something short while the guest stands still, as a part of such work, which it completes from then on also when it ends by
    /// itself.
    /// </summary>
    /// <param name="work">What needs the guest to stand still.</param>
    /// <param name="pause">How long it stood, from when the first hart was asked to until they were let go.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="GuestException">It has stopped, or is being stopped.</exception>
    public T Pause<T>(Func<T> work, out TimeSpan pause, CancellationToken stop)
    {
        T? result = default;
        TimeSpan stood = default;
        Operate(
            () =>
            {
                long began = Stopwatch.GetTimestamp();
                try
                {
                    Hold(stop);
                    lock (_gate)
                    {
                        life.ThrowIfEnding();
                        _work!.OutlivesGuest = true;
                    }

                    machine.Board.Drain(stop);
                    result = work();
                }
                finally
                {
                    ReleaseIfToRun();
                    stood = Stopwatch.GetElapsedTime(began);
                }
            },
            stop);
        pause = stood;
        return result!;
    }

    /// <summary>
    /// Keeps its harts from running for now, or no longer, so that who copies its RAM keeps up. From any thread, also a hart's.
    /// </summary>
    public void Slow(bool slow) => machine.Harts.Slow(slow);

    /// <summary>Stops the harts of a guest that was said to end; its RAM goes when work that needs it is over.</summary>
    /// <param name="givesUp">Such work is given up, also if it could be completed.</param>
    public void Stop(bool givesUp)
    {
        lock (_gate)
        {
            if (_work is not null && (givesUp || !_work.OutlivesGuest))
            {
                _work.Stop.Cancel();
            }
        }

        machine.Harts.Stop();
    }

    /// <summary>Work that needs its RAM is under way, and was told to give up.</summary>
    public bool IsWorkGivenUp
    {
        get
        {
            lock (_gate)
            {
                return _work is { Stop.IsCancellationRequested: true };
            }
        }
    }

    /// <summary>Waits until work that needs its RAM is over.</summary>
    public void Dispose()
    {
        Task? last;
        lock (_gate)
        {
            last = _work?.Over.Task;
        }

        last?.Wait();
    }

    /// <summary>Does something after whoever else holds or releases the harts.</summary>
    private void Operate(Action work, CancellationToken cancellation)
    {
        _operator.Wait(cancellation);
        try
        {
            work();
        }
        finally
        {
            _operator.Release();
        }
    }

    private void Hold(CancellationToken cancellation)
    {
        machine.Harts.Hold(cancellation);
        machine.Board.Pause();
    }

    /// <summary>Lets it go on, if it is to run and nothing needs it held. In its turn.</summary>
    private bool ReleaseIfToRun()
    {
        lock (_gate)
        {
            if (!life.IsToRun || life.IsEnding || _work is { IsHeld: true })
            {
                return false;
            }
        }

        machine.Board.Resume();
        machine.Harts.Release();
        return true;
    }

    private void SetHeld(bool held)
    {
        lock (_gate)
        {
            _work!.IsHeld = held;
        }
    }

    /// <summary>Throws when work that needs it to stand still, or its RAM, could not begin now.</summary>
    /// <exception cref="GuestException">
    /// It has ended (<see cref="GuestErrorIds.GuestStopped"/>), or such work is under way
    /// (<see cref="GuestErrorIds.CheckpointInProgress"/>).
    /// </exception>
    public void ThrowIfHeld()
    {
        lock (_gate)
        {
            life.ThrowIfEnding();
            if (_work is not null)
            {
                throw new GuestException(
                    GuestErrorIds.CheckpointInProgress,
                    $"Expected no checkpoint of guest '{name()}', found one in progress.",
                    name(),
                    "Wait until it is finished.");
            }
        }
    }

    private RamWork Begin(CancellationTokenSource stop)
    {
        lock (_gate)
        {
            ThrowIfHeld();

            // It was not said to end, so its harts are not stopped before this.
            machine.Harts.Keep();
            return _work = new RamWork(stop);
        }
    }

    private void End(RamWork work)
    {
        // First, for who begins such work next keeps them again.
        machine.Harts.LetEnd();
        lock (_gate)
        {
            _work = null;
        }

        work.Over.SetResult();
    }

    /// <summary>Work that needs the guest's RAM.</summary>
    /// <param name="Stop">Gives it up.</param>
    private sealed record RamWork(CancellationTokenSource Stop)
    {
        /// <summary>The harts are held as long. Under the gate.</summary>
        public bool IsHeld { get; set; }

        /// <summary>It has what it needs of the guest but its RAM. Under the gate.</summary>
        public bool OutlivesGuest { get; set; }

        /// <summary>Completes when it is over.</summary>
        public TaskCompletionSource Over { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
