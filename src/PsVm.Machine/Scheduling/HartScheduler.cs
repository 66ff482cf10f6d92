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
/// There are as many threads as the host has CPUs, and one more for each that does not come back from its hart: a page of guest RAM may be
/// of a file whose server does not answer, or of a template that comes too slowly, and the thread waits in the kernel, or for the copy, as
/// long as that takes. Others must not wait with it. While no thread is idle and something waits, somebody looks for such threads from time
/// to time.
/// </para>
/// <para>
/// Of the idle threads one, the timekeeper, sleeps no longer than to the next deadline. While there is none, because all are
/// busy or on short errands, deadlines are looked at between slices.
/// </para>
/// </remarks>
internal sealed partial class HartScheduler : IDisposable
{
    // Where so many wait for each thread, a turn of ten milliseconds is little of what each waits.
    private const int HartsInCrowd = 8;

    private readonly object _gate = new();
    private readonly int _maxThreads;
    private readonly TimeSpan _patience;
    private readonly RunQueue _queue;
    private readonly DeadlineHeap _deadlines = new();
    private bool _closed;

    /// <param name="threads">Most threads that come back from their harts; each is made when there is work for it.</param>
    /// <param name="patience">How long a thread may be with one hart; null: <see cref="Patience"/>.</param>
    public HartScheduler(int threads, TimeSpan? patience = null)
    {
        (_maxThreads, _patience) = (threads, patience ?? Patience);
        _queue = new RunQueue(threads * HartsInCrowd);
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

                    if (WorkWaits)
                    {
                        LookLater();
                    }
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

            hart.TurnTicks += cpuTicks;
            if (hart.IsBusy)
            {
                _queue.AddAgain(hart);
            }
            else if (end == SliceEnd.GoOn || hart.Signalled)
            {
                _queue.Add(hart, hasSlept: end != SliceEnd.GoOn);
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
