using PsVm.Memory.Mapping;

namespace PsVm.Memory.Mapping;

/// <summary>
/// What the kernel says of all mappings of this process at one moment (/proc/self/smaps). Reading it visits every page table entry of the
/// process: read it once to measure many backends.
/// </summary>
public sealed class ProcessMappings
{
    private const string Path = "/proc/self/smaps";

    private readonly List<KernelMapping> _mappings;

    internal ProcessMappings(IEnumerable<string> smaps) => _mappings = [.. MappingUsage.Parse(smaps)];

    /// <summary>Reads it.</summary>
    /// <param name="cancellation">Gives up.</param>
    public static ProcessMappings Read(CancellationToken cancellation = default) => new(ReadLines(cancellation));

    /// <summary>The kernel's lines, each as it is asked for.</summary>
    internal static IEnumerable<string> ReadLines(CancellationToken cancellation)
    {
        foreach (string line in File.ReadLines(Path))
        {
            cancellation.ThrowIfCancellationRequested();
            yield return line;
        }
    }

    internal (long Resident, long Anonymous) Sum(ulong start, ulong end)
    {
        var low = 0;
        for (var high = _mappings.Count; low < high;)
        {
            var middle = (low + high) / 2;
            (low, high) = _mappings[middle].Start < start ? (middle + 1, high) : (low, middle);
        }

        var count = _mappings.FindIndex(low, mapping => mapping.Start >= end) is var after and >= 0 ? after - low : _mappings.Count - low;
        return MappingUsage.Sum(_mappings.GetRange(low, count), start, end);
    }
}

/// <summary>A mapping of this process.</summary>
/// <param name="Start">First byte.</param>
/// <param name="End">One past the last byte.</param>
/// <param name="Resident">Bytes in memory.</param>
/// <param name="Anonymous">Those of them that belong to no file.</param>
internal readonly record struct KernelMapping(ulong Start, ulong End, long Resident, long Anonymous);
