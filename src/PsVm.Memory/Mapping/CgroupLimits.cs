using System.Globalization;

namespace PsVm.Memory.Mapping;

/// <summary>What a limit of a control group leaves.</summary>
/// <param name="Bytes">Bytes that can still be had; none when negative.</param>
/// <param name="File">The file that holds the limit.</param>
internal readonly record struct CgroupHeadroom(long Bytes, string File);

/// <summary>The limits of the control groups that a process is in, of version 1 and 2, its own and those above.</summary>
/// <remarks>
/// Sources: the kernel's admin-guide/cgroup-v1/memory.rst and hugetlb.rst, admin-guide/cgroup-v2.rst; cgroups(7), proc_pid_mountinfo(5).
/// </remarks>
/// <param name="root">Where the file system begins; another one in tests.</param>
internal sealed class CgroupLimits(string root = "/")
{
    private const string Version1 = "cgroup", Version2 = "cgroup2";

    /// <summary>The least that a limit of memory leaves; null: there is no limit.</summary>
    /// <remarks>Page cache that has not been used lately counts as free, as it does in MemAvailable.</remarks>
    public CgroupHeadroom? Memory() => Least(
        "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"), ("memory.max", "memory.current", "inactive_file"));

    /// <summary>The least that a limit of huge pages, or of their reservations, leaves; null: there is no limit.</summary>
    /// <param name="pageSize">Bytes of a huge page.</param>
    public CgroupHeadroom? HugePages(long pageSize)
    {
        string size = pageSize >= 1 << 30 ? $"{pageSize >> 30}GB" : pageSize >= 1 << 20 ? $"{pageSize >> 20}MB" : $"{pageSize >> 10}KB";
        CgroupHeadroom? pages = Least(
            "hugetlb",
            ($"hugetlb.{size}.limit_in_bytes", $"hugetlb.{size}.usage_in_bytes", null),
            ($"hugetlb.{size}.max", $"hugetlb.{size}.current", null));
        CgroupHeadroom? reserved = Least(
            "hugetlb",
            ($"hugetlb.{size}.rsvd.limit_in_bytes", $"hugetlb.{size}.rsvd.usage_in_bytes", null),
            ($"hugetlb.{size}.rsvd.max", $"hugetlb.{size}.rsvd.current", null));
        return Lesser(pages, reserved);
    }

    private static CgroupHeadroom? Lesser(CgroupHeadroom? left, CgroupHeadroom? right) =>
        left is null || right?.Bytes < left.Value.Bytes ? right ?? left : left;

    private CgroupHeadroom? Least(
        string controller, (string Limit, string Usage, string? Cache) version1, (string Limit, string Usage, string? Cache) version2)
    {
        CgroupHeadroom? least = null;
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
                least = Lesser(least, Headroom(folder, isVersion2 ? version2 : version1));
            }
        }

        return least;
    }

    private CgroupHeadroom? Headroom(string folder, (string Limit, string Usage, string? Cache) files)
    {
        const long unlimited = long.MaxValue >> 3; // version 1 writes it as a number near the largest
        string file = Path.Combine(folder, files.Limit);
        if (ReadNumber(file) is not { } limit || limit > unlimited || ReadNumber(Path.Combine(folder, files.Usage)) is not { } usage)
        {
            return null;
        }

        long cache = files.Cache is null ? 0 : ReadLines(Path.Combine(folder, "memory.stat"))
            .Where(line => line.StartsWith(files.Cache + " ", StringComparison.Ordinal))
            .Select(line => Number(line[(files.Cache.Length + 1)..]) ?? 0).FirstOrDefault();
        return new CgroupHeadroom(limit - usage + cache, "/" + file);
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
