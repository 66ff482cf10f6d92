using System.Diagnostics;

namespace PsVm.Machine.Scheduling;

/// <summary>Harts that want to run. Under the scheduler's gate.</summary>
/// <remarks>
/// First is the hart whose guest has had least of the CPU for its weight, however many harts it has. A guest that was idle starts from what
/// the others have now, so it runs soon and gets nothing back for the time it slept.
/// Source: Goyal, Vin and Cheng, Start-time Fair Queueing (SIGCOMM 1996).
/// </remarks>
internal sealed class RunQueue
{
    private readonly PriorityQueue<ScheduledHart, double> _harts = new();
    private double _virtualNow;

    /// <summary>Nobody wants to run.</summary>
    public bool IsEmpty => _harts.Count == 0;

    /// <summary>Adds a parked hart.</summary>
    public void Add(ScheduledHart hart)
    {
        Debug.Assert(hart.Place == HartPlace.Parked, "a hart has one place");
        CpuAccount account = hart.Group.Account;
        account.CatchUp(_virtualNow);
        hart.Place = HartPlace.Queued;
        _harts.Enqueue(hart, account.VirtualTime);
    }

    /// <summary>Takes out the first hart, which is parked then; null: there is none.</summary>
    public ScheduledHart? Take()
    {
        if (!_harts.TryDequeue(out ScheduledHart? hart, out double virtualTime))
        {
            return null;
        }

        _virtualNow = Math.Max(_virtualNow, virtualTime);
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
        Array.ForEach(queued, Add);
    }
}
