using System.Globalization;
using PsVm.Memory.Files;
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
    public static BackendError? CheckPrealloc(BackendDecision decision) => CheckPrealloc(decision, new CgroupLimits());

    /// <inheritdoc cref="CheckPrealloc(BackendDecision)"/>
    internal static BackendError? CheckPrealloc(BackendDecision decision, CgroupLimits limits)
    {
        if (decision.HugeTlb)
        {
            // Pages that a shared file has already are charged already.
            MemoryBackendOptions options = decision.Options;
            var wanted = options.Size - (options.Share ? Math.Min(decision.Seen!.AllocatedBytes, options.Size) : 0);
            return limits.HugePages(decision.PageSize) is { } left && wanted > left.Bytes
                ? NotEnoughHugePagesIn(decision, wanted, left)
                : null;
        }

        // What only fills the page cache takes no memory from anybody.
        var takesMemory = (decision.Prealloc, decision.MappingKind) switch
        {
            (PreallocMode.None, _) => false,
            (PreallocMode.Write, MappingKind.PrivateFile) => true,
            _ => decision.Kind != BackendKind.File || decision.FileSystem!.IsInMemory,
        };
        if (!takesMemory)
        {
            return null;
        }

        var info = ReadMemInfo();
        var available = info["MemAvailable"] + info["SwapFree"];
        if (decision.Options.Size > available)
        {
            return new(
                MemoryErrorIds.NotEnoughMemory,
                $"Prealloc takes {ByteSize.ToExactText(decision.Options.Size)} of memory at once; the host has "
                    + $"{ByteSize.ToExactText(available)} available.",
                "Use a smaller Size, or leave out Prealloc.");
        }

        return limits.Memory() is { } room && decision.Options.Size > room.Bytes
            ? new(
                MemoryErrorIds.NotEnoughMemory,
                $"Prealloc takes {ByteSize.ToExactText(decision.Options.Size)} of memory at once; the limit of this process's "
                    + $"control group leaves {ByteSize.ToExactText(Math.Max(0, room.Bytes))} ({room.File}).",
                "Use a smaller Size, leave out Prealloc, or raise the limit.")
            : null;
    }

    /// <summary>Why the mapping would fail; null when it would not.</summary>
    public static BackendError? Foretell(OpenedBackend opened)
    {
        var reservation = RamMapping.ReservationFor(opened);
        if (LargestGap() < reservation)
        {
            return AddressSpaceExhausted(reservation);
        }

        if (opened.Decision.HugeTlb)
        {
            // Pages that a shared file has already need no reservation.
            var allocated = opened.Options.Share && !opened.Created ? opened.Facts!.AllocatedBytes : 0;
            var needed = Math.Max(0, opened.Options.Size - allocated) / opened.Decision.PageSize;
            return HugePagesAvailable(opened.Decision.PageSize) < needed
                ? NotEnoughHugePages(opened.Options.Size, opened.Decision.PageSize, opened.Decision.Path!)
                : null;
        }

        // Only memory that may come to be private, or anonymous, counts against the commit limit.
        var isCommitted = !opened.Options.ReadOnly && (!opened.Options.Share || opened.Decision.Kind == BackendKind.Anonymous);
        return isCommitted && Committable(opened.Decision.NoReserve) is { } committable && committable < opened.Options.Size
            ? NotEnoughMemory(opened.Options.Size)
            : null;
    }

    /// <summary>
    /// Why private mappings of files could not be had so many times: on hugetlbfs each reserves pages for all that it maps. Null: they
    /// could.
    /// </summary>
    /// <param name="files">The files, and bytes of each that are mapped.</param>
    /// <param name="count">How many times.</param>
    public static BackendError? ForetellPrivate(IReadOnlyList<(string Path, long Size)> files, int count)
    {
        var huge = files.Select(file => (file.Path, file.Size, FileFacts.Of(file.Path).FileSystem))
            .Where(file => file.FileSystem?.IsHugeTlb == true);
        foreach (var sameSize in huge.GroupBy(file => file.FileSystem!.PageSize))
        {
            long pageSize = sameSize.Key, each = sameSize.Sum(file => file.Size / pageSize), available = HugePagesAvailable(pageSize);
            if (new CgroupLimits().HugePages(pageSize) is { } left)
            {
                available = Math.Min(available, Math.Max(0, left.Bytes / pageSize));
            }

            if (each * count > available)
            {
                return new(
                    MemoryErrorIds.NotEnoughHugePages,
                    $"{count} private mappings of '{sameSize.First().Path}' reserve {each * count} huge pages "
                        + $"({ByteSize.ToExactText(each * count * pageSize)}), "
                        + $"{each} each; {available} ({ByteSize.ToExactText(available * pageSize)}) are free, enough for "
                        + $"{available / each}.",
                    $"Ask for {available / each} or fewer, or raise /sys/kernel/mm/hugepages/hugepages-{pageSize / 1024}kB/nr_hugepages.");
            }
        }

        return null;
    }

    public static BackendError AddressSpaceExhausted(long length) => new(
        MemoryErrorIds.AddressSpaceExhausted,
        $"The mapping needs {ByteSize.ToExactText(length)} of address space in one piece; the largest free piece of this "
            + $"process has {ByteSize.ToExactText(LargestGap())}.",
        "Use a smaller Size.");

    public static BackendError NotEnoughHugePages(long size, long pageSize, string path) => new(
        MemoryErrorIds.NotEnoughHugePages,
        $"The mapping of '{path}' reserves {size / pageSize} huge pages ({ByteSize.ToExactText(size)}); "
            + $"{HugePagesAvailable(pageSize)} ({ByteSize.ToExactText(HugePagesAvailable(pageSize) * pageSize)}) are free.",
        $"Raise /sys/kernel/mm/hugepages/hugepages-{pageSize / 1024}kB/nr_hugepages.");

    private static BackendError NotEnoughHugePagesIn(BackendDecision decision, long wanted, CgroupHeadroom left) => new(
        MemoryErrorIds.NotEnoughHugePages,
        $"The mapping of '{decision.Path}' takes {ByteSize.ToExactText(wanted)} of huge pages; the limit of this process's control "
            + $"group leaves {ByteSize.ToExactText(Math.Max(0, left.Bytes))} ({left.File}).",
        "Use a smaller Size, or raise the limit.");

    public static BackendError NotEnoughMemory(long size)
    {
        var limit = Committable(noReserve: false) is { } bytes ? $"commits at most {ByteSize.ToExactText(bytes)}" : "has no memory for it";
        return new(
            MemoryErrorIds.NotEnoughMemory, $"The mapping asks for {ByteSize.ToExactText(size)}; the host {limit}.",
            "Use a smaller Size, or turn Reserve off.");
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
