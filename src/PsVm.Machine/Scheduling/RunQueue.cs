using System.Diagnostics;

namespace PsVm.Machine.Scheduling;

/// <summary>Harts that want to run. Under the scheduler's gate.</summary>
/// <remarks>
/// <para>
/// First is the hart whose guest has had least of the CPU for its weight, however many harts it has. A guest that was idle starts from what
/// the others have now, so it runs soon and gets nothing back for the time it slept.
/// </para>
/// <para>
/// A turn is a slice, while few wait. Where many do, it is as many slices as most short work takes: guests that woke together and took
/// turns of a slice would all be done with it at the end of all, and then sleep together while the CPUs idle. Who has slept comes before
/// those that want another turn.
/// </para>
/// <para>Source: Goyal, Vin and Cheng, Start-time Fair Queueing (SIGCOMM 1996).</para>
/// </remarks>
/// <param name="crowd">Harts that wait: where more do, turns are long.</param>
internal sealed class RunQueue(int crowd)
{
    /// <summary>A long turn, in ticks of <see cref="TimeSpan"/>: a process of a Linux guest starts and ends in it.</summary>
    public const long LongTurn = 10 * TimeSpan.TicksPerMillisecond;

    private readonly PriorityQueue<ScheduledHart, (double VirtualTime, bool IsBusy, long Arrival)> _harts = new();
    private double _virtualNow;
    private long _arrivals;

    /// <summary>Nobody wants to run.</summary>
    public bool IsEmpty => _harts.Count == 0;

    /// <summary>Adds a parked hart.</summary>
    /// <param name="hart">The hart.</param>
    /// <param name="hasSlept">It has waited for something, and comes before those that have had as much and did not.</param>
    public void Add(ScheduledHart hart, bool hasSlept = true)
    {
        CpuAccount account = hart.Group.Account;
        account.CatchUp(_virtualNow);
        hart.Turn = (account.VirtualTime, !hasSlept, ++_arrivals);
        hart.TurnTicks = 0;
        Enqueue(hart);
    }

    /// <summary>Adds a hart that has run for a slice and wants to go on: in the same turn, if that is not over.</summary>
    public void AddAgain(ScheduledHart hart)
    {
        if (_harts.Count > crowd && hart.TurnTicks < LongTurn)
        {
            Enqueue(hart);
        }
        else
        {
            Add(hart, hasSlept: false);
        }
    }

    /// <summary>Takes out the first hart, which is parked then; null: there is none.</summary>
    public ScheduledHart? Take()
    {
        if (!_harts.TryDequeue(out ScheduledHart? hart, out (double VirtualTime, bool IsBusy, long Arrival) turn))
        {
            return null;
        }

        _virtualNow = Math.Max(_virtualNow, turn.VirtualTime);
        hart.Place = HartPlace.Parked;
        return hart;
    }

    /// <summary>Changes what a guest may have of the CPU, and the places of its harts with it.</summary>
    /// <param name="group">The guest's harts.</param>
    /// <param name="weight">Another weight; null: as it is.</param>
    /// <param name="limit">Another limit; null: as it is.</param>
    public void Change(HartGroup group, int? weight, double? limit)
    {
        ScheduledHart[] queued = [.. group.Harts.Where(hart => hart.Place == HartPlace.Queued)];
        foreach (ScheduledHart hart in queued)
        {
            _harts.Remove(hart, out _, out _);
            hart.Place = HartPlace.Parked;
        }

        group.Account.Change(weight, limit, _virtualNow);
        Array.ForEach(queued, hart => Add(hart));
    }

    private void Enqueue(ScheduledHart hart)
    {
        Debug.Assert(hart.Place == HartPlace.Parked, "a hart has one place");
        hart.Place = HartPlace.Queued;
        _harts.Enqueue(hart, hart.Turn);
    }
}
