using System.Diagnostics;
using PsVm.Riscv;

namespace PsVm.Machine;

/// <summary>Runs one hart on a host thread of its own. What is public is safe from any thread.</summary>
internal sealed class HartRunner
{
    // Long enough that coming back costs nothing, short enough that the CPU time told is a recent one.
    private const ulong Budget = 1_000_000;

    private readonly object _gate = new();
    private readonly Board _board;
    private readonly Hart _hart;
    private readonly Action<HartRunner, Exception?> _ended;
    private readonly Thread _thread;

    private bool _signalled;
    private bool _holding;
    private bool _held;
    private bool _stopping;
    private bool _hasEnded;
    private bool _hasRun;
    private long _firstRun = Stopwatch.GetTimestamp();
    private long _cpuTicks;

    /// <param name="board">The board.</param>
    /// <param name="hart">One of its harts.</param>
    /// <param name="name">The thread's name.</param>
    /// <param name="ended">Called on the runner's thread when it is over, with the exception that ended it, if one did.</param>
    public HartRunner(Board board, Hart hart, string name, Action<HartRunner, Exception?> ended)
    {
        _board = board;
        _hart = hart;
        _ended = ended;
        _thread = new Thread(Run) { Name = name, IsBackground = true };
    }

    /// <summary>Host CPU time used.</summary>
    public TimeSpan CpuTime => new(Volatile.Read(ref _cpuTicks));

    /// <summary>Begins.</summary>
    public void Start() => _thread.Start();

    /// <summary>Waits until the hart runs.</summary>
    /// <returns>When it began, as <see cref="Stopwatch.GetTimestamp"/> counts.</returns>
    public long WaitUntilFirstRun()
    {
        lock (_gate)
        {
            while (!_hasRun && !_hasEnded)
            {
                Monitor.Wait(_gate);
            }

            return _firstRun;
        }
    }

    /// <summary>Makes a hart that waits look again.</summary>
    public void Wake() => Set(ref _signalled, true);

    /// <summary>Asks the hart to pause.</summary>
    public void Hold() => SetAndLeave(ref _holding);

    /// <summary>Waits until a hart that was asked to pause, or to stop, does not run.</summary>
    public void WaitUntilHeld()
    {
        lock (_gate)
        {
            while (!_held && !_hasEnded)
            {
                Monitor.Wait(_gate);
            }
        }
    }

    /// <summary>Lets the hart go on.</summary>
    public void Release() => Set(ref _holding, false);

    /// <summary>Asks the hart to stop for good.</summary>
    public void Stop() => SetAndLeave(ref _stopping);

    /// <summary>Waits until the thread is gone.</summary>
    public void Join()
    {
        if (_thread.ThreadState != System.Threading.ThreadState.Unstarted)
        {
            _thread.Join();
        }
    }

    private void Set(ref bool flag, bool value)
    {
        lock (_gate)
        {
            flag = value;
            Monitor.PulseAll(_gate);
        }
    }

    private void SetAndLeave(ref bool flag)
    {
        lock (_gate)
        {
            flag = true;
            Monitor.PulseAll(_gate);

            // A hart whose runner has ended may be gone.
            if (!_hasEnded)
            {
                _hart.RequestExit();
            }
        }
    }

    private void Run()
    {
        Exception? failure = null;
        try
        {
            while (MayGoOn())
            {
                switch (_board.Sbi?.Prepare(_hart) ?? HartActivity.Run)
                {
                    case HartActivity.Run:
                        if (RunHart() == HartExit.WaitForInterrupt)
                        {
                            Sleep(interruptible: true);
                        }

                        break;
                    case HartActivity.Wait:
                        Sleep(interruptible: true);
                        break;
                    case HartActivity.None:
                        Sleep(interruptible: false);
                        break;
                }
            }
        }
        catch (Exception cause)
        {
            // Whatever it is, it is this guest's end and no one else's.
            failure = cause;
        }

        Set(ref _hasEnded, true);
        _ended(this, failure);
    }

    private HartExit RunHart()
    {
        if (!_hasRun)
        {
            _firstRun = Stopwatch.GetTimestamp();
            Set(ref _hasRun, true);
        }

        HartExit exit = _hart.Run(Budget);
        Volatile.Write(ref _cpuTicks, ThreadCpuTime.Now.Ticks);
        return exit;
    }

    /// <summary>Stays here while the hart is held.</summary>
    /// <returns>False: it is to stop.</returns>
    private bool MayGoOn()
    {
        lock (_gate)
        {
            while (_holding && !_stopping)
            {
                _held = true;
                Monitor.PulseAll(_gate);
                Monitor.Wait(_gate);
            }

            _held = false;
            return !_stopping;
        }
    }

    /// <summary>Waits for a signal and, when an interrupt may end the wait, for one or for a timer.</summary>
    private void Sleep(bool interruptible)
    {
        lock (_gate)
        {
            while (!_signalled && !_holding && !_stopping && !(interruptible && _hart.HasWakeup))
            {
                Monitor.Wait(_gate, interruptible ? MillisecondsUntil(_hart.NextTimer) : Timeout.Infinite);
            }

            _signalled = false;
        }
    }

    private int MillisecondsUntil(ulong time)
    {
        if (time == ulong.MaxValue)
        {
            return Timeout.Infinite;
        }

        ulong now = _board.Clock.Now;
        ulong ticksPerMillisecond = _board.Clock.Frequency / 1000;
        ulong milliseconds = time <= now ? 0 : ((time - now - 1) / ticksPerMillisecond) + 1;
        return (int)Math.Min(milliseconds, int.MaxValue);
    }
}
