using System.Globalization;
using PsVm.Memory.Options;

namespace PsVm.Memory.Mapping;

/// <summary>Whether the kernel would find address space and memory for a mapping, from what it publishes.</summary>
internal static class HostMemory
{
    private const int OvercommitAlways = 1;
    private const int OvercommitNever = 2;

    /// <summary>
    /// Why touching the memory would end with the kernel killing a process or a guest; null when it would not. The mapping itself may well
    /// succeed, so this is checked before it.
    /// </summary>
    public static BackendError? CheckPrealloc(BackendDecision plan) => CheckPrealloc(plan, new CgroupLimits());

    /// <inheritdoc cref="CheckPrealloc(BackendDecision)"/>
    internal static BackendError? CheckPrealloc(BackendDecision plan, CgroupLimits limits)
    {
        if (plan.HugeTlb)
        {
            // Pages that a shared file has already are charged already.
            var wanted = plan.Options.Size - (plan.Options.Share ? Math.Min(plan.Seen!.AllocatedBytes, plan.Options.Size) : 0);
            return limits.HugePages(plan.PageSize) is { } left && wanted > left.Bytes ? NotEnoughHugePagesIn(plan, wanted, left) : null;
        }

        // What only fills the page cache takes no memory from anybody.
        var takesMemory = (plan.Prealloc, plan.MappingKind) switch
        {
            (PreallocMode.None, _) => false,
            (PreallocMode.Write, MappingKind.PrivateFile) => true,
            _ => plan.Kind != BackendKind.File || plan.FileSystem!.IsInMemory,
        };
        if (!takesMemory)
        {
            return null;
        }

        var info = ReadMemInfo();
        var available = info["MemAvailable"] + info["SwapFree"];
        if (plan.Options.Size > available)
        {
            return new(
                MemoryErrorIds.NotEnoughMemory,
                $"Prealloc takes {plan.Options.Size} bytes of memory at once; the host has {available} bytes available.",
                "Use a smaller Size, or leave out Prealloc.");
        }

        return limits.Memory() is { } room && plan.Options.Size > room.Bytes
            ? new(
                MemoryErrorIds.NotEnoughMemory,
                $"Prealloc takes {plan.Options.Size} bytes of memory at once; the limit of this process's control group leaves "
                    + $"{Math.Max(0, room.Bytes)} bytes ({room.File}).",
                "Use a smaller Size, leave out Prealloc, or raise the limit.")
            : null;
    }

    /// <summary>Why the mapping would fail; null when it would not.</summary>
    public static BackendError? Foretell(OpenedBackend plan)
    {
        var reservation = RamMapping.ReservationFor(plan);
        if (LargestGap() < reservation)
        {
            return AddressSpaceExhausted(reservation);
        }

        if (plan.HugeTlb)
        {
            // Pages that a shared file has already need no reservation.
            var allocated = plan.Options.Share && !plan.Created ? plan.Facts!.AllocatedBytes : 0;
            var needed = Math.Max(0, plan.Options.Size - allocated) / plan.PageSize;
            return HugePagesAvailable(plan.PageSize) < needed ? NotEnoughHugePages(plan.Options.Size, plan.PageSize, plan.Path!) : null;
        }

        // Only memory that may come to be private, or anonymous, counts against the commit limit.
        var isCommitted = !plan.Options.ReadOnly && (!plan.Options.Share || plan.Kind == BackendKind.Anonymous);
        return isCommitted && Committable(plan.NoReserve) is { } committable && committable < plan.Options.Size
            ? NotEnoughMemory(plan.Options.Size)
            : null;
    }

    public static BackendError AddressSpaceExhausted(long length) => new(
        MemoryErrorIds.AddressSpaceExhausted,
        $"The mapping needs {length} bytes of address space in one piece; the largest free piece of this process has {LargestGap()} bytes.",
        "Use a smaller Size.");

    public static BackendError NotEnoughHugePages(long size, long pageSize, string path) => new(
        MemoryErrorIds.NotEnoughHugePages,
        $"The mapping of '{path}' reserves {size / pageSize} huge pages ({size} bytes); "
            + $"{HugePagesAvailable(pageSize)} ({HugePagesAvailable(pageSize) * pageSize} bytes) are free.",
        $"Raise /sys/kernel/mm/hugepages/hugepages-{pageSize / 1024}kB/nr_hugepages.");

    private static BackendError NotEnoughHugePagesIn(BackendDecision plan, long wanted, CgroupHeadroom left) => new(
        MemoryErrorIds.NotEnoughHugePages,
        $"The mapping of '{plan.Path}' takes {wanted} bytes of huge pages; the limit of this process's control group leaves "
            + $"{Math.Max(0, left.Bytes)} bytes ({left.File}).",
        "Use a smaller Size, or raise the limit.");

    public static BackendError NotEnoughMemory(long size)
    {
        var limit = Committable(noReserve: false) is { } bytes ? $"commits at most {bytes} bytes" : "has no memory for it";
        return new(
            MemoryErrorIds.NotEnoughMemory, $"The mapping asks for {size} bytes; the host {limit}.", "Use a smaller Size, or turn Reserve off.");
    }

    /// <summary>Bytes that one mapping may commit (Documentation/mm/overcommit-accounting); null: any number.</summary>
    private static long? Committable(bool noReserve)
    {
        var mode = (int)ReadNumber("/proc/sys/vm/overcommit_memory");
        if (mode == OvercommitAlways || (mode != OvercommitNever && noReserve))
        {
            return null;
        }

        var info = ReadMemInfo();
        return mode == OvercommitNever ? info["CommitLimit"] - info["Committed_AS"] : info["MemTotal"] + info["SwapTotal"];
    }

    /// <summary>Bytes of the largest range in which this process has nothing mapped.</summary>
    private static long LargestGap()
    {
        long largest = 0, end = 0;
        foreach (var line in File.ReadLines("/proc/self/maps"))
        {
            var range = line[..line.IndexOf(' ', StringComparison.Ordinal)].Split('-');
            if (!long.TryParse(range[0], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var start) || start < 0)
            {
                break; // vsyscall, in the kernel's half
            }

            largest = Math.Max(largest, start - end);
            end = long.Parse(range[1], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        }

        return Math.Max(largest, OptionChecks.AddressSpace - end);
    }

    private static long HugePagesAvailable(long pageSize)
    {
        var pool = $"/sys/kernel/mm/hugepages/hugepages-{pageSize / 1024}kB";
        long Read(string name) => ReadNumber(Path.Combine(pool, name));
        return Read("free_hugepages") - Read("resv_hugepages") + Math.Max(0, Read("nr_overcommit_hugepages") - Read("surplus_hugepages"));
    }

    private static Dictionary<string, long> ReadMemInfo() => File.ReadLines("/proc/meminfo")
        .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        .ToDictionary(words => words[0].TrimEnd(':'), words => long.Parse(words[1], CultureInfo.InvariantCulture) * 1024);

    private static long ReadNumber(string path) => long.Parse(File.ReadAllText(path), CultureInfo.InvariantCulture);
}
