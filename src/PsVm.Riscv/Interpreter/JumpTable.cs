using System.Diagnostics;
using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Interpreter;

/// <summary>Where blocks begin, by virtual address, for one mode and address space: direct-mapped, small until that is seen to cost time.</summary>
/// <param name="entries">Room for <see cref="LargeSize"/> entries, zeros, of which those that are not used take no memory.</param>
/// <remarks>Safety: the room stays until the hart's last run, masked offsets are within it. What entries point to is their user's matter.</remarks>
internal sealed unsafe class JumpTable(JumpEntry* entries)
{
    /// <summary>Entries that a table may come to have.</summary>
    public const int LargeSize = 4096;

    // An idle clone's table takes as little as it can: the larger one comes when a block was pushed out by another this often.
    private const int SmallSize = 1024, MostCollisions = 50_000;
    private const int PageSlots = 1024;

    // Entries in use, in no order, and by a hash the pages that they may be in.
    private readonly ulong[] _pages = new ulong[PageSlots / 64];
    private ushort[] _used = new ushort[64];
    private int _count;
    private int _collisions;

    /// <summary>The first entry.</summary>
    public JumpEntry* Entries => entries;

    /// <summary>What of an address, times <see cref="HartState.JumpScale"/>, is the offset of its entry in bytes.</summary>
    public uint Mask { get; private set; } = (uint)((SmallSize - 1) * sizeof(JumpEntry));

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
        else if (++_collisions == MostCollisions && Mask < (LargeSize - 1) * sizeof(JumpEntry))
        {
            Forget();
            Mask = (uint)((LargeSize - 1) * sizeof(JumpEntry));
            grows = true;
            entry = EntryOf(address);
            Use(entry);
        }

        *entry = block;
        int slot = PageSlot(address);
        _pages[slot >> 6] |= 1ul << (slot & 63);
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
    }

    /// <summary>Forgets the blocks that begin in the page of an address. Whether there was one.</summary>
    public bool ForgetPage(ulong address)
    {
        int slot = PageSlot(address);
        if ((_pages[slot >> 6] >> (slot & 63) & 1) == 0)
        {
            return false;
        }

        ulong page = address >> PhysicalMemory.PageShift;
        int kept = 0;
        Array.Clear(_pages);
        for (int i = 0; i < _count; i++)
        {
            JumpEntry* entry = entries + _used[i];
            if (entry->Address >> PhysicalMemory.PageShift == page)
            {
                entry->Address = JumpEntry.Empty;
                continue;
            }

            _used[kept++] = _used[i];
            int its = PageSlot(entry->Address);
            _pages[its >> 6] |= 1ul << (its & 63);
        }

        bool some = kept != _count;
        _count = kept;
        return some;
    }

    private static bool IsUsed(JumpEntry* entry) => entry->Ops is not null && entry->Address != JumpEntry.Empty;

    private static int PageSlot(ulong address)
    {
        ulong page = address >> PhysicalMemory.PageShift;
        return (int)((page ^ (page >> 10)) & (PageSlots - 1));
    }

    private JumpEntry* EntryOf(ulong address) => (JumpEntry*)((byte*)entries + ((uint)(address * HartState.JumpScale) & Mask));

    private void Use(JumpEntry* entry)
    {
        Debug.Assert(_count < LargeSize, "each entry is in use once");
        if (_count == _used.Length)
        {
            Array.Resize(ref _used, 2 * _count);
        }

        _used[_count++] = (ushort)(entry - entries);
    }
}
