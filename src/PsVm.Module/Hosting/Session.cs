using System.Management.Automation.Runspaces;
using System.Runtime.CompilerServices;
using PsVm.Module.Output;

namespace PsVm.Module.Hosting;

/// <summary>What one session (runspace) has been told of what happened in the host while nobody of it was looking.</summary>
internal sealed class Session
{
    private static readonly ConditionalWeakTable<Runspace, Session> s_sessions = [];

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

    /// <summary>Writes what has happened since the last call to the verbose stream, also what happened between two cmdlets.</summary>
    /// <param name="host">The host attended to.</param>
    /// <param name="output">The output.</param>
    /// <param name="since">When the cmdlet began: what happened before has its time written with it.</param>
    public void WriteLog(IGuestHost host, ICmdletOutput output, DateTimeOffset since)
    {
        HostEvents log;
        lock (_gate)
        {
            log = host.ReadEvents(_position);
            _position = log.NextPosition;
        }

        foreach (HostEvent happened in log.Events)
        {
            output.WriteVerbose(
                happened.Time < since ? $"{happened.Time.ToLocalTime():HH:mm:ss} {happened.Message}" : happened.Message);
        }
    }

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
                isNews = guest.State == GuestState.Failed && _told.Add(guest.Id);
            }

            if (isNews)
            {
                string id = guest.Failure?.Id ?? GuestErrorIds.GuestFailed;
                output.WriteWarning($"[{id}] Guest '{guest.Name}' failed at {guest.EndedAt?.ToLocalTime():yyyy-MM-dd HH:mm:ss}: {guest.StopReason}");
            }
        }
    }

    /// <summary>Warns of those of the named guests that are there and have failed.</summary>
    public void WarnOfFailures(
        IEnumerable<GuestReference> guests, IGuestHost host, ICmdletOutput output, CancellationToken cancellation)
    {
        List<GuestInfo> found = [];
        foreach (GuestReference guest in guests)
        {
            try
            {
                found.Add(host.Get(guest, cancellation));
            }
            catch (GuestException)
            {
                // Whoever acts on it says so.
            }
        }

        WarnOfFailures(found, output);
    }
}
