using Mono.Unix.Native;
using PsVm.Memory.Native;

namespace PsVm.Memory.Mapping;

/// <summary>Gives many ranges of pages back to the kernel with one call, where it has that.</summary>
/// <remarks>
/// Source: Linux manual page process_madvise(2); MADV_DONTNEED of one's own memory by it since Linux 6.13, PIDFD_SELF since 6.14.
/// </remarks>
internal static class PageDrop
{
    // With more of them it is quicker to give back everything at once.
    private const int MostSingly = 32;

    private static volatile bool s_isRefused;

    /// <summary>The call was refused once, and is not tried any more. Tests forget it.</summary>
    internal static bool IsRefused { get => s_isRefused; set => s_isRefused = value; }

    /// <summary>Drops what is in memory of ranges of this process's private mappings.</summary>
    /// <returns>False: not all of it was dropped, and nothing is wrong with dropping it in another way.</returns>
    /// <remarks>Safety: the kernel reads the vector alone; that nobody misses what is dropped is for the caller to say.</remarks>
    public static unsafe bool Drop(ReadOnlySpan<LibC.PageRegion> ranges)
    {
        if (s_isRefused)
        {
            return ranges.Length <= MostSingly && DropSingly(ranges);
        }

        Span<LibC.IoVector> vector = stackalloc LibC.IoVector[ranges.Length];
        ulong bytes = 0;
        for (int i = 0; i < ranges.Length; i++)
        {
            ulong length = ranges[i].End - ranges[i].Start;
            vector[i] = new LibC.IoVector { Start = ranges[i].Start, Length = length };
            bytes += length;
        }

        fixed (LibC.IoVector* first = vector)
        {
            nint dropped = LibC.ProcessMadvise(first, (nuint)vector.Length, LibC.MadvDontNeed);
            s_isRefused = dropped < 0 && Errors.Last is Errno.ENOSYS or Errno.EINVAL or Errno.EPERM or Errno.EBADF;
            return dropped == (nint)bytes || (dropped < 0 && ranges.Length <= MostSingly && DropSingly(ranges));
        }
    }

    private static bool DropSingly(ReadOnlySpan<LibC.PageRegion> ranges)
    {
        foreach (LibC.PageRegion range in ranges)
        {
            if (LibC.Madvise((nint)range.Start, (nuint)(range.End - range.Start), LibC.MadvDontNeed) != 0)
            {
                return false;
            }
        }

        return true;
    }
}
