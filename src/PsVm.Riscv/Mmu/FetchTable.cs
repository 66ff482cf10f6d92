using System.Diagnostics;
using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Mmu;

/// <summary>
/// Where the pages are that one hart fetches instructions from in one mode and address space, by virtual page. A page is looked up once and kept until a
/// fence, or until what protects or translates it changes, so a page table that changes without a fence shows at the same instruction
/// whichever tier runs, and whatever other guests have translated.
/// </summary>
/// <remarks>Every block that a jump table knows begins in a page of the fetch table of its mode and address space.</remarks>
internal sealed class FetchTable
{
    /// <summary>When so many pages are known, all are forgotten.</summary>
    public const int Capacity = 2048;

    private readonly Dictionary<ulong, FetchedPage> _pages = [];

    /// <summary>Whether there is no room for another page.</summary>
    public bool IsFull => _pages.Count >= Capacity;

    /// <summary>The page of an address.</summary>
    public bool TryGet(ulong address, out FetchedPage page) => _pages.TryGetValue(address >> PhysicalMemory.PageShift, out page);

    /// <summary>Keeps a page.</summary>
    public void Add(ulong address, FetchedPage page)
    {
        Debug.Assert(!IsFull, "a full table is cleared first");
        _pages.Add(address >> PhysicalMemory.PageShift, page);
    }

    /// <summary>Forgets the page of an address. Whether it was there.</summary>
    public bool Remove(ulong address) => _pages.Remove(address >> PhysicalMemory.PageShift);

    /// <summary>Forgets all.</summary>
    public void Clear() => _pages.Clear();
}

/// <summary>A page that instructions are fetched from.</summary>
/// <param name="Host">Host address of its first byte.</param>
/// <param name="Physical">Guest physical address of its first byte.</param>
/// <param name="Number">Its number, counted over all RAM.</param>
/// <param name="IsWhole">
/// Physical memory protection allows all of it to be fetched. Else each half-word is checked when it is run, and nothing of the page is
/// cached or translated.
/// </param>
internal readonly record struct FetchedPage(nint Host, ulong Physical, long Number, bool IsWhole);
