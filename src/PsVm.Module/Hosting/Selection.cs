using PsVm.Module.Output;

namespace PsVm.Module.Hosting;

/// <summary>Finds what operators mean by names, ids, patterns and objects. The same for all cmdlets.</summary>
internal static class Selection
{
    /// <summary>
    /// The guests that are meant, each once, in the order in which they are named; those of a pattern in the order of their start.
    /// </summary>
    /// <param name="wanted">Names, patterns, or certain guests.</param>
    /// <param name="host">Where the guests live.</param>
    /// <param name="output">An error goes there for each name that no guest has; a pattern may match none.</param>
    /// <param name="cancellation">Gives up.</param>
    public static IReadOnlyList<GuestInfo> Guests(
        IEnumerable<GuestReference> wanted, IGuestHost host, ICmdletOutput output, CancellationToken cancellation)
    {
        OrderedDictionary<Guid, GuestInfo> found = [];
        CmdletWorks.ForEach(wanted, output, guest =>
        {
            IEnumerable<GuestInfo> matching = guest.Id is null && NamePattern.IsPattern(guest.Name)
                ? host.List(cancellation).Where(info => NamePattern.Matches(guest.Name, info.Name))
                : [host.Get(guest, cancellation)];
            foreach (GuestInfo info in matching)
            {
                found.TryAdd(info.Id, info);
            }
        }, cancellation);
        return [.. found.Values];
    }

    /// <summary>
    /// Work on the guests that are meant; the operator is told first of names that none has, and of guests that have failed.
    /// </summary>
    /// <remarks>Call it on the pipeline thread.</remarks>
    public static CmdletWork OnGuests(
        IReadOnlyList<GuestReference> wanted, Action<IReadOnlyList<GuestReference>, IGuestHost, ICmdletOutput, CancellationToken> run)
    {
        Session session = Session.Current;
        IGuestHost host = ModuleServices.Guests;
        return (output, cancellation) =>
        {
            IReadOnlyList<GuestInfo> found = Guests(wanted, host, output, cancellation);
            session.WarnOfFailures(found, output);
            if (found.Count > 0)
            {
                run([.. found.Select(guest => guest.Reference)], host, output, cancellation);
            }
        };
    }

    /// <summary>
    /// The backends that are meant, each once, in the order in which they are named; those of a pattern in the order they were made.
    /// </summary>
    /// <param name="wanted">Ids, ids with a guest's name before them, patterns of either, or certain backends.</param>
    /// <param name="host">Where the backends are.</param>
    /// <param name="output">An error goes there for each id that no backend has; a pattern may match none.</param>
    /// <param name="cancellation">Gives up.</param>
    public static IReadOnlyList<MemoryBackendInfo> Backends(
        IEnumerable<BackendReference> wanted, IMemoryHost host, ICmdletOutput output, CancellationToken cancellation)
    {
        OrderedDictionary<Guid, MemoryBackendInfo> found = [];
        CmdletWorks.ForEach(wanted, output, backend =>
        {
            IReadOnlyList<MemoryBackendInfo> matching = backend.InstanceId is null && NamePattern.IsPattern(backend.Id)
                ? [.. host.List(cancellation).Where(info => Matches(backend.Id, info))]
                : [host.Get(backend, cancellation)];
            foreach (MemoryBackendInfo info in matching)
            {
                found.TryAdd(info.InstanceId, info);
            }
        }, cancellation);
        return [.. found.Values];
    }

    /// <summary>The backends that are meant, as <see cref="Backends"/> finds them.</summary>
    public static IEnumerable<BackendReference> References(
        IEnumerable<BackendReference> wanted, IMemoryHost host, ICmdletOutput output, CancellationToken cancellation) =>
        Backends(wanted, host, output, cancellation).Select(backend => backend.Reference);

    // An id may hold a bracket: the one that has it is meant as well.
    private static bool Matches(string pattern, MemoryBackendInfo backend) =>
        NamePattern.Matches(pattern, backend.Id)
        || NamePattern.Matches(pattern, backend.QualifiedId)
        || backend.Id.Equals(pattern, StringComparison.OrdinalIgnoreCase);
}
