using PsVm.Memory.Native;

namespace PsVm.Memory.Mapping;

/// <summary>
/// Asks the kernel for ranges of pages by their kind: it skips what no page table covers, so it costs what is in memory, not what is mapped.
/// </summary>
/// <remarks>Source: Documentation/admin-guide/mm/pagemap, "PAGEMAP_SCAN"; Linux 6.7.</remarks>
internal static class PageScan
{
    private const ulong FilePage = 1 << 2, PresentPage = 1 << 3, SwappedPage = 1 << 4, ZeroPage = 1 << 5;

    /// <summary>Bytes of a range that are in memory or swap and belong to no file; the shared page of zeros does not count.</summary>
    /// <returns>Null: this kernel cannot tell.</returns>
    public static unsafe long? AnonymousBytes(nint address, long length)
    {
        using var pageMap = File.OpenHandle("/proc/self/pagemap", share: FileShare.ReadWrite);
        Span<LibC.PageRegion> regions = stackalloc LibC.PageRegion[256];
        var end = (ulong)(address + (nint)length);
        long bytes = 0;
        fixed (LibC.PageRegion* vector = regions)
        {
            // Wanted are pages with none of the inverted categories and any of the others.
            var scan = new LibC.PageScanArguments
            {
                Size = (ulong)sizeof(LibC.PageScanArguments),
                Start = (ulong)address,
                End = end,
                Vector = (ulong)vector,
                VectorLength = (ulong)regions.Length,
                Inverted = FilePage | ZeroPage,
                AllOf = FilePage | ZeroPage,
                AnyOf = PresentPage | SwappedPage,
                Returned = PresentPage | SwappedPage,
            };
            while (scan.Start < end)
            {
                var found = LibC.PageMapScan((int)pageMap.DangerousGetHandle(), LibC.PagemapScanRequest, ref scan);
                if (found < 0)
                {
                    return null;
                }

                foreach (var region in regions[..found])
                {
                    bytes += (long)(region.End - region.Start);
                }

                scan.Start = scan.WalkEnd;
            }
        }

        return bytes;
    }
}
