namespace PsVm.Machine.Tests.Support;

/// <summary>A clock that a test sets, with timers that fire when it passes them. Safe from any thread.</summary>
internal sealed class ManualTime : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly List<Timer> _timers = [];
    private DateTimeOffset _now = DateTimeOffset.UnixEpoch;

    /// <summary>How many timers were made.</summary>
    public int Timers
    {
        get
        {
            lock (_gate)
            {
                return _timers.Count;
            }
        }
    }

    public override DateTimeOffset GetUtcNow()
    {
        lock (_gate)
        {
            return _now;
        }
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        Timer timer = new(this, () => callback(state));
        timer.Change(dueTime, period);
        lock (_gate)
        {
            _timers.Add(timer);
        }

        return timer;
    }

    public void Advance(TimeSpan time)
    {
        Timer[] due;
        lock (_gate)
        {
            _now += time;
            due = [.. _timers.Where(timer => timer.TakeIfDue())];
        }

        Array.ForEach(due, timer => timer.Fire());
    }

    private sealed class Timer(ManualTime time, Action callback) : ITimer
    {
        private DateTimeOffset? _due;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (time._gate)
            {
                _due = dueTime == Timeout.InfiniteTimeSpan ? null : time._now + dueTime;
            }

            return true;
        }

        /// <summary>Whether it is to fire, once. Under the gate.</summary>
        public bool TakeIfDue()
        {
            bool isDue = _due <= time._now;
            _due = isDue ? null : _due;
            return isDue;
        }

        public void Fire() => callback();

        public void Dispose()
        {
            lock (time._gate)
            {
                _due = null;
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
