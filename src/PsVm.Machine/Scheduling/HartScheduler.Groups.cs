using System.Diagnostics;

namespace PsVm.Machine.Scheduling;

/// <content>What is done with all harts of a guest.</content>
internal sealed partial class HartScheduler
{
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

    /// <summary>
    /// Whether a group's harts want the CPU now: one runs or is in the queue, or waits for the guest's next period; none of a guest that
    /// may not run does.
    /// </summary>
    public bool WantsCpu(HartGroup group)
    {
        lock (_gate)
        {
            long now = Stopwatch.GetTimestamp();
            return group.MayRun
                && (group.Account.MayRunAt(now) > now || group.Harts.Any(hart => hart.Place != HartPlace.Parked));
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

    /// <summary>
    /// Has a group that is held, none of whose harts runs, never run again; its end is told to nobody but those who wait for it.
    /// </summary>
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
}
