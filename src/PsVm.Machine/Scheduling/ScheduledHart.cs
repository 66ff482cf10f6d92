using System.Diagnostics;
using PsVm.Machine.Board;
using PsVm.Riscv;

namespace PsVm.Machine.Scheduling;

/// <summary>Where a hart is between two looks at it.</summary>
internal enum HartPlace
{
    /// <summary>
    /// Nowhere: it waits for a signal or its deadline, or its guest for its next period, or its guest is held or stopped.
    /// </summary>
    Parked,

    /// <summary>In the run queue.</summary>
    Queued,

    /// <summary>On a thread of the pool.</summary>
    Running,
}

/// <summary>What a hart wants after a slice.</summary>
internal enum SliceEnd
{
    /// <summary>To go on.</summary>
    GoOn,

    /// <summary>To wait for an interrupt.</summary>
    Wait,

    /// <summary>Nothing, until somebody wakes it: another hart starts it, or a page that it needs is there.</summary>
    None,
}

/// <summary>A hart as the scheduler sees it.</summary>
/// <param name="group">The harts of its guest.</param>
/// <param name="board">Its board.</param>
/// <param name="hart">The hart.</param>
internal sealed class ScheduledHart(HartGroup group, GuestBoard board, Hart hart)
{
    // About a millisecond of instructions: what the first slice, whose speed nobody knows, gets, and the bounds of the others. The least is
    // for guests whose every instruction is dear, such as a fence or a device access.
    private const double FirstBudget = 50_000, LeastBudget = 1_000, MostBudget = 10_000_000;
    private const int MostTurns = 100; // some hundred microseconds
    private const double SliceTicks = TimeSpan.TicksPerMillisecond;

    /// <summary>
    /// How long a slice may take whose instructions turn out to be far dearer than those before, as <see cref="Stopwatch"/> counts: a guest
    /// that begins to touch memory must not come by a gigabyte of it before somebody looks.
    /// </summary>
    public static readonly long LongestSlice = 2 * Stopwatch.Frequency / 1_000;

    private double _budget = FirstBudget;
    private long _cpuTicks;
    private long _sliceExits;
    private long _waitExits;
    private long _requestedExits;

    /// <summary>The harts of its guest.</summary>
    public HartGroup Group => group;

    /// <summary>Where it is. Under the scheduler's gate.</summary>
    public HartPlace Place { get; set; }

    /// <summary>
    /// Its place in the <see cref="RunQueue"/>: what its guest had had of the CPU when its turn began, whether it had slept, and the turn's
    /// number.
    /// </summary>
    public (double VirtualTime, bool IsBusy, long Arrival) Turn { get; set; }

    /// <summary>Host CPU time that it has had in its turn, in ticks of <see cref="TimeSpan"/>. Under the scheduler's gate.</summary>
    public long TurnTicks { get; set; }

    /// <summary>A signal came since it was taken from the queue. Under the scheduler's gate.</summary>
    public bool Signalled { get; set; }

    /// <summary>Host time at which its timer fires, set before it is put among those that wait for theirs.</summary>
    public long Deadline { get; set; }

    /// <summary>Its place in the <see cref="DeadlineHeap"/>; -1: none.</summary>
    public int HeapIndex { get; set; } = -1;

    /// <summary>It used up its last slice.</summary>
    public bool IsBusy { get; private set; }

    /// <summary>Host CPU time used. Safe from any thread.</summary>
    public TimeSpan CpuTime => new(Volatile.Read(ref _cpuTicks));

    /// <summary>How often its runs ended, by cause. Safe from any thread.</summary>
    public (long Slice, long Wait, long Requested) Exits =>
        (Volatile.Read(ref _sliceExits), Volatile.Read(ref _waitExits), Volatile.Read(ref _requestedExits));

    /// <summary>Makes the hart's run, now or next, return soon.</summary>
    public void RequestExit() => hart.RequestExit();

    /// <summary>Runs a slice on the calling thread.</summary>
    public SliceEnd RunSlice()
    {
        IsBusy = false;
        // A guest whose harts all sleep where its template was made has begun as well.
        group.NoteRun();
        switch (board.Environment?.Prepare(hart) ?? HartActivity.Run)
        {
            case HartActivity.Wait:
                return SliceEnd.Wait;
            case HartActivity.None:
                return SliceEnd.None;
        }

        switch (RunHart())
        {
            case HartExit.WaitForInterrupt:
                _waitExits++;
                return SliceEnd.Wait;
            case HartExit.WaitForStore or HartExit.Pause:
                // Behind those that wait for the CPU: one of them may be about to store.
                _waitExits++;
                return SliceEnd.GoOn;
            case HartExit.WaitForPage:
                _waitExits++;
                return SliceEnd.None;
            case HartExit.Requested:
                _requestedExits++;
                return SliceEnd.GoOn;
            default:
                _sliceExits++;
                IsBusy = true;
                return SliceEnd.GoOn;
        }
    }

    /// <summary>Runs it on where it only looks at something over and over, but nobody waits for the CPU.</summary>
    private HartExit RunHart()
    {
        HartExit exit = hart.Run((ulong)_budget);
        for (int turns = 1; exit == HartExit.Pause && turns < MostTurns && !group.IsAnyoneQueued; turns++)
        {
            exit = hart.Run((ulong)_budget);
        }

        return exit;
    }

    /// <summary>Accounts for a slice, and brings the next one nearer to a millisecond.</summary>
    /// <param name="cpuTicks">Host CPU time that it took, in ticks of <see cref="TimeSpan"/>.</param>
    public void Charge(long cpuTicks)
    {
        Volatile.Write(ref _cpuTicks, _cpuTicks + cpuTicks);
        if (IsBusy)
        {
            double fitting = _budget * SliceTicks / Math.Max(cpuTicks, 1);
            _budget = Math.Clamp((_budget + fitting) / 2, LeastBudget, MostBudget);
        }
    }

    /// <summary>Host time at which the timer of a hart that waits fires; <see cref="long.MaxValue"/>: none is armed.</summary>
    public long TimerStamp => board.Clock.StampAt(hart.NextTimer);
}
