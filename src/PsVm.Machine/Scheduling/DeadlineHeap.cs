namespace PsVm.Machine.Scheduling;

/// <summary>Harts that wait, by the time at which they want to run. Adding and removing take the logarithm of their number.</summary>
/// <remarks>A binary heap in which each hart knows its place, so that one that is woken early can be taken out.</remarks>
internal sealed class DeadlineHeap
{
    private readonly List<ScheduledHart> _harts = [];

    /// <summary>The earliest deadline; <see cref="long.MaxValue"/>: none.</summary>
    public long Next => _harts.Count == 0 ? long.MaxValue : _harts[0].Deadline;

    /// <summary>The hart with the earliest deadline.</summary>
    public ScheduledHart First => _harts[0];

    /// <summary>Adds a hart, which is not there, by its deadline.</summary>
    public void Add(ScheduledHart hart)
    {
        _harts.Add(hart);
        Rise(hart, _harts.Count - 1);
    }

    /// <summary>Takes a hart out, if it is there.</summary>
    public void Remove(ScheduledHart hart)
    {
        int hole = hart.HeapIndex;
        if (hole < 0)
        {
            return;
        }

        hart.HeapIndex = -1;
        ScheduledHart last = _harts[^1];
        _harts.RemoveAt(_harts.Count - 1);
        if (last != hart)
        {
            Sink(last, hole);
            Rise(last, last.HeapIndex);
        }
    }

    private void Rise(ScheduledHart hart, int index)
    {
        while (index > 0 && _harts[(index - 1) / 2] is var parent && parent.Deadline > hart.Deadline)
        {
            Put(parent, index);
            index = (index - 1) / 2;
        }

        Put(hart, index);
    }

    private void Sink(ScheduledHart hart, int index)
    {
        while ((2 * index) + 1 is var child && child < _harts.Count)
        {
            if (child + 1 < _harts.Count && _harts[child + 1].Deadline < _harts[child].Deadline)
            {
                child++;
            }

            if (_harts[child].Deadline >= hart.Deadline)
            {
                break;
            }

            Put(_harts[child], index);
            index = child;
        }

        Put(hart, index);
    }

    private void Put(ScheduledHart hart, int index)
    {
        _harts[index] = hart;
        hart.HeapIndex = index;
    }
}
