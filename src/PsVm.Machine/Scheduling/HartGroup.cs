using System.Diagnostics;
using PsVm.Machine.Board;
using PsVm.Riscv;

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
    /// <param name="account">What the guest may have of the CPU, and has had.</param>
    /// <param name="board">The guest's board.</param>
    /// <param name="ran">Called after each slice, on its thread; is to stop the group when something is amiss.</param>
    /// <param name="failed">Called when a hart throws; is to stop the group.</param>
    /// <param name="ended">Called once, when the group was stopped and no hart runs.</param>
    public HartGroup(
        HartScheduler scheduler, CpuAccount account, GuestBoard board, Action ran, Action<Exception> failed, Action ended)
    {
        _scheduler = scheduler;
        _ran = ran;
        _failed = failed;
        _ended = ended;
        Account = account;
        var harts = new ScheduledHart[board.Harts.Count];
        for (int number = 0; number < harts.Length; number++)
        {
            Hart hart = board.Harts[number];
            hart.LongestRun = ScheduledHart.LongestSlice;
            harts[number] = new ScheduledHart(this, board, hart);
        }

        Harts = harts;
        board.HartSignalled += hart => _scheduler.Wake(Harts[hart]);
        board.DevicesWorked += cpu => _scheduler.Charge(this, cpu.Ticks);
    }

    /// <summary>The harts, by number.</summary>
    public IReadOnlyList<ScheduledHart> Harts { get; }

    /// <summary>Its harts are not to run for now. Under the scheduler's gate, as all that can be set here.</summary>
    public bool IsHeld { get; set; } = true;

    /// <summary>Its harts were let go once.</summary>
    public bool WasReleased { get; set; }

    /// <summary>Its harts are not to run until what they wrote is dealt with.</summary>
    public bool IsSlowed { get; set; }

    /// <summary>Its end is not to be told yet: somebody needs its RAM.</summary>
    public bool IsKept { get; set; }

    /// <summary>Its harts are not to run any more.</summary>
    public bool IsStopping { get; set; }

    /// <summary>It was stopped, and whoever wants to know has been told.</summary>
    public bool HasEnded { get; set; }

    /// <summary>What was thrown by those who were to be told of a failure or of the end; null: nothing.</summary>
    public Exception? Unheard { get; set; }

    /// <summary>Harts that are on a thread.</summary>
    public int Running { get; set; }

    /// <summary>What the guest may have of the CPU, and has had.</summary>
    public CpuAccount Account { get; }

    /// <summary>Its harts may run.</summary>
    public bool MayRun => !IsHeld && !IsSlowed && !IsStopping;

    /// <summary>It was stopped, no hart runs, and that is to be told.</summary>
    public bool IsToTellEnd => IsStopping && Running == 0 && !IsKept;

    /// <inheritdoc cref="HartScheduler.IsAnyoneQueued"/>
    public bool IsAnyoneQueued => _scheduler.IsAnyoneQueued;

    /// <summary>Host CPU time that they have had, all together. Safe from any thread.</summary>
    public TimeSpan CpuTime
    {
        get
        {
            TimeSpan time = TimeSpan.Zero;
            foreach (ScheduledHart hart in Harts)
            {
                time += hart.CpuTime;
            }

            return time;
        }
    }

    /// <inheritdoc cref="HartScheduler.WantsCpu"/>
    public bool WantsCpu => _scheduler.WantsCpu(this);

    /// <summary>Has the harts that wait look again.</summary>
    public void Wake()
    {
        foreach (ScheduledHart hart in Harts)
        {
            _scheduler.Wake(hart);
        }
    }

    /// <summary>Lets the harts go on.</summary>
    public void Release() => _scheduler.Release(this);

    /// <summary>Keeps the harts from running; returns once none does.</summary>
    /// <param name="cancellation">Gives up; they go on as they did.</param>
    public void Hold(CancellationToken cancellation) => _scheduler.Hold(this, cancellation);

    /// <summary>
    /// Keeps the harts from running, without waiting until none does; whoever asks holds them with <see cref="Hold"/> next.
    /// </summary>
    public void HoldSoon() => _scheduler.HoldSoon(this);

    /// <summary>Changes what they may have of the CPU together, from now on.</summary>
    /// <param name="weight">Another weight; null: as it is.</param>
    /// <param name="limit">Another limit in host CPUs, 0: none; null: as it is.</param>
    public void ChangeCpu(int? weight, double? limit) => _scheduler.ChangeCpu(this, weight, limit);

    /// <summary>Keeps the harts from running for now, or no longer, whether they are held or not. From any thread, also a hart's.</summary>
    public void Slow(bool slow) => _scheduler.Slow(this, slow);

    /// <summary>Keeps the end of harts that were not stopped yet from being told, until <see cref="LetEnd"/>.</summary>
    public void Keep() => _scheduler.Keep(this);

    /// <summary>Lets the end be told; if they were stopped meanwhile, on this thread.</summary>
    public void LetEnd() => _scheduler.LetEnd(this);

    /// <summary>Stops the harts for good; the end is told when none runs any more.</summary>
    public void Stop() => _scheduler.Stop(this);

    /// <summary>Has the harts, which are held, never run again: others have taken their place, and there is no end to tell of.</summary>
    public void Abandon() => _scheduler.Abandon(this);

    /// <summary>Waits until the end was told.</summary>
    /// <param name="cancellation">Gives up waiting.</param>
    public void WaitUntilEnded(CancellationToken cancellation) => _scheduler.WaitUntil(() => HasEnded, cancellation);

    /// <summary>Waits until a hart runs, the end was told, or somebody holds the harts again before one has run.</summary>
    /// <param name="cancellation">Gives up waiting.</param>
    /// <returns>When the first one began, or else now, as <see cref="Stopwatch.GetTimestamp"/> counts.</returns>
    public long WaitUntilFirstRun(CancellationToken cancellation)
    {
        _scheduler.WaitUntil(() => _firstRun != 0 || HasEnded || (WasReleased && IsHeld), cancellation);
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
