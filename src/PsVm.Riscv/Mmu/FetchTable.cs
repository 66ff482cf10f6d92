using System.Diagnostics;
using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Mmu;

/// <summary>
/// Where the pages are that one hart fetches instructions from in one mode and address space, by virtual page. A page is looked up once and
/// kept until a fence, or until what protects or translates it changes, so a page table that changes without a fence shows at the same
/// instruction whichever tier runs, and whatever other guests have translated.
/// </summary>
/// <remarks>
/// Every block that a jump table knows begins in a page of the fetch table of its mode and address space. A hart knows hundreds of pages of
/// its kernel, so each takes two words: hashed, at its place or at the next that was free.
/// </remarks>
internal sealed class FetchTable
{
    /// <summary>When so many pages are known, all are forgotten.</summary>
    public const int Capacity = 2048;

    private const int FirstSize = 16;
    private const ulong IsWhole = 1;

    // Two for each place: the virtual page and one, or 0 where there is none; and the physical address, with a bit for what is protected.
    private ulong[] _places = new ulong[2 * FirstSize];
    private int _count;

    /// <summary>Whether there is no room for another page.</summary>
    public bool IsFull => _count >= Capacity;

    private int Mask => (_places.Length / 2) - 1;

    /// <summary>The page of an address.</summary>
    /// <param name="address">The address.</param>
    /// <param name="physical">Guest physical address of the page's first byte, in RAM.</param>
    /// <param name="isWhole">See <see cref="FetchedPage"/>.</param>
    public bool TryGet(ulong address, out ulong physical, out bool isWhole)
    {
        ulong key = KeyOf(address);
        int place = PlaceOf(key);
        ulong value = _places[(2 * place) + 1];
        (physical, isWhole) = (value & ~IsWhole, (value & IsWhole) != 0);
        return _places[2 * place] == key;
    }

    /// <summary>Keeps a page that is not there.</summary>
    public void Add(ulong address, ulong physical, bool isWhole)
    {
        Debug.Assert(!IsFull, "a full table is cleared first");
        ulong[] before = _places;
        if (4 * (_count + 1) > 3 * (Mask + 1))
        {
            _places = new ulong[2 * before.Length];
            for (int place = 0; place < before.Length; place += 2)
            {
                if (before[place] != 0)
                {
                    Put(before[place], before[place + 1]);
                }
            }
        }

        Put(KeyOf(address), physical | (isWhole ? IsWhole : 0));
        _count++;
    }

    /// <summary>Forgets the page of an address. Whether it was there.</summary>
    public bool Remove(ulong address)
    {
        int free = PlaceOf(KeyOf(address));
        if (_places[2 * free] == 0)
        {
            return false;
        }

        // What follows and would not be found behind a free place moves into it.
        for (int next = (free + 1) & Mask; _places[2 * next] != 0; next = (next + 1) & Mask)
        {
            if (((next - HashOf(_places[2 * next])) & Mask) >= ((next - free) & Mask))
            {
                (_places[2 * free], _places[(2 * free) + 1]) = (_places[2 * next], _places[(2 * next) + 1]);
                free = next;
            }
        }

        _places[2 * free] = 0;
        _count--;
        return true;
    }

    /// <summary>Forgets all.</summary>
    public void Clear()
    {
        if (_count != 0)
        {
            Array.Clear(_places);
            _count = 0;
        }
    }

    private static ulong KeyOf(ulong address) => (address >> PhysicalMemory.PageShift) + 1;

    private void Put(ulong key, ulong value)
    {
        int place = PlaceOf(key);
        Debug.Assert(_places[2 * place] == 0, "it is not there");
        (_places[2 * place], _places[(2 * place) + 1]) = (key, value);
    }

    /// <summary>Where a page is, or would be: a quarter of the places is free.</summary>
    private int PlaceOf(ulong key)
    {
        int place = HashOf(key);
        while (_places[2 * place] is var other && other != 0 && other != key)
        {
            place = (place + 1) & Mask;
        }

        return place;
    }

    private int HashOf(ulong key) => (int)((key * 0x9e37_79b9_7f4a_7c15) >> 40) & Mask;
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
