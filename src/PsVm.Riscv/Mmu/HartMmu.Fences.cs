using PsVm.Riscv.Interpreter;
using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Mmu;

/// <content>
/// Address spaces, and what fences forget. What user mode, and supervisor mode in user pages, know belongs to an address space; what
/// supervisor mode knows else is shared by all, and goes at a switch where some of it is not global.
/// </content>
internal sealed unsafe partial class HartMmu
{
    // Of more pages than this all are forgotten at once.
    private const ulong MostPages = 64;

    private readonly AddressSpaces _spaces = new();

    // What instructions are fetched from, as there are jump tables. Blocks are found by virtual address only while their page is here.
    private readonly FetchTable?[] _fetched = new FetchTable?[BlockCache.UserJumps(AddressSpaces.Count)];

    // Superpages of global pages, and of what supervisor mode knows; and of the other pages of each address space.
    private readonly SuperpageRanges _sharedSuperpages = new();
    private readonly SuperpageRanges?[] _superpages = new SuperpageRanges?[AddressSpaces.Count];

    // Some of what all address spaces share is the current one's alone.
    private bool _sharedIsLocal;

    /// <summary>The place of the address space in use.</summary>
    public int AddressSpace => _spaces.Current;

    /// <summary>Forgets every translation, and where blocks begin.</summary>
    public void FlushAll()
    {
        Tlb.FlushAll();
        foreach (FetchTable? table in _fetched)
        {
            table?.Clear();
        }

        blocks.ForgetJumps();
        _sharedSuperpages.Clear();
        foreach (SuperpageRanges? ranges in _superpages)
        {
            ranges?.Clear();
        }

        _spaces.Reset(csrs.Satp);
        _sharedIsLocal = false;
    }

    /// <summary>Uses the address space in satp from now on. Who calls selects the data accesses' TLB and the jump table.</summary>
    public void SelectAddressSpace()
    {
        if (_sharedIsLocal)
        {
            FlushShared();
        }

        if (_spaces.Select(csrs.Satp))
        {
            FlushSpace(_spaces.Current);
        }
    }

    /// <summary>Forgets the translations of an address space, but for those of global pages.</summary>
    /// <param name="asid">The address space; null: all, and global pages.</param>
    public void Flush(int? asid)
    {
        if (asid is not { } one)
        {
            FlushAll();
            return;
        }

        for (int space = 0; space < AddressSpaces.Count; space++)
        {
            if (_spaces.Is(space, one))
            {
                FlushSpace(space);
            }
        }

        if (_sharedIsLocal && _spaces.Is(AddressSpace, one))
        {
            FlushShared();
        }
    }

    /// <summary>Forgets the translation of one address.</summary>
    /// <param name="address">The address.</param>
    /// <param name="asid">The address space, unless the page is global; null: all.</param>
    public void FlushAddress(ulong address, int? asid)
    {
        bool ofShared = asid is not { } one || (_sharedIsLocal && _spaces.Is(AddressSpace, one));
        if (ofShared && _sharedSuperpages.Contains(address))
        {
            FlushAll();
            return;
        }

        for (int space = 0; space < AddressSpaces.Count; space++)
        {
            if (asid is { } other && !_spaces.Is(space, other))
            {
                continue;
            }

            if (_superpages[space] is { } ranges && ranges.Contains(address))
            {
                FlushSpace(space);
                continue;
            }

            Tlb.FlushPage(Tlb.User(space), address);
            Tlb.FlushPage(Tlb.SupervisorUserMemory(space), address);
            FlushFetched(BlockCache.UserJumps(space), address);
        }

        if (ofShared)
        {
            Tlb.FlushPage(Tlb.Machine, address);
            Tlb.FlushPage(Tlb.Supervisor, address);
            FlushFetched(BlockCache.MachineJumps, address);
            FlushFetched(BlockCache.SupervisorJumps, address);
        }
    }

    /// <summary>Forgets the translations of a range of addresses; of a large one those of all.</summary>
    /// <param name="start">The first address.</param>
    /// <param name="size">Bytes.</param>
    /// <param name="asid">The address space, but for global pages; null: all.</param>
    public void FlushRange(ulong start, ulong size, int? asid)
    {
        if (size > MostPages * PhysicalMemory.PageSize)
        {
            Flush(asid);
            return;
        }

        ulong pages = ((start & PageMask) + size + PageMask) >> PhysicalMemory.PageShift;
        for (ulong page = 0; page < pages; page++)
        {
            FlushAddress(start + (page << PhysicalMemory.PageShift), asid);
        }
    }

    private void FlushSpace(int space)
    {
        Tlb.Flush(Tlb.User(space));
        Tlb.Flush(Tlb.SupervisorUserMemory(space));
        _fetched[BlockCache.UserJumps(space)]?.Clear();
        blocks.ForgetJumps(BlockCache.UserJumps(space));
        _superpages[space]?.Clear();
    }

    /// <summary>Forgets what supervisor mode knows, but for user pages.</summary>
    private void FlushShared()
    {
        Tlb.Flush(Tlb.Supervisor);
        _fetched[BlockCache.SupervisorJumps]?.Clear();
        blocks.ForgetJumps(BlockCache.SupervisorJumps);
        _sharedIsLocal = false;
    }

    private void FlushFetched(int table, ulong address)
    {
        if (_fetched[table] is { } fetched && fetched.Remove(address))
        {
            blocks.ForgetJumpsInPage(table, address);
        }
    }

    private FetchTable Fetched(PrivilegeMode mode) => _fetched[BlockCache.JumpsOf(mode, AddressSpace)] ??= new FetchTable();

    /// <summary>Notes of a translation that is kept what fences and switches have to know.</summary>
    private void NoteKept(ulong address, Access access, PrivilegeMode mode, bool isGlobal, int levelShift)
    {
        bool inSpace = mode == PrivilegeMode.User || (mode == PrivilegeMode.Supervisor && csrs.SupervisorReadsUserMemory);
        bool isShared = !inSpace || (mode == PrivilegeMode.Supervisor && access == Access.Fetch);
        _sharedIsLocal |= isShared && !isGlobal && mode == PrivilegeMode.Supervisor;
        if (levelShift == PhysicalMemory.PageShift)
        {
            return;
        }

        if (isShared || isGlobal)
        {
            _sharedSuperpages.Add(address, levelShift);
        }

        if (inSpace && !isGlobal)
        {
            (_superpages[AddressSpace] ??= new SuperpageRanges()).Add(address, levelShift);
        }
    }
}
