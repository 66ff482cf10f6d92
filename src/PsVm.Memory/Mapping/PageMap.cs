using System.Buffers;
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
    public static long PrivateBytes(nint address, long length, CancellationToken cancellation = default)
    {
        long pages = 0;
        Read(address, length, (entries, _) =>
        {
            cancellation.ThrowIfCancellationRequested();
            foreach (var entry in entries)
            {
                pages += IsPrivate(entry) ? 1 : 0;
            }
        });
        return pages * Environment.SystemPageSize;
    }

    /// <summary>
    /// Ranges of a block whose content is in no file: in memory or swap, shared with other mappings (by fork, KSM, or as the zero page) or
    /// not.
    /// </summary>
    public static List<PageRange> PrivateRanges(nint block, long offset, long length, CancellationToken cancellation) => Ranges(
        block, offset, length, entry => (entry & FileOrShared) == 0 && (entry & (Present | Swapped)) != 0, cancellation);

    /// <summary>Ranges of a block that this mapping has pages of, a file's or its own.</summary>
    public static List<PageRange> TouchedRanges(nint block, long length, CancellationToken cancellation) =>
        Ranges(block, 0, length, entry => (entry & (Present | Swapped)) != 0, cancellation);

    /// <summary>
    /// Which pages, by their addresses, are in memory as those of a file: a private mapping that has written one has a copy.
    /// </summary>
    public static bool[] AreFiles(ReadOnlySpan<nint> pages)
    {
        var are = new bool[pages.Length];
        try
        {
            using var pageMap = File.OpenHandle("/proc/self/pagemap", share: FileShare.ReadWrite);
            ulong entry = 0;
            for (var i = 0; i < pages.Length; i++)
            {
                var read = RandomAccess.Read(
                    pageMap, MemoryMarshal.AsBytes(new Span<ulong>(ref entry)), pages[i] / Environment.SystemPageSize * sizeof(ulong));
                are[i] = read == sizeof(ulong) && (entry & (Present | FileOrShared)) == (Present | FileOrShared);
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            Array.Clear(are);
        }

        return are;
    }

    private static List<PageRange> Ranges(nint block, long offset, long length, Func<ulong, bool> isWanted, CancellationToken cancellation)
    {
        var pageSize = Environment.SystemPageSize;
        var ranges = new List<PageRange>();
        long start = -1;
        Read(block + (nint)offset, length, (entries, first) =>
        {
            cancellation.ThrowIfCancellationRequested();
            for (var i = 0; i < entries.Length; i++)
            {
                var wanted = isWanted(entries[i]);
                var position = offset + ((first + i) * pageSize);
                if (wanted && start < 0)
                {
                    start = position;
                }
                else if (!wanted && start >= 0)
                {
                    ranges.Add(new(start, position - start));
                    start = -1;
                }
            }
        });
        if (start >= 0)
        {
            ranges.Add(new(start, offset + length - start));
        }

        return ranges;
    }

    /// <summary>What the pages of a range are, by cells of one size; the last cell may be smaller.</summary>
    /// <param name="address">First byte; a multiple of the page size.</param>
    /// <param name="length">Bytes; a multiple of the page size.</param>
    /// <param name="cellSize">Bytes of a cell; a multiple of the page size.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>Bytes of each cell in memory that a file or another mapping has too, and bytes that only this mapping has.</returns>
    public static (long Shared, long Own)[] Cells(nint address, long length, long cellSize, CancellationToken cancellation)
    {
        var pageSize = Environment.SystemPageSize;
        var pagesInCell = cellSize / pageSize;
        var cells = new (long Shared, long Own)[(length + cellSize - 1) / cellSize];
        Read(address, length, (entries, first) =>
        {
            cancellation.ThrowIfCancellationRequested();
            for (var i = 0; i < entries.Length; i++)
            {
                ref var cell = ref cells[(first + i) / pagesInCell];
                if (IsPrivate(entries[i]))
                {
                    cell.Own += pageSize;
                }
                else if ((entries[i] & FileOrShared) != 0 && (entries[i] & (Present | Swapped)) != 0)
                {
                    cell.Shared += pageSize;
                }
            }
        });
        return cells;
    }

    /// <summary>Reads the entries of a range, piece by piece.</summary>
    /// <param name="address">First byte; a multiple of the page size.</param>
    /// <param name="length">Bytes; a multiple of the page size.</param>
    /// <param name="take">Takes entries and the number of the first one, counted from the range's first page.</param>
    private static void Read(nint address, long length, Action<ReadOnlySpan<ulong>, long> take)
    {
        var pageSize = Environment.SystemPageSize;
        using var pageMap = File.OpenHandle("/proc/self/pagemap", share: FileShare.ReadWrite);

        // Rented: discards count their pages, too, and there may be many of them.
        var entries = ArrayPool<ulong>.Shared.Rent((int)Math.Min(8192, length / pageSize));
        try
        {
            for (long done = 0, total = length / pageSize; done < total;)
            {
                var chunk = MemoryMarshal.AsBytes(entries.AsSpan(0, (int)Math.Min(entries.Length, total - done)));
                var read = RandomAccess.Read(pageMap, chunk, ((address / pageSize) + done) * sizeof(ulong)) / sizeof(ulong);
                if (read == 0)
                {
                    throw new IOException($"/proc/self/pagemap ends at page {done} of {total}");
                }

                take(entries.AsSpan(0, read), done);
                done += read;
            }
        }
        finally
        {
            ArrayPool<ulong>.Shared.Return(entries);
        }
    }

    // The shared zero page is present, but not exclusive.
    private static bool IsPrivate(ulong entry) =>
        (entry & FileOrShared) == 0 && ((entry & Swapped) != 0 || (entry & (Present | Exclusive)) == (Present | Exclusive));
}
