using System.Diagnostics;
using PsVm.Memory.Native;

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
/// Next is the first hart of the <see cref="RunQueue"/>. One whose guest has spent its budget (<see cref="CpuAccount"/>) is parked until
/// the guest's next period begins; no thread waits for that.
/// </para>
/// <para>
/// There are as many threads as the host has CPUs, and one more for each that does not come back from its hart: a page of guest RAM may be of a
/// file whose server does not answer, or of a template that comes too slowly, and the thread waits in the kernel, or for the copy, as long as that
/// takes. Others must not wait with it. While no thread is idle, somebody looks for such threads from time to time.
/// </para>
/// <para>
/// Of the idle threads one, the timekeeper, sleeps no longer than to the next deadline. While there is none, because all are
/// busy or on short errands, deadlines are looked at between slices.
/// </para>
/// </remarks>
internal sealed partial class HartScheduler : IDisposable
{
    private readonly object _gate = new();
    private readonly int _maxThreads;
    private readonly RunQueue _queue = new();
    private readonly DeadlineHeap _deadlines = new();
    private bool _closed;

    /// <param name="threads">Most threads that come back from their harts; each is made when there is work for it.</param>
    public HartScheduler(int threads)
    {
        _maxThreads = threads;
        using (ExecutionContext.SuppressFlow())
        {
            _look = new Timer(_ => LookForStuck());
        }
    }

    /// <summary>Some hart waits for a thread, as far as can be told without the gate: the answer may be a moment old.</summary>
    public bool IsAnyoneQueued => !_queue.IsEmpty;

    /// <summary>Makes a hart that waits look again. Call after the change that it is to see.</summary>
    public void Wake(ScheduledHart hart)
    {
        Doorbell? helper = null;
        lock (_gate)
        {
            hart.Signalled = true;
            if (hart.Place == HartPlace.Parked && hart.Group.MayRun)
            {
                helper = Unpark(hart);
            }
        }

        helper?.Ring();
    }

    /// <summary>Lets a group's harts run; each looks again at what it waited for.</summary>
    public void Release(HartGroup group)
    {
        Doorbell? helper;
        lock (_gate)
        {
            if (!group.IsHeld || group.IsStopping)
            {
                return;
            }

            group.IsHeld = false;
            group.WasReleased = true;
            helper = WakeParked(group);
        }

        helper?.Ring();
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
            Monitor.PulseAll(_gate); // who waits until a hart runs need not wait for that now
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

    /// <summary>Keeps a group's harts from running, without waiting until none does. Also on a thread that runs one of them.</summary>
    /// <param name="group">The group; whoever asks holds it with <see cref="Hold"/> next.</param>
    public void HoldSoon(HartGroup group)
    {
        lock (_gate)
        {
            group.IsHeld = true;
            Interrupt(group);
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
            if (!group.IsToTellEnd)
            {
                return;
            }
        }

        TellEnd(group);
    }

    /// <summary>Keeps the end of a group that was not stopped yet from being told.</summary>
    public void Keep(HartGroup group)
    {
        lock (_gate)
        {
            Debug.Assert(!group.IsKept, "once at a time");
            group.IsKept = true;
        }
    }

    /// <summary>Lets the end of a group be told; if it was stopped meanwhile, on this thread.</summary>
    public void LetEnd(HartGroup group)
    {
        lock (_gate)
        {
            group.IsKept = false;
            if (!group.IsToTellEnd || group.HasEnded)
            {
                return;
            }
        }

        TellEnd(group);
    }

    /// <summary>Keeps a group's harts from running for now, or no longer, whether it is held or not; those that run stop soon.</summary>
    public void Slow(HartGroup group, bool slow)
    {
        Doorbell? helper = null;
        lock (_gate)
        {
            if (group.IsSlowed == slow)
            {
                return;
            }

            group.IsSlowed = slow;
            if (slow)
            {
                Interrupt(group);
            }
            else if (group.MayRun)
            {
                helper = WakeParked(group);
            }
        }

        helper?.Ring();
    }

    /// <summary>Has a group that is held, none of whose harts runs, never run again; its end is told to nobody but those who wait for it.</summary>
    public void Abandon(HartGroup group)
    {
        lock (_gate)
        {
            Debug.Assert(group is { IsHeld: true, Running: 0 }, "harts that may run are stopped, and their end is told");
            group.IsStopping = true;
            group.HasEnded = true;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Changes what a group may have of the CPU, from now on; its harts look again at what they waited for.</summary>
    /// <param name="group">The group.</param>
    /// <param name="weight">Another weight; null: as it is.</param>
    /// <param name="limit">Another limit in host CPUs, 0: none; null: as it is.</param>
    public void ChangeCpu(HartGroup group, int? weight, double? limit)
    {
        Doorbell? helper = null;
        lock (_gate)
        {
            _queue.Change(group, weight, limit);
            if (group.MayRun)
            {
                helper = WakeParked(group);
            }
        }

        helper?.Ring();
    }

    /// <summary>Has a group pay for host CPU time that was used for it elsewhere, in ticks of <see cref="TimeSpan"/>.</summary>
    public void Charge(HartGroup group, long cpuTicks)
    {
        lock (_gate)
        {
            group.Account.Charge(cpuTicks, Stopwatch.GetTimestamp());
        }
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

        _look.Dispose();

        foreach (Worker worker in workers)
        {
            worker.Thread.Join();
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
            long cpu = KernelCalls.ThreadCpuTime.Ticks;
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
            ScheduledHart? hart;
            Doorbell? helper = null;
            long until = 0;
            lock (_gate)
            {
                StopIdling(worker);
                if (ComeBack(worker))
                {
                    return null;
                }

                QueueDue();
                hart = TakeNext();
                if (hart is null)
                {
                    if (_closed)
                    {
                        return null;
                    }

                    until = StartIdling(worker);
                }
                else
                {
                    worker.HasHartSince = Stopwatch.GetTimestamp();
                    // A thread on a long errand leaves what is due meanwhile to another.
                    if (!_queue.IsEmpty || (hart.IsBusy && _deadlines.Next < _keptUntil))
                    {
                        helper = GetHelp();
                    }

                    LookLater();
                }
            }

            helper?.Ring();
            if (hart is not null)
            {
                return hart;
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
            group.Account.Charge(cpuTicks, group.Account.Limit == 0 ? 0 : Stopwatch.GetTimestamp());
            hart.Place = HartPlace.Parked;
            if (!group.MayRun)
            {
                Monitor.PulseAll(_gate);
                return group.IsToTellEnd;
            }

            if (end == SliceEnd.GoOn || hart.Signalled)
            {
                _queue.Add(hart);
            }
            else if (end == SliceEnd.Wait && hart.TimerStamp is var stamp && stamp != long.MaxValue)
            {
                ParkUntil(hart, stamp);
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

    /// <returns>As <see cref="GetHelp"/>.</returns>
    private Doorbell? WakeParked(HartGroup group)
    {
        Doorbell? helper = null;
        foreach (ScheduledHart hart in group.Harts)
        {
            if (hart.Place == HartPlace.Parked)
            {
                helper?.Ring();
                helper = Unpark(hart);
            }
        }

        return helper;
    }

    /// <returns>As <see cref="GetHelp"/>.</returns>
    private Doorbell? Unpark(ScheduledHart hart)
    {
        _deadlines.Remove(hart);
        _queue.Add(hart);
        // Also for a guest that has spent its budget: somebody has to know when the hart may run.
        return GetHelp();
    }

    private void ParkUntil(ScheduledHart hart, long deadline)
    {
        hart.Deadline = deadline;
        _deadlines.Add(hart);
    }

    private void QueueDue()
    {
        long now = Stopwatch.GetTimestamp();
        while (_deadlines.Next <= now)
        {
            ScheduledHart hart = _deadlines.First;
            _deadlines.Remove(hart);
            _queue.Add(hart);
        }
    }

    private ScheduledHart? TakeNext()
    {
        while (_queue.Take() is { } hart)
        {
            HartGroup group = hart.Group;
            if (!group.MayRun)
            {
                continue;
            }

            if (group.Account.Limit != 0)
            {
                long now = Stopwatch.GetTimestamp();
                long mayRunAt = group.Account.MayRunAt(now);
                if (mayRunAt > now)
                {
                    ParkUntil(hart, mayRunAt);
                    continue;
                }
            }

            hart.Place = HartPlace.Running;
            hart.Signalled = false;
            group.Running++;
            return hart;
        }

        return null;
    }
}
