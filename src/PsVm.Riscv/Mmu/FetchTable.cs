using System.Diagnostics;
using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Mmu;

/// <summary>
/// Where the pages are that one hart fetches instructions from, by virtual page and mode. A page is looked up once and kept until a
/// fence, or until what protects or translates it changes, so a page table that changes without a fence shows at the same instruction
/// whichever tier runs, and whatever other guests have translated.
/// </summary>
/// <remarks>Every block that the jump tables know begins in a page of this table.</remarks>
internal sealed class FetchTable
{
    /// <summary>When so many pages are known, all are forgotten.</summary>
    public const int Capacity = 4096;

    private readonly Dictionary<ulong, FetchedPage> _pages = [];

    /// <summary>Whether there is no room for another page.</summary>
    public bool IsFull => _pages.Count >= Capacity;

    /// <summary>The page of an address.</summary>
    public bool TryGet(ulong address, PrivilegeMode mode, out FetchedPage page) => _pages.TryGetValue(Key(address, mode), out page);

    /// <summary>Keeps a page.</summary>
    public void Add(ulong address, PrivilegeMode mode, FetchedPage page)
    {
        Debug.Assert(!IsFull, "a full table is cleared first");
        _pages.Add(Key(address, mode), page);
    }

    /// <summary>Forgets the page of an address, in all modes.</summary>
    public void Remove(ulong address)
    {
        _pages.Remove(Key(address, PrivilegeMode.User));
        _pages.Remove(Key(address, PrivilegeMode.Supervisor));
        _pages.Remove(Key(address, PrivilegeMode.Machine));
    }

    /// <summary>Forgets all.</summary>
    public void Clear() => _pages.Clear();

    // The low bits of the page number's place are free for the mode.
    private static ulong Key(ulong address, PrivilegeMode mode) => (address >> PhysicalMemory.PageShift << 2) | (ulong)mode;
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
