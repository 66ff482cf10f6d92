using PsVm.Memory;
using PsVm.Riscv.Memory;

namespace PsVm.Machine.Board;

/// <summary>
/// RAM of files that are a server's (NFS, 9p, SMB) or a process's (FUSE): pages are brought by a call of the kernel before harts and
/// devices touch them. In a page fault of managed code the thread would keep .NET from collecting garbage, and so all threads of the
/// process waiting, until the server answers.
/// </summary>
/// <remarks>A page that memory is short of may go again; then it is a page fault all the same.</remarks>
/// <param name="backends">The backends, in address order.</param>
internal sealed class ServedRam(IReadOnlyList<MemoryBackend> backends) : IPageSource
{
    private const int PageShift = 12;

    /// <inheritdoc/>
    public bool TryHave(long first, long count)
    {
        long start = first << PageShift, end = (first + count) << PageShift, block = 0;
        foreach (MemoryBackend backend in backends)
        {
            long from = Math.Max(start - block, 0), to = Math.Min(end - block, backend.Size);
            if (from < to && backend.IsServed)
            {
                backend.Populate(from, to - from);
            }

            block += backend.Size;
        }

        return true;
    }

    /// <inheritdoc/>
    public bool Await(long first, long count) => TryHave(first, count);
}
