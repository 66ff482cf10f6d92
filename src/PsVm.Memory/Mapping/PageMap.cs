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
                // The shared zero page is present, but not exclusive.
                var isPrivate = (entry & FileOrShared) == 0 && ((entry & Swapped) != 0 || (entry & (Present | Exclusive)) == (Present | Exclusive));
                pages += isPrivate ? 1 : 0;
            }

            done += read;
        }

        return pages * pageSize;
    }
}
