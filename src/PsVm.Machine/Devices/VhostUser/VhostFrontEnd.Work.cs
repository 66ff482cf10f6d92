using System.Diagnostics;
using PsVm.Machine.Devices.Virtio;
using PsVm.Memory.Native;
using PsVm.Riscv.Memory;

namespace PsVm.Machine.Devices.VhostUser;

/// <content>The thread: connects, hands queues over, waits for the daemon's events, and closes what is lost.</content>
internal sealed partial class VhostFrontEnd
{
    private void Work()
    {
        Poller poller = new();
        (TimeSpan pause, long notBefore) = (s_firstPause, 0);
        while (!_stop.IsCancellationRequested)
        {
            if (DropLost() is { } lasted)
            {
                // A daemon that ends as soon as it has the queues is not started again at once, whoever's fault that is.
                pause = lasted > s_settled ? s_firstPause : Next(pause);
                notBefore = Environment.TickCount64 + (lasted > s_settled ? 0 : (long)pause.TotalMilliseconds);
            }

            TellOfAll();
            long left = notBefore - Environment.TickCount64;
            if (_board is null || (_session is null && left > 0))
            {
                Wait(poller, _board is null ? -1 : (int)left);
            }
            else if (_session is null && !TryConnect())
            {
                pause = Next(pause);
                notBefore = Environment.TickCount64 + (long)pause.TotalMilliseconds;
            }
            else
            {
                BeginWhereWanted();
                TellOfAll();
                if (_failure is null)
                {
                    Wait(poller, -1);
                }
            }
        }
    }

    private static TimeSpan Next(TimeSpan pause) => pause * 2 > s_longestPause ? s_longestPause : pause * 2;

    /// <summary>Closes a connection that is of no use any more.</summary>
    /// <returns>How long it lasted; null: there was none, or it was given up on purpose.</returns>
    private TimeSpan? DropLost()
    {
        lock (_io)
        {
            if (_failure is not { } failure)
            {
                return null;
            }

            VhostSession? session;
            lock (_gate)
            {
                session = _session;
                (_session, _failure) = (null, null);
                if (_isBegun)
                {
                    (_isBegun, _isFresh, _bases) = (false, false, null);
                }
            }

            session?.Dispose();
            return failure.Length == 0 ? null : Stopwatch.GetElapsedTime(_connectedAt);
        }
    }

    private void TellOfAll()
    {
        while (true)
        {
            string? next;
            lock (_gate)
            {
                _ = _toTell.TryDequeue(out next);
            }

            if (next is null)
            {
                return;
            }

            _tell(next);
        }
    }

    private bool TryConnect()
    {
        try
        {
            VhostSession session = Connect();
            bool isOther = !session.Config.AsSpan().SequenceEqual(Config);
            Config = session.Config;
            VirtioPort? port;
            lock (_io)
            {
                lock (_gate)
                {
                    (_session, _connectedAt) = (session, Stopwatch.GetTimestamp());
                    port = _board?.Port;
                    if (Losses > 0 && LastFailure is not null && _life is not null)
                    {
                        _toTell.Enqueue($"{_what} has {_daemon.Name} again");
                    }
                }
            }

            if (isOther)
            {
                port?.NotifyConfigChanged();
            }

            return true;
        }
        catch (Exception failure) when (failure is VhostException or OperationCanceledException)
        {
            lock (_gate)
            {
                LastFailure = failure.Message;
            }

            return false;
        }
    }

    /// <summary>Hands the queues over, where a driver has and the daemon does not have them yet.</summary>
    private void BeginWhereWanted()
    {
        VirtioPort port;
        lock (_io)
        {
            if (_isBegun || _rests || _isHeldBack || _failure is not null || _life is not { } life || _board is not { } board)
            {
                return;
            }

            port = board.Port;
            if (!Try(() => _session!.Begin(life, _bases ?? BasesOf(life, board.Memory))))
            {
                return;
            }

            _isBegun = true;
            foreach (VirtioQueuePlace queue in life.Queues)
            {
                Notify(queue.Number); // what came before the daemon did
            }
        }

        port.NotifyUsed(); // and what the one before had used, without having said so
    }

    /// <summary>Where the queues are: at their start, or behind what was used.</summary>
    private ushort[] BasesOf(VhostLife life, PhysicalMemory memory)
    {
        ushort[] bases = new ushort[life.Queues.Count];
        for (int i = 0; i < bases.Length && !_isFresh; i++)
        {
            _ = memory.TryLoad(new GuestAddress(life.Queues[i].Device + 2), out bases[i]);
        }

        return bases;
    }

    /// <summary>Waits for something to happen, and passes on what the daemon says.</summary>
    private void Wait(Poller poller, int milliseconds)
    {
        poller.Clear();
        poller.Add(_wake.Handle);
        int queues = _traits.QueueSizes.Count;
        for (int queue = 0; queue < queues; queue++)
        {
            poller.Add(_wires.Calls[queue].Handle);
            poller.Add(_wires.Errors[queue].Handle);
        }

        if (_session is { } session)
        {
            poller.Add(session.Socket.Handle, endOnly: true);
        }

        if (!poller.Wait(milliseconds))
        {
            return;
        }

        if (poller.Happened(0))
        {
            _ = _wake.Take();
        }

        VirtioPort? port = _board?.Port;
        bool isUsed = false;
        for (int queue = 0; queue < queues; queue++)
        {
            int place = 1 + (2 * queue);
            isUsed |= poller.Happened(place) && _wires.Calls[queue].Take();
            if (poller.Happened(place + 1) && _wires.Errors[queue].Take() && _isBegun)
            {
                port?.Break($"{_daemon.Name} cannot go on with queue {queue}");
            }
        }

        if (isUsed)
        {
            port?.NotifyUsed();
        }

        if (_session is not null && poller.Happened(1 + (2 * queues)))
        {
            Exclusively(() => Lose("it has closed the connection"));
        }
    }
}
