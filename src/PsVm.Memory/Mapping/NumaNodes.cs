using System.Globalization;
using PsVm.Memory.Native;

namespace PsVm.Memory.Mapping;

/// <summary>Places a mapping's pages on host NUMA nodes.</summary>
internal static class NumaNodes
{
    private const string OnlineNodes = "/sys/devices/system/node/online";

    // MPOL_MF_STRICT | MPOL_MF_MOVE: fail rather than leave a page elsewhere.
    private const uint StrictAndMove = 3;

    /// <summary>Why the nodes cannot be used; null when each is online.</summary>
    public static BackendError? MissingFrom(IReadOnlyList<int> nodes)
    {
        if (nodes.Count == 0)
        {
            return null;
        }

        // A kernel without NUMA has one node and no list.
        var online = ParseList(File.Exists(OnlineNodes) ? File.ReadAllText(OnlineNodes) : "0");
        var missing = nodes.Where(n => !online.Contains(n)).ToList();
        return missing.Count == 0 ? null : new(
            MemoryErrorIds.HostNodeNotOnline,
            $"HostNodes names {string.Join(", ", missing)}; this host has {string.Join(", ", online)}.",
            null);
    }

    /// <summary>Applies a policy to a range; nothing to do for Default.</summary>
    public static BackendError? Bind(nint address, long length, NumaPolicy policy, IReadOnlyList<int> nodes)
    {
        if (policy == NumaPolicy.Default)
        {
            return null;
        }

        var mask = new ulong[(nodes.Max() / 64) + 1];
        foreach (var node in nodes)
        {
            mask[node / 64] |= 1UL << (node % 64);
        }

        var error = Errors.Of(LibC.Mbind(address, (nuint)length, ModeOf(policy), mask, StrictAndMove));
        return error == 0 ? null : new(
            MemoryErrorIds.NumaBindFailed,
            $"{ByteSize.ToExactText(length)} cannot be placed by NumaPolicy {policy} on nodes {string.Join(", ", nodes)}: "
                + $"{Errors.Describe(error)}.",
            null);
    }

    // MPOL_PREFERRED, MPOL_BIND, MPOL_INTERLEAVE.
    private static int ModeOf(NumaPolicy policy) => policy switch
    {
        NumaPolicy.Preferred => 1,
        NumaPolicy.Bind => 2,
        _ => 3,
    };

    /// <summary>Reads the kernel's form of a set of numbers, such as <c>0-2,5</c>.</summary>
    internal static SortedSet<int> ParseList(string list)
    {
        var numbers = new SortedSet<int>();
        foreach (var range in list.Trim().Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            var ends = range.Split('-');
            var first = int.Parse(ends[0], CultureInfo.InvariantCulture);
            var last = int.Parse(ends[^1], CultureInfo.InvariantCulture);
            numbers.UnionWith(Enumerable.Range(first, last - first + 1));
        }

        return numbers;
    }
}
