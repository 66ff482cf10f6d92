using System.Runtime.InteropServices;

namespace PsVm.Memory.Mapping;

/// <summary>Reads the kernel's page map of this process (Documentation/admin-guide/mm/pagemap).</summary>
internal static class PageMap
{
    private const ulong Present = 1UL << 63;
    private const ulong Swapped = 1UL << 62;
    private const ulong FileOrShared = 1UL << 61;
    private const ulong Exclusive = 1UL << 56;

    /// <summary>Bytes of a range that only this mapping holds, in memory or swap: what dropping the range gives back.</summary>
    public static long PrivateBytes(nint address, long length)
    {
        var pageSize = Environment.SystemPageSize;
        using var pageMap = File.OpenHandle("/proc/self/pagemap", share: FileShare.ReadWrite);
        Span<ulong> entries = stackalloc ulong[1024];
        long pages = 0;
        for (long done = 0, total = length / pageSize; done < total;)
        {
            var chunk = MemoryMarshal.AsBytes(entries[..(int)Math.Min(entries.Length, total - done)]);
            var read = RandomAccess.Read(pageMap, chunk, ((address / pageSize) + done) * sizeof(ulong)) / sizeof(ulong);
            if (read == 0)
            {
                break;
            }

            foreach (var entry in entries[..read])
            {
                pages += IsPrivate(entry) ? 1 : 0;
            }

            done += read;
        }

        return pages * pageSize;
    }

    /// <summary>
    /// Ranges of a block whose content is in no file: in memory or swap, shared with other mappings (by fork, KSM, or as the zero page) or not.
    /// </summary>
    public static List<PageRange> PrivateRanges(nint block, long offset, long length, CancellationToken cancellation)
    {
        var pageSize = Environment.SystemPageSize;
        using var pageMap = File.OpenHandle("/proc/self/pagemap", share: FileShare.ReadWrite);
        var entries = new ulong[8192];
        var ranges = new List<PageRange>();
        long start = -1;
        for (long done = 0, total = length / pageSize; done < total;)
        {
            cancellation.ThrowIfCancellationRequested();
            var chunk = MemoryMarshal.AsBytes(entries.AsSpan(0, (int)Math.Min(entries.Length, total - done)));
            var read = RandomAccess.Read(pageMap, chunk, (((block + (nint)offset) / pageSize) + done) * sizeof(ulong)) / sizeof(ulong);
            if (read == 0)
            {
                throw new IOException($"/proc/self/pagemap ends at page {done} of {total}");
            }

            for (var i = 0; i < read; i++)
            {
                var isPrivate = (entries[i] & FileOrShared) == 0 && (entries[i] & (Present | Swapped)) != 0;
                var position = offset + ((done + i) * pageSize);
                if (isPrivate && start < 0)
                {
                    start = position;
                }
                else if (!isPrivate && start >= 0)
                {
                    ranges.Add(new(start, position - start));
                    start = -1;
                }
            }

            done += read;
        }

        if (start >= 0)
        {
            ranges.Add(new(start, offset + length - start));
        }

        return ranges;
    }

    // The shared zero page is present, but not exclusive.
    private static bool IsPrivate(ulong entry) =>
        (entry & FileOrShared) == 0 && ((entry & Swapped) != 0 || (entry & (Present | Exclusive)) == (Present | Exclusive));
}
