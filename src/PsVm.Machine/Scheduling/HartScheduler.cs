using System.Diagnostics;

namespace PsVm.Machine.Scheduling;

/// <summary>
/// Runs the harts of all guests of a host on a few threads, in slices of about a millisecond. A hart that waits for an interrupt costs no
/// thread and no CPU. Safe from any thread.
/// </summary>
/// <remarks>
/// <para>
/// Where a hart is, is decided under the gate: parked, queued or running. Whoever changes something that a hart may wait for changes it
/// first and signals then. A signal queues a parked hart; one that is running, and may have looked before the change, is marked instead,
/// and a marked hart is queued after its slice, whatever it wanted. The mark is taken off before the hart looks. So either the hart sees
/// the change, or the signal finds it parked, or the mark keeps it from parking: no wake-up is lost.
/// </para>
/// <para>
/// Next is the hart whose guest has had least of the CPU, however many harts it has. A guest that was idle starts from what the others
/// have now, so it runs soon and gets nothing back for the time it slept.
/// </para>
/// <para>
/// Of the idle threads one, the timekeeper, sleeps no longer than to the next deadline. While there is none, because all are
/// busy or on short errands, deadlines are looked at between slices.
/// </para>
/// </remarks>
internal sealed class HartScheduler : IDisposable
{
    private readonly object _gate = new();
    private readonly int _maxThreads;
    private readonly PriorityQueue<ScheduledHart, long> _queue = new();
    private readonly DeadlineHeap _deadlines = new();
    private readonly List<Worker> _workers = [];
    private readonly List<Worker> _idle = [];
    private Worker? _timekeeper;
    private long _keptUntil = long.MaxValue;
    private long _virtualNow;
    private bool _closed;

    /// <param name="threads">Most threads; each is made when there is work for it.</param>
    public HartScheduler(int threads) => _maxThreads = threads;

    /// <summary>Makes a hart that waits look again. Call after the change that it is to see.</summary>
    public void Wake(ScheduledHart hart)
    {
        lock (_gate)
        {
            hart.Signalled = true;
            if (hart.Place == HartPlace.Parked && hart.Group.MayRun)
            {
                _deadlines.Remove(hart);
                Enqueue(hart);
                GetHelp();
            }
        }
    }

    /// <summary>Lets a group's harts run; each looks again at what it waited for.</summary>
    public void Release(HartGroup group)
    {
        lock (_gate)
        {
            if (!group.IsHeld || group.IsStopping)
            {
                return;
            }

            group.IsHeld = false;
            foreach (ScheduledHart hart in group.Harts.Where(hart => hart.Place == HartPlace.Parked))
            {
                Enqueue(hart);
                GetHelp();
            }
        }
    }

    /// <summary>Keeps a group's harts from running; returns once none does.</summary>
    /// <param name="group">The group. One caller at a time holds and releases it.</param>
    /// <param name="cancellation">Gives up; the group is as it was.</param>
    public void Hold(HartGroup group, CancellationToken cancellation)
    {
        bool wasHeld;
        lock (_gate)
        {
            wasHeld = group.IsHeld;
            group.IsHeld = true;
            Interrupt(group);
        }

        try
        {
            WaitUntil(() => group.Running == 0, cancellation);
        }
        catch (OperationCanceledException) when (!wasHeld)
        {
            Release(group);
            throw;
        }
    }

    /// <summary>Ends a group; its end is told on the thread on which its last hart ran, or on this one.</summary>
    public void Stop(HartGroup group)
    {
        lock (_gate)
        {
            if (group.IsStopping)
            {
                return;
            }

            group.IsStopping = true;
            Interrupt(group);
            if (group.Running > 0)
            {
                return;
            }
        }

        TellEnd(group);
    }

    /// <summary>Waits for something that <see cref="Change"/>, or the scheduler, changes.</summary>
    /// <param name="condition">Is looked at under the gate.</param>
    /// <param name="cancellation">Gives up, unless it is so already.</param>
    public void WaitUntil(Func<bool> condition, CancellationToken cancellation)
    {
        // Under the gate as well: either the look below sees that it is cancelled, or the pulse comes after it. Disposed outside it, since
        // that waits for the pulse.
        using CancellationTokenRegistration pulse = cancellation.UnsafeRegister(_ => Change(() => { }), null);
        lock (_gate)
        {
            while (!condition())
            {
                cancellation.ThrowIfCancellationRequested();
                Monitor.Wait(_gate);
            }
        }
    }

    /// <summary>Changes something that others wait for.</summary>
    public void Change(Action change)
    {
        lock (_gate)
        {
            change();
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Ends the threads; all groups have ended.</summary>
    public void Dispose()
    {
        Worker[] workers;
        lock (_gate)
        {
            _closed = true;
            _idle.ForEach(worker => worker.Bell.Ring());
            workers = [.. _workers];
            _workers.Clear();
        }

        foreach (Worker worker in workers)
        {
            worker.Thread.Join();
            worker.Bell.Dispose();
        }
    }

    private void Work(Worker worker)
    {
        while (WaitForWork(worker) is { } hart)
        {
            SliceEnd end = SliceEnd.None;
            try
            {
                end = hart.RunSlice();
                hart.Group.NoteSlice();
            }
            catch (Exception failure)
            {
                Fail(hart.Group, failure);
            }

            // What the thread did between two slices counts for the second: nobody else can be asked to pay for it.
            long cpu = ThreadCpuTime.Now.Ticks;
            long used = cpu - worker.CpuTicks;
            worker.CpuTicks = cpu;
            hart.Charge(used);
            if (GiveBack(hart, end, used))
            {
                TellEnd(hart.Group);
            }
        }
    }

    /// <summary>The next hart, once there is one; null: the scheduler is closed.</summary>
    private ScheduledHart? WaitForWork(Worker worker)
    {
        while (true)
        {
            long until;
            lock (_gate)
            {
                StopIdling(worker);
                QueueDue();
                if (TakeNext() is { } hart)
                {
                    // A thread on a long errand leaves what is due meanwhile to another.
                    if (_queue.Count > 0 || (hart.IsBusy && _deadlines.Next < _keptUntil))
                    {
                        GetHelp();
                    }

                    return hart;
                }

                if (_closed)
                {
                    return null;
                }

                until = StartIdling(worker);
            }

            worker.Bell.Wait(until);
        }
    }

    /// <summary>Puts a hart where it belongs after a slice.</summary>
    /// <returns>The last hart of a group that is to end does not run any more.</returns>
    private bool GiveBack(ScheduledHart hart, SliceEnd end, long cpuTicks)
    {
        HartGroup group = hart.Group;
        lock (_gate)
        {
            group.Running--;
            group.VirtualTime += Math.Max(cpuTicks, 1);
            hart.Place = HartPlace.Parked;
            if (!group.MayRun)
            {
                Monitor.PulseAll(_gate);
                return group.IsStopping && group.Running == 0;
            }

            if (end == SliceEnd.GoOn || hart.Signalled)
            {
                Enqueue(hart);
            }
            else if (end == SliceEnd.Wait && hart.TimerStamp is var stamp && stamp != long.MaxValue)
            {
                hart.Deadline = stamp;
                _deadlines.Add(hart);
            }

            return false;
        }
    }

    /// <summary>Ends a group because of an exception: whatever it is, it is this guest's end and no one else's.</summary>
    private void Fail(HartGroup group, Exception failure)
    {
        try
        {
            group.Fail(failure);
        }
        catch (Exception another)
        {
            group.Unheard = new AggregateException(failure, another);
            Stop(group);
        }
    }

    /// <summary>Tells the end of a group. Its guest's failure to hear of it must neither end this thread nor keep others waiting.</summary>
    private void TellEnd(HartGroup group)
    {
        try
        {
            group.TellEnd();
        }
        catch (Exception failure)
        {
            group.Unheard = failure;
        }
        finally
        {
            Change(() => group.HasEnded = true);
        }
    }

    private void Interrupt(HartGroup group)
    {
        foreach (ScheduledHart hart in group.Harts)
        {
            _deadlines.Remove(hart);
            if (hart.Place == HartPlace.Running)
            {
                hart.RequestExit();
            }
        }
    }

    private void Enqueue(ScheduledHart hart)
    {
        HartGroup group = hart.Group;
        group.VirtualTime = Math.Max(group.VirtualTime, _virtualNow);
        hart.Place = HartPlace.Queued;
        _queue.Enqueue(hart, group.VirtualTime);
    }

    private void QueueDue()
    {
        long now = Stopwatch.GetTimestamp();
        while (_deadlines.Next <= now)
        {
            ScheduledHart hart = _deadlines.First;
            _deadlines.Remove(hart);
            Enqueue(hart);
        }
    }

    private ScheduledHart? TakeNext()
    {
        while (_queue.TryDequeue(out ScheduledHart? hart, out long virtualTime))
        {
            if (hart.Group.MayRun)
            {
                _virtualNow = Math.Max(_virtualNow, virtualTime);
                hart.Place = HartPlace.Running;
                hart.Signalled = false;
                hart.Group.Running++;
                return hart;
            }

            hart.Place = HartPlace.Parked;
        }

        return null;
    }

    /// <summary>Wakes an idle thread, the timekeeper last, or makes one when there may be more.</summary>
    private void GetHelp()
    {
        if (_idle.Count > 0)
        {
            Worker helper = _idle.Find(worker => worker != _timekeeper) ?? _timekeeper!;
            StopIdling(helper);
            helper.Bell.Ring();
        }
        else if (_workers.Count < _maxThreads && !_closed)
        {
            var worker = new Worker(this, _workers.Count + 1);
            _workers.Add(worker);
            // Without the context of whoever happened to start the first guest: it would stay with the thread for ever.
            worker.Thread.UnsafeStart();
        }
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

        /// <summary>CPU time of the thread when its last slice ended. Its own.</summary>
        public long CpuTicks { get; set; }
    }
}
