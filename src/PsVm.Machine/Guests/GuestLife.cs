using System.Diagnostics;
using PsVm.Machine.Devices;

namespace PsVm.Machine.Guests;

/// <summary>Where a guest is in its life: what it does now, how it ends, whether it begins again. Safe from any thread.</summary>
/// <param name="name">Its name now.</param>
/// <param name="console">Closes with it, before anyone sees that it is over.</param>
internal sealed class GuestLife(Func<string> name, GuestConsole console)
{
    private readonly Lock _gate = new();
    private GuestState _state = GuestState.Running;
    private string? _suspendReason;
    private GuestEnd? _end;
    private DateTimeOffset? _endedAt;
    private bool _wantsReboot;
    private bool _isRebooting;
    private bool _isHandedOver;
    private TaskCompletionSource _changed = new();

    /// <summary>It is to run, unless something needs it held for a while.</summary>
    public bool IsToRun
    {
        get
        {
            lock (_gate)
            {
                return _state == GuestState.Running;
            }
        }
    }

    /// <summary>It was said how it ends; its harts may not have heard of it.</summary>
    public bool IsEnding
    {
        get
        {
            lock (_gate)
            {
                return _end is not null;
            }
        }
    }

    /// <summary>It has ended, to begin again.</summary>
    public bool IsRebooting
    {
        get
        {
            lock (_gate)
            {
                return _isRebooting;
            }
        }
    }

    /// <summary>
    /// Another life of this guest has its place, which it had to begin again: the guest goes on, and who has found this one just before
    /// looks there.
    /// </summary>
    public bool IsHandedOver
    {
        get
        {
            lock (_gate)
            {
                return _isHandedOver;
            }
        }
    }

    /// <summary>No hart of it runs any more: it has stopped or failed, or is about to begin again.</summary>
    public bool HasEnded
    {
        get
        {
            lock (_gate)
            {
                return _state.IsOver() || _isRebooting;
            }
        }
    }

    /// <summary>What there is to say of it, added to what does not change.</summary>
    public GuestInfo Show(GuestInfo description)
    {
        lock (_gate)
        {
            return description with
            {
                State = _isHandedOver ? GuestState.Running : _state,
                StopReason = IsOver ? _end?.Reason : null,
                SuspendReason = _suspendReason,
                Failure = _state.IsFailure() ? _end?.Failure : null,
                EndedAt = _endedAt,
            };
        }
    }

    /// <summary>Goes on in another state, in which it lives.</summary>
    /// <param name="state">The state.</param>
    /// <param name="reason">Why the host suspends it; null: an operator wants it.</param>
    /// <exception cref="GuestException">It has stopped, or is about to.</exception>
    public void ChangeTo(GuestState state, string? reason = null)
    {
        lock (_gate)
        {
            ThrowIfEnding();

            // An operator who suspends what is suspended does not make the reason another.
            reason ??= state == _state ? _suspendReason : null;
            SetState(state);
            _suspendReason = reason;
        }
    }

    /// <summary>Says how it ends; the first end counts.</summary>
    /// <param name="find">Finds it; called when none was said.</param>
    /// <param name="reboots">It begins again then; whoever says another end later has it stay stopped.</param>
    public void End(Func<GuestEnd> find, bool reboots)
    {
        lock (_gate)
        {
            _wantsReboot = reboots && _end is null;
            _end ??= find();
        }
    }

    /// <summary>No hart runs any more, and its RAM is given back.</summary>
    /// <param name="wrong">What went wrong when it was given back; null: nothing.</param>
    /// <returns>True: it is about to begin again, and not over.</returns>
    public bool Finish(Exception? wrong)
    {
        lock (_gate)
        {
            Debug.Assert(_end is not null, "harts end once it was said how");
            GuestEnd end = _end!;
            if (wrong is not null)
            {
                string reason = $"{end.Reason}; giving back its RAM: {wrong.GetType().Name}: {wrong.Message}";
                _end = end = GuestEnd.Failed(new PsVmError(GuestErrorIds.GuestFailed, reason) { Target = name() });
            }

            _endedAt = DateTimeOffset.UtcNow;
            _isRebooting = _wantsReboot && end.State == GuestState.Stopped;
            if (!_isRebooting)
            {
                Close(end);
            }

            return _isRebooting;
        }
    }

    /// <summary>Ends it for good where it would have begun again.</summary>
    /// <returns>False: it was not about to.</returns>
    public bool EndReboot(GuestEnd end)
    {
        lock (_gate)
        {
            if (!_isRebooting)
            {
                return false;
            }

            _isRebooting = false;
            Close(_end = end);
            return true;
        }
    }

    /// <summary>Another life of this guest has its place; who waits for this one looks there.</summary>
    /// <returns>False: it is not about to begin again any more.</returns>
    public bool HandOver()
    {
        lock (_gate)
        {
            if (!_isRebooting)
            {
                return false;
            }

            (_isRebooting, _isHandedOver) = (false, true);
            SetState(GuestState.Stopped); // for those who wait
            return true;
        }
    }

    /// <summary>Waits for a state.</summary>
    /// <returns>False when the time ran out, or the guest ended in another state.</returns>
    public bool WaitFor(GuestState wanted, TimeSpan timeout, CancellationToken cancellation)
    {
        long began = Stopwatch.GetTimestamp();
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                if (_state == wanted || _state.IsOver())
                {
                    return _state == wanted;
                }

                changed = _changed.Task;
            }

            TimeSpan left = timeout == Timeout.InfiniteTimeSpan ? timeout : timeout - Stopwatch.GetElapsedTime(began);
            if ((left < TimeSpan.Zero && left != Timeout.InfiniteTimeSpan) || !changed.Wait(left, cancellation))
            {
                return false;
            }
        }
    }

    /// <summary>Throws when it has stopped or failed.</summary>
    /// <exception cref="GuestException">It has (<see cref="GuestErrorIds.GuestStopped"/>).</exception>
    public void ThrowIfOver()
    {
        lock (_gate)
        {
            if (IsOver)
            {
                throw StoppedError();
            }
        }
    }

    /// <summary>Throws when it has stopped or failed, or is about to.</summary>
    /// <exception cref="GuestException">It has (<see cref="GuestErrorIds.GuestStopped"/>).</exception>
    public void ThrowIfEnding()
    {
        if (IsEnding)
        {
            throw StoppedError();
        }
    }

    /// <summary>The error of what needs a guest that lives.</summary>
    public GuestException StoppedError() => new(
        GuestErrorIds.GuestStopped,
        $"Expected guest '{name()}' to run or to be suspended, found that it has stopped.",
        name(),
        $"Start it again: Start-Guest '{name()}'.");

    /// <summary>The guest has stopped or failed: this life has, and no other has its place. Under the gate.</summary>
    private bool IsOver => _state.IsOver() && !_isHandedOver;

    private void Close(GuestEnd end)
    {
        console.Close();
        SetState(end.State);
    }

    private void SetState(GuestState state)
    {
        _state = state;
        _suspendReason = null;
        _changed.SetResult();
        _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}

/// <summary>How a guest ends.</summary>
/// <param name="State">What it is then.</param>
/// <param name="Reason">Why.</param>
/// <param name="Failure">What failed; null: nothing did.</param>
internal sealed record GuestEnd(GuestState State, string Reason, PsVmError? Failure)
{
    /// <summary>It stops, and nothing failed.</summary>
    public static GuestEnd Stopped(string reason) => new(GuestState.Stopped, reason, null);

    /// <summary>It fails for what an error says.</summary>
    public static GuestEnd Failed(PsVmError failure) => new(GuestState.Failed, failure.Message, failure);

    /// <summary>Its kernel panicked, as an error says.</summary>
    public static GuestEnd Panicked(PsVmError failure) => new(GuestState.Panicked, failure.Message, failure);

    /// <summary>What was thrown, as the error of a guest.</summary>
    public static PsVmError ErrorOf(Exception failure, string guest) => failure is PsVmException { Error: var known }
        ? known
        : new PsVmError(GuestErrorIds.GuestFailed, $"{failure.GetType().Name}: {failure.Message}") { Target = guest };
}
