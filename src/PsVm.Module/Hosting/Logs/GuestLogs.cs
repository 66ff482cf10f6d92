namespace PsVm.Module.Hosting.Logs;

/// <summary>Appends what happens to guests to the logs that they were started with, whoever looks, until they are removed.</summary>
/// <param name="host">Where the guests live.</param>
internal sealed class GuestLogs(IGuestHost host) : IDisposable
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(0.5);

    private readonly Lock _gate = new();

    // Also those that were removed: what a cmdlet finds later of their end has been appended.
    private readonly Dictionary<Guid, LogFile> _logs = [];
    private readonly HashSet<Guid> _alive = [];
    private Timer? _timer;
    private long _position;

    /// <summary>From now on what happens to a guest goes to a log; also what has happened to it since a position.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="log">Where it goes.</param>
    /// <param name="from">Where it began, as <see cref="IGuestHost.ReadEvents"/> counts.</param>
    public void Follow(Guid guest, LogFile log, long from)
    {
        lock (_gate)
        {
            if (_alive.Contains(guest) && IsFollowed(guest, log.Path))
            {
                return;
            }

            Look();
            if (_alive.Count == 0)
            {
                _position = host.ReadEvents(long.MaxValue).NextPosition;
            }

            // What has been looked at for the others is made up for; what came since comes with the next look.
            HostEvents past = host.ReadEvents(from);
            long seen = Math.Max(0, past.Events.Count - (past.NextPosition - _position));
            _logs[guest] = log;
            _alive.Add(guest);
            Append(past.Events.Take((int)seen).Where(one => one.Guest?.Id == guest));
            _timer ??= new Timer(_ => Look());
            _timer.Change(s_interval, s_interval);
        }
    }

    /// <summary>What happens to the guest is appended to that file anyway.</summary>
    public bool IsFollowed(Guid? guest, string path)
    {
        lock (_gate)
        {
            return guest is { } id && _logs.TryGetValue(id, out LogFile? log) && log.Path == path;
        }
    }

    /// <summary>Appends what has happened by now.</summary>
    public void Look()
    {
        lock (_gate)
        {
            if (_alive.Count > 0)
            {
                HostEvents happened = host.ReadEvents(_position);
                _position = happened.NextPosition;
                Append(happened.Events.Where(one => one.Guest?.Id is { } id && _alive.Contains(id)));
            }
            else
            {
                _timer?.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }
        }
    }

    /// <summary>Why lines are lost, each log once.</summary>
    public IReadOnlyList<string> TakeFailures()
    {
        lock (_gate)
        {
            return [.. _logs.Values.Distinct().Select(log => log.TakeFailure()).OfType<string>()];
        }
    }

    /// <summary>Appends what has happened by now, and no more.</summary>
    public void Dispose()
    {
        Look();
        _timer?.Dispose();
    }

    private void Append(IEnumerable<HostEvent> happened)
    {
        foreach (HostEvent one in happened)
        {
            _logs[one.Guest!.Value.Id!.Value].Append(LogLine.Of(one));
            if (one.Id == HostEventIds.GuestRemoved)
            {
                _alive.Remove(one.Guest.Value.Id.Value);
            }
        }
    }
}
