using System.Diagnostics;
using PsVm.Machine.Board;

namespace PsVm.Machine.Scheduling;

/// <summary>The harts of one guest, which are held, released and stopped together. Safe from any thread.</summary>
internal sealed class HartGroup
{
    private readonly HartScheduler _scheduler;
    private readonly Action _ran;
    private readonly Action<Exception> _failed;
    private readonly Action _ended;
    private long _firstRun;

    /// <summary>Makes a group that is held; the board's signals wake its harts from now on.</summary>
    /// <param name="scheduler">Where they run.</param>
    /// <param name="board">The guest's board.</param>
    /// <param name="ran">Called after each slice, on its thread; is to stop the group when something is amiss.</param>
    /// <param name="failed">Called when a hart throws; is to stop the group.</param>
    /// <param name="ended">Called once, when the group was stopped and no hart runs.</param>
    public HartGroup(HartScheduler scheduler, GuestBoard board, Action ran, Action<Exception> failed, Action ended)
    {
        _scheduler = scheduler;
        _ran = ran;
        _failed = failed;
        _ended = ended;
        Harts = [.. board.Harts.Select(hart => new ScheduledHart(this, board, hart))];
        board.HartSignalled += hart => _scheduler.Wake(Harts[hart]);
    }

    /// <summary>The harts, by number.</summary>
    public IReadOnlyList<ScheduledHart> Harts { get; }

    /// <summary>Its harts are not to run for now. Under the scheduler's gate, as all that can be set here.</summary>
    public bool IsHeld { get; set; } = true;

    /// <summary>Its harts are not to run any more.</summary>
    public bool IsStopping { get; set; }

    /// <summary>It was stopped, and whoever wants to know has been told.</summary>
    public bool HasEnded { get; set; }

    /// <summary>What was thrown by those who were to be told of a failure or of the end; null: nothing.</summary>
    public Exception? Unheard { get; set; }

    /// <summary>Harts that are on a thread.</summary>
    public int Running { get; set; }

    /// <summary>What the guest has had of the CPU, in the scheduler's reckoning.</summary>
    public long VirtualTime { get; set; }

    /// <summary>Its harts may run.</summary>
    public bool MayRun => !IsHeld && !IsStopping;

    /// <summary>Lets the harts go on.</summary>
    public void Release() => _scheduler.Release(this);

    /// <summary>Keeps the harts from running; returns once none does.</summary>
    /// <param name="cancellation">Gives up; they go on as they did.</param>
    public void Hold(CancellationToken cancellation) => _scheduler.Hold(this, cancellation);

    /// <summary>Stops the harts for good; the end is told when none runs any more.</summary>
    public void Stop() => _scheduler.Stop(this);

    /// <summary>Waits until the end was told.</summary>
    /// <param name="cancellation">Gives up waiting.</param>
    public void WaitUntilEnded(CancellationToken cancellation) => _scheduler.WaitUntil(() => HasEnded, cancellation);

    /// <summary>Waits until a hart runs, or the end was told.</summary>
    /// <param name="cancellation">Gives up waiting.</param>
    /// <returns>When the first one began, or else now, as <see cref="Stopwatch.GetTimestamp"/> counts.</returns>
    public long WaitUntilFirstRun(CancellationToken cancellation)
    {
        _scheduler.WaitUntil(() => _firstRun != 0 || HasEnded, cancellation);
        return _firstRun != 0 ? _firstRun : Stopwatch.GetTimestamp();
    }

    /// <summary>A hart is about to run.</summary>
    internal void NoteRun()
    {
        if (Volatile.Read(ref _firstRun) == 0)
        {
            long now = Stopwatch.GetTimestamp();
            _scheduler.Change(() => _firstRun = _firstRun == 0 ? now : _firstRun);
        }
    }

    /// <summary>A hart ran for a slice, and has not begun its next.</summary>
    internal void NoteSlice() => _ran();

    /// <summary>A hart threw.</summary>
    internal void Fail(Exception failure) => _failed(failure);

    /// <summary>Tells that no hart will run any more.</summary>
    internal void TellEnd() => _ended();
}
