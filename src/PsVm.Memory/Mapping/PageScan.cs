using Microsoft.Win32.SafeHandles;
using PsVm.Memory.Native;

namespace PsVm.Memory.Mapping;

/// <summary>
/// Asks the kernel for ranges of pages by their kind: it skips what no page table covers, so it costs what is in memory, not what is
/// mapped.
/// </summary>
/// <remarks>Source: Documentation/admin-guide/mm/pagemap, "PAGEMAP_SCAN"; Linux 6.7.</remarks>
internal static class PageScan
{
    private const ulong FilePage = 1 << 2, PresentPage = 1 << 3, SwappedPage = 1 << 4, ZeroPage = 1 << 5;

    private static readonly Lazy<SafeFileHandle> s_pageMap = new(() => File.OpenHandle("/proc/self/pagemap", share: FileShare.ReadWrite));

    /// <summary>Is given ranges of pages, in order, and returns whether to go on.</summary>
    public delegate bool Visitor(ReadOnlySpan<LibC.PageRegion> ranges);

    /// <summary>Bytes of a range that are in memory or swap and belong to no file; the shared page of zeros does not count.</summary>
    /// <returns>Null: this kernel cannot tell.</returns>
    public static long? AnonymousBytes(nint address, long length, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        long bytes = 0;
        bool isKnown = Visit(address, length, FilePage | ZeroPage, Count);
        return isKnown ? bytes : null;

        bool Count(ReadOnlySpan<LibC.PageRegion> ranges)
        {
            cancellation.ThrowIfCancellationRequested();
            foreach (LibC.PageRegion range in ranges)
            {
                bytes += (long)(range.End - range.Start);
            }

            return true;
        }
    }

    /// <summary>Shows the pages of a range that are in memory or swap and belong to no file, the shared page of zeros among them.</summary>
    /// <returns>False: this kernel cannot tell, or the visitor has had enough.</returns>
    public static bool VisitAnonymous(nint address, long length, Visitor visit) => Visit(address, length, FilePage, visit);

    /// <summary>
    /// Ranges of a block that this mapping has pages of, a file's or its own: those that were touched, and what the kernel mapped with
    /// them.
    /// </summary>
    /// <returns>Null: this kernel cannot tell.</returns>
    public static List<PageRange>? TouchedRanges(nint address, long length, CancellationToken cancellation = default)
    {
        List<PageRange> touched = [];
        return Visit(address, length, 0, Take) ? touched : null;

        bool Take(ReadOnlySpan<LibC.PageRegion> ranges)
        {
            cancellation.ThrowIfCancellationRequested();
            foreach (LibC.PageRegion range in ranges)
            {
                touched.Add(new((long)(range.Start - (ulong)address), (long)(range.End - range.Start)));
            }

            return true;
        }
    }

    private static unsafe bool Visit(nint address, long length, ulong missing, Visitor visit)
    {
        Span<LibC.PageRegion> regions = stackalloc LibC.PageRegion[256];
        var end = (ulong)(address + (nint)length);
        fixed (LibC.PageRegion* vector = regions)
        {
            var scan = new LibC.PageScanArguments
            {
                Size = (ulong)sizeof(LibC.PageScanArguments),
                Start = (ulong)address,
                End = end,
                Vector = (ulong)vector,
                VectorLength = (ulong)regions.Length,
                Inverted = missing,
                AllOf = missing,
                AnyOf = PresentPage | SwappedPage,
                Returned = PresentPage | SwappedPage,
            };
            while (scan.Start < end)
            {
                var found = LibC.PageMapScan((int)s_pageMap.Value.DangerousGetHandle(), LibC.PagemapScanRequest, ref scan);
                if (found < 0 || (found > 0 && !visit(regions[..found])))
                {
                    return false;
                }

                scan.Start = scan.WalkEnd;
            }
        }

        return true;
    }
}
