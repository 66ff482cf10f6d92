using System.Globalization;

namespace PsVm.Benchmarks;

/// <summary>What this process takes of the host, in bytes where nothing else is said.</summary>
/// <param name="Own">Memory that only it has (Anonymous of /proc/self/smaps_rollup).</param>
/// <param name="Managed">What .NET's objects take of that.</param>
/// <param name="Committed">What .NET's heaps take, with the room in them.</param>
/// <param name="PageTables">The kernel's page tables of it (VmPTE of /proc/self/status), which nothing else counts.</param>
/// <param name="Mappings">Number of mappings.</param>
/// <param name="Descriptors">Number of open files.</param>
/// <param name="Threads">Number of threads.</param>
internal sealed record ProcessCosts(long Own, long Managed, long Committed, long PageTables, int Mappings, int Descriptors, int Threads)
{
    /// <summary>Reads them, once garbage is collected and given back.</summary>
    public static ProcessCosts Read()
    {
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        return new ProcessCosts(
            KibOf("/proc/self/smaps_rollup", "Anonymous:"),
            GC.GetTotalMemory(forceFullCollection: false),
            GC.GetGCMemoryInfo().TotalCommittedBytes,
            KibOf("/proc/self/status", "VmPTE:"),
            File.ReadLines("/proc/self/maps").Count(),
            Directory.GetFiles("/proc/self/fd").Length,
            Directory.GetDirectories("/proc/self/task").Length);
    }

    private static long KibOf(string file, string field)
    {
        string line = File.ReadLines(file).First(line => line.StartsWith(field, StringComparison.Ordinal));
        return long.Parse(line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) << 10;
    }
}
