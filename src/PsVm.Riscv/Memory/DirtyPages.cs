using System.Diagnostics;

namespace PsVm.Riscv.Memory;

/// <summary>
/// One bit for each 4 KiB page of a guest's RAM: whether it was written since the bits were last taken. Safe from any thread.
/// </summary>
/// <remarks>
/// Whoever is no hart marks a page after it has written there, so that a mark that is taken covers all that was written before. Harts mark
/// before they write: see <see cref="PhysicalMemory.TakeDirtyPages"/>.
/// </remarks>
internal sealed class DirtyPages(long pageCount)
{
    private readonly ulong[] _words = new ulong[(pageCount + 63) / 64];

    /// <summary>Whether a page is marked.</summary>
    public bool IsMarked(long page) => (Volatile.Read(ref _words[page >> 6]) >> (int)(page & 63) & 1) != 0;

    /// <summary>Marks pages.</summary>
    /// <param name="first">Number of the first, counted over all blocks.</param>
    /// <param name="count">How many.</param>
    public void Mark(long first, long count)
    {
        Debug.Assert(first >= 0 && count >= 0 && first + count <= _words.LongLength * 64, "pages of RAM");
        for (long page = first; page < first + count; page++)
        {
            // What is marked already costs no locked instruction.
            if (!IsMarked(page))
            {
                Interlocked.Or(ref _words[page >> 6], 1ul << (int)(page & 63));
            }
        }
    }

    /// <summary>The marks, bit 0 of word 0 for page 0; none is left.</summary>
    public ulong[] Take()
    {
        ulong[] taken = new ulong[_words.Length];
        for (int word = 0; word < taken.Length; word++)
        {
            taken[word] = Interlocked.Exchange(ref _words[word], 0);
        }

        return taken;
    }
}
