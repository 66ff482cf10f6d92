using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.Pools;

/// <summary>Finds the pools that operators mean.</summary>
internal static class PoolSelection
{
    /// <summary>
    /// The pools that are meant, each once, in the order in which they are named; those of a pattern in the order in which they were made.
    /// </summary>
    /// <param name="wanted">Names or patterns.</param>
    /// <param name="pools">Where the pools are.</param>
    /// <param name="output">An error goes there for each name that no pool has; a pattern may match none.</param>
    /// <param name="cancellation">Gives up.</param>
    public static IReadOnlyList<GuestPool> Find(
        IEnumerable<string> wanted, IGuestPools pools, ICmdletOutput output, CancellationToken cancellation)
    {
        OrderedDictionary<string, GuestPool> found = new(StringComparer.OrdinalIgnoreCase);
        CmdletWorks.ForEach(wanted, output, name =>
        {
            IEnumerable<GuestPool> matching = NamePattern.IsPattern(name)
                ? pools.List(cancellation).Where(pool => NamePattern.Matches(name, pool.Name))
                : [pools.Get(name, cancellation)];
            foreach (GuestPool pool in matching)
            {
                found.TryAdd(pool.Name, pool);
            }
        }, cancellation);
        return [.. found.Values];
    }
}
