using System.Globalization;

namespace PsVm.Memory.Mapping;

/// <summary>What a limit of a control group leaves.</summary>
/// <param name="Bytes">Bytes that can still be had; none when negative.</param>
/// <param name="File">The file that holds the limit.</param>
internal readonly record struct CgroupHeadroom(long Bytes, string File);

/// <summary>Names of the files of a limit in a group's folder.</summary>
/// <param name="Limit">Holds the limit.</param>
/// <param name="Usage">Holds what counts against it.</param>
/// <param name="CachePrefix">
/// Before the names of page cache in <c>memory.stat</c>, children's included; null: there is no such cache.
/// </param>
internal sealed record LimitFiles(string Limit, string Usage, string? CachePrefix);

/// <summary>A limit of a control group.</summary>
/// <param name="Folder">The group's folder, without the leading slash.</param>
/// <param name="Files">Its files there.</param>
internal sealed record CgroupLimit(string Folder, LimitFiles Files);

/// <summary>The limits of the control groups that a process is in, of version 1 and 2, its own and those above.</summary>
/// <remarks>
/// Sources: the kernel's admin-guide/cgroup-v1/memory.rst and hugetlb.rst, admin-guide/cgroup-v2.rst; cgroups(7), proc_pid_mountinfo(5).
/// </remarks>
/// <param name="root">Where the file system begins; another one in tests.</param>
internal sealed class CgroupLimits(string root = "/")
{
    private const string Version1 = "cgroup", Version2 = "cgroup2";

    private static readonly LimitFiles[] s_memory1 = [new("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")];

    // Beyond memory.high nobody is killed, but all of the group stand nearly still.
    private static readonly LimitFiles[] s_memory2 = [new("memory.max", "memory.current", ""), new("memory.high", "memory.current", "")];

    /// <summary>The least that a limit of memory leaves; null: there is no limit.</summary>
    /// <remarks>Page cache counts as free, that in use lately by half, much as it does in MemAvailable.</remarks>
    public CgroupHeadroom? Memory() => Least(MemoryGroups());

    /// <summary>
    /// The groups whose limits of memory count. They change when the process is moved, or a group made above it is given limits.
    /// </summary>
    public IReadOnlyList<CgroupLimit> MemoryGroups() => [.. Limits("memory", s_memory1, s_memory2)];

    /// <summary>The least that some limits leave; null: there is none.</summary>
    /// <param name="limits">The limits.</param>
    /// <param name="enough">
    /// Where more than that is left without page cache, this is not counted: the kernel takes its time to add it up.
    /// </param>
    public CgroupHeadroom? Least(IEnumerable<CgroupLimit> limits, long enough = long.MaxValue) =>
        limits.Aggregate((CgroupHeadroom?)null, (least, limit) => Lesser(least, Headroom(limit, enough)));

    /// <summary>The bytes of a limit; null: it limits nothing.</summary>
    public long? Bytes(CgroupLimit limit)
    {
        const long unlimited = long.MaxValue >> 3; // version 1 writes it as a number near the largest
        return ReadNumber(Path.Combine(limit.Folder, limit.Files.Limit)) is { } bytes && bytes <= unlimited ? bytes : null;
    }

    /// <summary>The least that a limit of huge pages, or of their reservations, leaves; null: there is no limit.</summary>
    /// <param name="pageSize">Bytes of a huge page.</param>
    public CgroupHeadroom? HugePages(long pageSize)
    {
        string size = pageSize >= 1 << 30 ? $"{pageSize >> 30}GB" : pageSize >= 1 << 20 ? $"{pageSize >> 20}MB" : $"{pageSize >> 10}KB";
        return Least(Limits(
            "hugetlb",
            [
                new($"hugetlb.{size}.limit_in_bytes", $"hugetlb.{size}.usage_in_bytes", null),
                new($"hugetlb.{size}.rsvd.limit_in_bytes", $"hugetlb.{size}.rsvd.usage_in_bytes", null),
            ],
            [
                new($"hugetlb.{size}.max", $"hugetlb.{size}.current", null),
                new($"hugetlb.{size}.rsvd.max", $"hugetlb.{size}.rsvd.current", null),
            ]));
    }

    private static CgroupHeadroom? Lesser(CgroupHeadroom? left, CgroupHeadroom? right) =>
        left is null || right?.Bytes < left.Value.Bytes ? right ?? left : left;

    private IEnumerable<CgroupLimit> Limits(string controller, LimitFiles[] version1, LimitFiles[] version2)
    {
        foreach (string line in ReadLines("proc/self/cgroup"))
        {
            // Number, controllers, path; version 2 names no controllers.
            string[] fields = line.Split(':', 3);
            bool isVersion2 = fields is ["0", "", _];
            if (fields.Length != 3 || !(isVersion2 || fields[1].Split(',').Contains(controller)))
            {
                continue;
            }

            foreach (string folder in FoldersUpFrom(fields[2], isVersion2 ? Version2 : Version1, controller))
            {
                foreach (LimitFiles files in isVersion2 ? version2 : version1)
                {
                    yield return new CgroupLimit(folder, files);
                }
            }
        }
    }

    private CgroupHeadroom? Headroom(CgroupLimit limit, long enough)
    {
        if (Bytes(limit) is not { } most || ReadNumber(Path.Combine(limit.Folder, limit.Files.Usage)) is not { } usage)
        {
            return null;
        }

        long left = most - usage;
        long cache = limit.Files.CachePrefix is { } prefix && left <= enough ? Cache(limit.Folder, prefix) : 0;
        return new CgroupHeadroom(left + cache, "/" + Path.Combine(limit.Folder, limit.Files.Limit));
    }

    private long Cache(string folder, string prefix)
    {
        string[] lines = ReadLines(Path.Combine(folder, "memory.stat"));
        return Value("inactive_file") + (Value("active_file") / 2);

        long Value(string name) => lines
            .Where(line => line.StartsWith($"{prefix}{name} ", StringComparison.Ordinal))
            .Select(line => Number(line[(prefix.Length + name.Length + 1)..]) ?? 0).FirstOrDefault();
    }

    /// <summary>The folder of a group and those above it, up to where the hierarchy is mounted; none where it is not.</summary>
    private IEnumerable<string> FoldersUpFrom(string group, string type, string controller)
    {
        foreach (string line in ReadLines("proc/self/mountinfo"))
        {
            // ... root, mount point, options, optional fields, "-", type, source, options of the file system.
            string[] fields = line.Split(' ');
            int separator = Array.IndexOf(fields, "-");
            if (separator < 6 || fields.Length < separator + 4 || fields[separator + 1] != type
                || (type == Version1 && !fields[separator + 3].Split(',').Contains(controller)))
            {
                continue;
            }

            // In a container the mount may show the part of the hierarchy below its own root.
            string mountRoot = fields[3];
            string below = mountRoot != "/" && group.StartsWith(mountRoot, StringComparison.Ordinal) ? group[mountRoot.Length..] : group;
            string[] names = below.Split('/', StringSplitOptions.RemoveEmptyEntries);
            if (names.Contains(".."))
            {
                names = []; // outside of what this process can see
            }

            for (int depth = names.Length; depth >= 0; depth--)
            {
                yield return Path.Combine([fields[4].TrimStart('/'), .. names[..depth]]);
            }

            yield break;
        }
    }

    private string[] ReadLines(string file)
    {
        try
        {
            return File.ReadAllLines(Path.Combine(root, file));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private long? ReadNumber(string file) => ReadLines(file) is [var text, ..] ? Number(text) : null;

    private static long? Number(string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : null;
}
