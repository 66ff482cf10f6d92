using System.Diagnostics;
using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Interpreter;

/// <summary>Where blocks begin, by virtual address, for one mode and address space: direct-mapped, small until that is seen to cost time.</summary>
/// <param name="entries">Room for the entries, zeros, of which those that are not used take no memory.</param>
/// <param name="largest">The most entries that it may come to have: <see cref="SmallSize"/> times a power of four.</param>
/// <remarks>Safety: the room stays until the hart's last run, masked offsets are within it. What entries point to is their user's matter.</remarks>
internal sealed unsafe class JumpTable(JumpEntry* entries, int largest)
{
    /// <summary>Entries that a table has at first.</summary>
    public const int SmallSize = 1024;

    // An idle clone's table takes as little as it can: a larger one comes when blocks were pushed out by others so often for each of its entries.
    // A lookup that is saved then has been paid for fifty times.
    private const int CollisionsPerEntry = 50;
    private const int PageSlots = 1024;

    // Entries in use, in no order, and by a hash the virtual pages and the pages of RAM that they may be in.
    private readonly ulong[] _pages = new ulong[PageSlots / 64];
    private readonly ulong[] _code = new ulong[PageSlots / 64];
    private ushort[] _used = new ushort[64];
    private int _count;
    private int _size = SmallSize;
    private int _collisions;

    /// <summary>The first entry.</summary>
    public JumpEntry* Entries => entries;

    /// <summary>What of an address, times <see cref="HartState.JumpScale"/>, is the offset of its entry in bytes.</summary>
    public uint Mask => (uint)((_size - 1) * sizeof(JumpEntry));

    /// <summary>Remembers where a block begins.</summary>
    /// <returns>The table has grown: its mask is another one.</returns>
    public bool Add(ulong address, JumpEntry block)
    {
        bool grows = false;
        JumpEntry* entry = EntryOf(address);
        if (!IsUsed(entry))
        {
            Use(entry);
        }
        else if (++_collisions >= CollisionsPerEntry * _size && _size < largest)
        {
            Forget();
            _size *= 4;
            _collisions = 0;
            grows = true;
            entry = EntryOf(address);
            Use(entry);
        }

        *entry = block;
        Mark(entry);
        return grows;
    }

    /// <summary>Forgets all.</summary>
    public void Forget()
    {
        for (int i = 0; i < _count; i++)
        {
            entries[_used[i]].Address = JumpEntry.Empty;
        }

        _count = 0;
        Array.Clear(_pages);
        Array.Clear(_code);
    }

    /// <summary>Forgets the blocks that begin in the page of an address.</summary>
    public void ForgetPage(ulong address)
    {
        if (IsIn(_pages, address >> PhysicalMemory.PageShift))
        {
            ForgetIn(address >> PhysicalMemory.PageShift, page: -1);
        }
    }

    /// <summary>Forgets the blocks that are in a page of RAM, by its number.</summary>
    public void ForgetCode(long page)
    {
        if (IsIn(_code, (ulong)page))
        {
            ForgetIn(ulong.MaxValue, page);
        }
    }

    private static bool IsUsed(JumpEntry* entry) => entry->Ops is not null && entry->Address != JumpEntry.Empty;

    private static bool IsIn(ulong[] pages, ulong page) => (pages[SlotOf(page) >> 6] >> (SlotOf(page) & 63) & 1) != 0;

    private static int SlotOf(ulong page) => (int)((page ^ (page >> 10)) & (PageSlots - 1));

    private void Mark(JumpEntry* entry)
    {
        int virtualSlot = SlotOf(entry->Address >> PhysicalMemory.PageShift), slot = SlotOf((ulong)entry->Page);
        _pages[virtualSlot >> 6] |= 1ul << (virtualSlot & 63);
        _code[slot >> 6] |= 1ul << (slot & 63);
    }

    /// <summary>Forgets the blocks in a virtual page, and those in a page of RAM.</summary>
    private void ForgetIn(ulong virtualPage, long page)
    {
        int kept = 0;
        Array.Clear(_pages);
        Array.Clear(_code);
        for (int i = 0; i < _count; i++)
        {
            JumpEntry* entry = entries + _used[i];
            if (entry->Address >> PhysicalMemory.PageShift == virtualPage || entry->Page == page)
            {
                entry->Address = JumpEntry.Empty;
                continue;
            }

            _used[kept++] = _used[i];
            Mark(entry);
        }

        _count = kept;
    }

    private JumpEntry* EntryOf(ulong address) => (JumpEntry*)((byte*)entries + ((uint)(address * HartState.JumpScale) & Mask));

    private void Use(JumpEntry* entry)
    {
        Debug.Assert(_count < _size, "each entry is in use once");
        if (_count == _used.Length)
        {
            Array.Resize(ref _used, 2 * _count);
        }

        _used[_count++] = (ushort)(entry - entries);
    }
}
