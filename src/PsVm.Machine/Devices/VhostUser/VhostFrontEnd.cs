using System.Diagnostics;
using PsVm.Machine.Devices.Virtio;
using PsVm.Memory.Native;
using PsVm.Riscv.Memory;

namespace PsVm.Machine.Devices.VhostUser;

/// <summary>
/// A device's way to its daemon, over the lives of its guest: connects, and does so again when the daemon is gone; hands queues over and
/// takes them back; passes interrupts on. What the daemon does wrong ends its connection, and nothing else. Safe from any thread.
/// </summary>
/// <remarks>
/// <para>
/// One thread connects, hands over and waits for the daemon's events. A hart takes queues back, and waits for each at most as long as for
/// any answer.
/// </para>
/// <para>
/// A daemon's loss leaves requests in the queues. The next daemon goes on where the last one noted what it has under way, when both can
/// that (VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD), else behind the buffers that were used: right for those that work in order, as virtiofsd
/// does.
/// </para>
/// <para>
/// Nobody tells harts of what a daemon writes. So code that it wrote is what the guest runs only after its FENCE.I, as the instruction set
/// wants it; there, pages are compared with what was decoded of them.
/// </para>
/// <para>Locks: a transport's gate, then <c>_io</c>, then <c>_gate</c>. Ports are called under neither of the last two.</para>
/// </remarks>
internal sealed partial class VhostFrontEnd : IDisposable
{
    private static readonly TimeSpan s_firstPause = TimeSpan.FromMilliseconds(10), s_longestPause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_settled = TimeSpan.FromSeconds(10);

    private readonly object _io = new(); // whoever talks to the daemon
    private readonly Lock _gate = new();
    private readonly IVhostDaemon _daemon;
    private readonly VhostTraits _traits;
    private readonly string _what;
    private readonly VhostWires _wires;
    private readonly EventDescriptor _wake = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Queue<string> _toTell = new();
    private readonly Thread _thread;

    private VhostSession? _session; // changed by the thread alone, under both locks
    private VhostBoard? _board; // the board that has the device; null: none
    private VhostLife? _life; // what its driver has handed over; null: nothing
    private ushort[]? _bases; // where the queues were when they were taken back; null: unknown
    private bool _isFresh; // the driver has just begun: queues are at their start
    private bool _isBegun; // the daemon has the queues
    private bool _rests; // the guest is held
    private bool _isHeldBack; // the guest's memory is to stay as its harts have it
    private long _connectedAt = Stopwatch.GetTimestamp();
    private string? _failure; // why the connection is of no use any more
    private Action<string> _tell = static _ => { };

    /// <summary>Connects for the first time.</summary>
    /// <param name="daemon">The daemon, the front end's from here on.</param>
    /// <param name="traits">What is known of the kind of device.</param>
    /// <param name="name">The device's name, for messages.</param>
    /// <param name="patience">The longest that an answer may take.</param>
    /// <exception cref="VhostException">It cannot be had; nothing is left behind.</exception>
    public VhostFrontEnd(IVhostDaemon daemon, VhostTraits traits, string name, TimeSpan patience)
    {
        (_daemon, _traits, Patience) = (daemon, traits, patience);
        _what = $"{traits.Name} '{name}'";
        _wires = new VhostWires(traits.QueueSizes.Count);
        try
        {
            _session = Connect();
        }
        catch
        {
            daemon.Dispose();
            _wires.Dispose();
            _wake.Dispose();
            throw;
        }

        Features = _session.Features;
        Config = _session.Config;
        _thread = new Thread(Work) { IsBackground = true, Name = $"PsVm vhost-user {name}" };
        _thread.Start();
    }

    /// <summary>The longest that an answer may take; a test of what comes then makes it less.</summary>
    public TimeSpan Patience { get; set; }

    /// <summary>What guests may use of the device.</summary>
    public ulong Features { get; }

    /// <summary>Its configuration space, as the daemon said last.</summary>
    public byte[] Config { get; private set; }

    /// <summary>What is known of the kind of device.</summary>
    public VhostTraits Traits => _traits;

    /// <summary>Who does its work.</summary>
    public IVhostDaemon Daemon => _daemon;

    /// <summary>Whether the daemon is there, how often it was lost, and why last.</summary>
    public (bool IsConnected, int Losses, string? LastFailure) State
    {
        get
        {
            lock (_gate)
            {
                return (_session is not null && _failure is null, Losses, LastFailure);
            }
        }
    }

    private int Losses { get; set; }

    private string? LastFailure { get; set; }

    /// <summary>Says who is told of what goes wrong from now on.</summary>
    public void Tell(Action<string> warn) => _tell = warn;

    /// <summary>A board has the device from now on.</summary>
    public void Attach(VhostBoard board)
    {
        lock (_gate)
        {
            Debug.Assert(_board is null, "the life before has ended");
            (_board, _rests) = (board, false);
        }

        _wake.Signal();
    }

    /// <summary>The board's life has ended: when this returns the daemon has nothing of its memory any more.</summary>
    public void Detach(VhostBoard board)
    {
        lock (_gate)
        {
            if (_board != board)
            {
                return;
            }
        }

        Exclusively(() =>
        {
            TakeBack();
            lock (_gate)
            {
                _life?.Dispose();
                (_life, _bases, _board) = (null, null, null);
                _failure ??= string.Empty; // on purpose; nobody is told
                _session?.Socket.Cut();
            }

            _daemon.End();
        });
        board.Dispose();
        _wake.Signal();
    }

    /// <summary>A driver hands queues over.</summary>
    public void Begin(VhostBoard board, ulong features, IReadOnlyList<VirtioQueuePlace> queues)
    {
        lock (_gate)
        {
            if (_board == board && queues.Count > 0)
            {
                _life = new VhostLife(features, queues, board.Regions, _wires);
                (_isFresh, _bases) = (true, null);
            }
        }

        _wake.Signal();
    }

    /// <summary>There are buffers in a queue.</summary>
    public void Notify(int queue) => _wires.Kicks[queue].Signal();

    /// <summary>The driver takes its queues back for good.</summary>
    public void End(VhostBoard board)
    {
        if (!Has(board))
        {
            return;
        }

        Exclusively(() =>
        {
            TakeBack();
            lock (_gate)
            {
                _life?.Dispose();
                (_life, _bases) = (null, null);
            }
        });
    }

    /// <summary>Has the daemon finish what it has begun, and begin nothing until <see cref="GoOn"/>.</summary>
    public void Rest(VhostBoard board)
    {
        if (Has(board))
        {
            Exclusively(() =>
            {
                _rests = true;
                TakeBack();
            });
        }
    }

    /// <summary>The guest goes on.</summary>
    public void GoOn()
    {
        lock (_gate)
        {
            _rests = false;
        }

        _wake.Signal();
    }

    /// <summary>
    /// Keeps the daemon, which rests, from beginning anything when the guest goes on, until that is over: requests wait in the queues
    /// meanwhile, and nobody writes memory without a hart's knowing.
    /// </summary>
    /// <param name="holds">It begins; else it is over.</param>
    public void HoldBack(bool holds)
    {
        lock (_gate)
        {
            _isHeldBack = holds;
        }

        _wake.Signal();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop.Cancel();
        if (_board is { } board)
        {
            Detach(board);
        }

        _wake.Signal();
        _thread.Join();
        _session?.Dispose();
        _daemon.Dispose();
        _wires.Dispose();
        _wake.Dispose();
    }

    private bool Has(VhostBoard board)
    {
        lock (_gate)
        {
            return _board == board && _life is not null;
        }
    }

    /// <summary>Does something with the daemon, while the thread does not. A daemon that keeps the thread waiting is given up.</summary>
    private void Exclusively(Action work)
    {
        if (!Monitor.TryEnter(_io, Patience))
        {
            lock (_gate)
            {
                _session?.Socket.Cut();
            }

            Monitor.Enter(_io);
        }

        try
        {
            work();
        }
        finally
        {
            Monitor.Exit(_io);
        }
    }

    /// <summary>Takes the queues back, where the daemon has them. Exclusively.</summary>
    private void TakeBack()
    {
        if (!_isBegun)
        {
            return;
        }

        _isBegun = false;
        (_isFresh, _bases) = (false, null);
        if (_failure is null && _session is { } session)
        {
            Try(() => _bases = session.End(_life!.Queues));
        }
    }

    /// <summary>Asks something of the daemon; one that fails is of no use any more. Exclusively.</summary>
    private bool Try(Action work)
    {
        try
        {
            work();
            return true;
        }
        catch (VhostException wrong)
        {
            Lose(wrong.Message);
            return false;
        }
    }

    /// <summary>
    /// Gives the connection up; the thread does the rest. Where the daemon is this process's, it touches no memory from here on.
    /// </summary>
    private void Lose(string why)
    {
        lock (_gate)
        {
            if (_failure is not null)
            {
                return;
            }

            _failure = why;
            (Losses, LastFailure) = (Losses + 1, why);
            _toTell.Enqueue($"{_what} has lost {_daemon.Name}: {why}; its requests wait");
            _session?.Socket.Cut();
        }

        _daemon.End();
        _wake.Signal();
    }

    private VhostSession Connect()
    {
        try
        {
            return VhostSession.Open(new DescriptorSocket(_daemon.Connect(_stop.Token)), _traits, () => Patience);
        }
        catch (Exception failure)
        {
            // Such as that the process has too many open files, or no room for a folder: the daemon cannot be had, and nothing else is
            // wrong.
            _daemon.End();
            if (failure is IOException or UnauthorizedAccessException)
            {
                throw new VhostException($"{_daemon.Name} cannot be had: {failure.Message}", failure);
            }

            throw;
        }
    }
}
