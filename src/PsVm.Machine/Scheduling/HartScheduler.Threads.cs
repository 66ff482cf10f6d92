using System.Diagnostics;

namespace PsVm.Machine.Scheduling;

/// <content>Its threads: who is idle, who keeps the time, and who does not come back.</content>
internal sealed partial class HartScheduler
{
    /// <summary>How long a thread may be with one hart before another one takes its place; a slice takes a millisecond.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(100);

    private readonly Timer _look;
    private readonly List<Worker> _workers = [];
    private readonly List<Worker> _idle = [];
    private Worker? _timekeeper;
    private long _keptUntil = long.MaxValue;
    private int _stuck; // threads that do not come back
    private bool _isToLook;

    /// <summary>Threads that there are.</summary>
    internal int Threads
    {
        get
        {
            lock (_gate)
            {
                return _workers.Count;
            }
        }
    }

    /// <summary>How often somebody looked for threads that do not come back.</summary>
    internal int Looks { get; private set; }

    /// <summary>A hart is queued, or parked until a time that no idle thread keeps. Under the gate.</summary>
    private bool WorkWaits => !_queue.IsEmpty || _deadlines.Next < _keptUntil;

    /// <summary>Finds an idle thread, the timekeeper last, or makes one when there may be more. Under the gate.</summary>
    /// <returns>
    /// What wakes it, to be rung once the gate is open: a thread that is awake before that only waits for the gate, which then has to be
    /// told. Null: nobody is to be woken.
    /// </returns>
    private Doorbell? GetHelp()
    {
        if (_idle.Count > 0)
        {
            Worker helper = _idle[0];
            if (helper == _timekeeper && _idle.Count > 1)
            {
                helper = _idle[1];
            }

            StopIdling(helper);
            return helper.Bell;
        }

        if (_workers.Count - _stuck >= _maxThreads || _closed)
        {
            LookLater();
            return null;
        }

        var worker = new Worker(this, _workers.Count + 1);
        try
        {
            // Without the context of whoever happened to start the first guest: it would stay with the thread for ever.
            worker.Thread.UnsafeStart();
        }
        catch (OutOfMemoryException) when (_workers.Count > 0)
        {
            LookLater(); // the host has no more threads for now; others come by
            return null;
        }

        _workers.Add(worker);
        return null;
    }

    /// <summary>Has somebody look for threads that do not come back, unless there is one that can be woken. Under the gate.</summary>
    private void LookLater()
    {
        if (_idle.Count == 0 && !_isToLook && !_closed)
        {
            _isToLook = true;
            _look.Change(_patience, Timeout.InfiniteTimeSpan);
        }
    }

    private void LookForStuck()
    {
        Doorbell? helper = null;
        lock (_gate)
        {
            _isToLook = false;
            Looks++;
            foreach (Worker worker in _workers)
            {
                if (!worker.IsStuck && worker.HasHartSince != 0 && Stopwatch.GetElapsedTime(worker.HasHartSince) > _patience)
                {
                    worker.IsStuck = true;
                    _stuck++;
                }
            }

            if (_workers.Count > 0 && WorkWaits)
            {
                helper = GetHelp();
                LookLater();
            }
        }

        helper?.Ring();
    }

    /// <summary>A thread is done with its hart. Under the gate.</summary>
    /// <returns>It is to end: another one took its place.</returns>
    private bool ComeBack(Worker worker)
    {
        worker.HasHartSince = 0;
        if (!worker.IsStuck)
        {
            return false;
        }

        worker.IsStuck = false;
        _stuck--;
        if (_workers.Count - _stuck <= _maxThreads || _closed)
        {
            return false; // who closes waits for its end
        }

        _workers.Remove(worker);
        return true;
    }

    /// <summary>Notes that a thread is idle.</summary>
    /// <returns>How long it may be, as <see cref="Stopwatch.GetTimestamp"/> counts.</returns>
    private long StartIdling(Worker worker)
    {
        _idle.Add(worker);
        if (_deadlines.Next >= _keptUntil)
        {
            return long.MaxValue;
        }

        _timekeeper = worker;
        _keptUntil = _deadlines.Next;
        return _keptUntil;
    }

    private void StopIdling(Worker worker)
    {
        _idle.Remove(worker);
        if (_timekeeper == worker)
        {
            _timekeeper = null;
            _keptUntil = long.MaxValue;
        }
    }

    private sealed class Worker
    {
        public Worker(HartScheduler scheduler, int number) =>
            Thread = new Thread(() => scheduler.Work(this)) { Name = $"PsVm harts {number}", IsBackground = true };

        public Thread Thread { get; }

        public Doorbell Bell { get; } = new();

        /// <summary>
        /// Since when it has a hart, as <see cref="Stopwatch.GetTimestamp"/> counts; 0: it has none. Under the gate, as the next.
        /// </summary>
        public long HasHartSince { get; set; }

        /// <summary>It has not come back from it for long, and another one may take its place.</summary>
        public bool IsStuck { get; set; }

        /// <summary>CPU time of the thread when its last slice ended. Its own.</summary>
        public long CpuTicks { get; set; }
    }
}
