using System.Globalization;
using System.Management.Automation.Runspaces;
using System.Runtime.CompilerServices;
using PsVm.Module.Output;

namespace PsVm.Module.Hosting;

/// <summary>What one session (runspace) has been told of what happened in the host while nobody of it was looking.</summary>
internal sealed class Session
{
    private static readonly ConditionalWeakTable<Runspace, Session> s_sessions = [];

    // How far somebody has been warned of what happened in a host.
    private static readonly ConditionalWeakTable<IGuestHost, StrongBox<long>> s_warnedUpTo = [];

    private readonly Lock _gate = new();
    private readonly HashSet<Guid> _told = [];
    private WeakReference<IGuestHost>? _host;
    private long _position;

    /// <summary>The session whose pipeline thread this is.</summary>
    public static Session Current => s_sessions.GetOrCreateValue(Runspace.DefaultRunspace);

    /// <summary>Begins to look at a host's log, at what comes from now on; once for each host.</summary>
    public void Attend(IGuestHost host)
    {
        lock (_gate)
        {
            if (_host is null || !_host.TryGetTarget(out IGuestHost? known) || known != host)
            {
                _host = new WeakReference<IGuestHost>(host);
                _position = host.ReadEvents(long.MaxValue).NextPosition;
            }
        }
    }

    /// <summary>
    /// Writes what has happened since the last call to the verbose stream, also what happened between two cmdlets. A warning of the host's
    /// is written as one, in the session that comes by it first.
    /// </summary>
    /// <param name="host">The host attended to.</param>
    /// <param name="output">The output.</param>
    /// <param name="since">When the cmdlet began: what happened before has its time written with it.</param>
    /// <returns>What has happened.</returns>
    public IReadOnlyList<HostEvent> WriteLog(IGuestHost host, ICmdletOutput output, DateTimeOffset since)
    {
        HostEvents log;
        lock (_gate)
        {
            log = host.ReadEvents(_position);
            _position = log.NextPosition;
        }

        long position = log.NextPosition - log.Events.Count;
        foreach (HostEvent happened in log.Events)
        {
            if (happened.Level == HostEventLevel.Warning && IsFirstWarned(host, position))
            {
                output.WriteWarning($"[{happened.Id}] {happened.Message}");
            }
            else
            {
                output.WriteVerbose(
                    happened.Time < since ? $"{happened.Time.ToLocalTime():HH:mm:ss} {happened.Message}" : happened.Message);
            }

            if (happened.Values.Count > 0)
            {
                output.WriteDebug($"{happened.Id} of {happened.Guest}: {string.Join(", ", happened.Values.Select(ToText))}");
            }

            position++;
        }

        return log.Events;
    }

    private static bool IsFirstWarned(IGuestHost host, long position)
    {
        StrongBox<long> upTo = s_warnedUpTo.GetOrCreateValue(host);
        lock (upTo)
        {
            if (position < upTo.Value)
            {
                return false;
            }

            upTo.Value = position + 1;
            return true;
        }
    }

    private static string ToText(KeyValuePair<string, object> value) =>
        value is { Key: var name, Value: long bytes } && name.EndsWith("Bytes", StringComparison.Ordinal)
        ? $"{name[..^"Bytes".Length]} {ByteSize.ToText(bytes)}"
        : string.Create(CultureInfo.InvariantCulture, $"{value.Key} {value.Value}");

    /// <summary>Warns of guests that have failed, of each once.</summary>
    /// <param name="guests">Guests that a cmdlet is about to touch.</param>
    /// <param name="output">The output.</param>
    public void WarnOfFailures(IEnumerable<GuestInfo> guests, ICmdletOutput output)
    {
        foreach (GuestInfo guest in guests)
        {
            bool isNews;
            lock (_gate)
            {
                isNews = guest.State.IsFailure() && _told.Add(guest.Id);
            }

            if (isNews)
            {
                string id = guest.Failure?.Id ?? GuestErrorIds.GuestFailed;
                output.WriteWarning(
                    $"[{id}] Guest '{guest.Name}' failed at {guest.EndedAt?.ToLocalTime():yyyy-MM-dd HH:mm:ss}: {guest.StopReason}");
            }
        }
    }
}
