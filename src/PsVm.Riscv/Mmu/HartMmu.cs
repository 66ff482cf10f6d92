using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using PsVm.Riscv.Csr;
using PsVm.Riscv.Interpreter;
using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Mmu;

/// <summary>
/// Address translation and everything that the inline TLB probe cannot do: walks (Sv39, Sv48, Sv57), protection, devices,
/// accesses across pages, stores into decoded code. A failing method leaves the exception in the hart's state and returns false or null.
/// </summary>
/// <remarks>
/// Safety: a physical address that is found in a range of RAM is there with all bytes of an access that does not cross a page, for ranges
/// are whole pages; their host memory is mapped as long as the hart is there. Pages that cannot be written are never stored to.
/// </remarks>
internal sealed unsafe partial class HartMmu(HartState* state, CsrFile csrs, PhysicalMemory memory, IDeviceBus bus, BlockCache blocks) : IDisposable
{
    private const ulong Valid = 1, Readable = 2, Writable = 4, Executable = 8, UserPage = 16, Accessed = 64, Dirty = 128;
    private const ulong ReservedPteBits = 0xffc0_0000_0000_0000, PpnMask = (1ul << 44) - 1;
    private const ulong PageMask = PhysicalMemory.PageSize - 1;

    // Pages that were cached from superpages lie in one aligned range, which a fence for an address must forget as a whole.
    private ulong _superpageAddress = ulong.MaxValue;
    private ulong _superpageMask;

    // What instructions are fetched from. Blocks are found by virtual address only while their page is here.
    private readonly FetchTable _fetched = new();

    /// <summary>The translations that accesses use without coming here.</summary>
    public Tlb Tlb { get; } = new();

    /// <summary>The physical memory protection unit.</summary>
    public Pmp Pmp { get; } = new();

    /// <summary>Forgets every translation, and where blocks begin.</summary>
    public void FlushAll()
    {
        Tlb.FlushAll();
        _fetched.Clear();
        blocks.ForgetJumps();
        _superpageAddress = ulong.MaxValue;
        _superpageMask = 0;
    }

    /// <summary>Forgets the translation of one address.</summary>
    public void FlushAddress(ulong address)
    {
        if ((address & _superpageMask) == (_superpageAddress & _superpageMask) && _superpageAddress != ulong.MaxValue)
        {
            FlushAll();
            return;
        }

        Tlb.FlushPage(address);
        _fetched.Remove(address);
        blocks.ForgetJumpsInPage(address);
    }

    /// <summary>Loads into <see cref="HartState.LoadValue"/>, zero-extended.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public bool Load(ulong address, int size)
    {
        if (CrossesPage(address, size))
        {
            return LoadAcrossPages(address, size);
        }

        PrivilegeMode mode = csrs.DataMode;
        if (!Translate(address, Access.Load, mode, out ulong physical))
        {
            return false;
        }

        if (!Pmp.Allows(physical, (ulong)size, Access.Load, mode))
        {
            return Fail(ExceptionCause.LoadAccessFault, address);
        }

        if (memory.Find(physical) is { } region)
        {
            byte* host = region.Host + (physical - region.Base);
            state->LoadValue = size switch
            {
                1 => *host,
                2 => Unsafe.ReadUnaligned<ushort>(host),
                4 => Unsafe.ReadUnaligned<uint>(host),
                _ => Unsafe.ReadUnaligned<ulong>(host),
            };
            return true;
        }

        if (!BitOperations.IsPow2(size) || (address & (ulong)(size - 1)) != 0)
        {
            return Fail(ExceptionCause.LoadMisaligned, address);
        }

        return bus.TryRead(physical, size, out state->LoadValue) || Fail(ExceptionCause.LoadAccessFault, address);
    }

    /// <summary>Stores the low bytes of a value.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public bool Store(ulong address, ulong value, int size)
    {
        if (CrossesPage(address, size))
        {
            return StoreAcrossPages(address, value, size);
        }

        PrivilegeMode mode = csrs.DataMode;
        if (!Translate(address, Access.Store, mode, out ulong physical))
        {
            return false;
        }

        if (!Pmp.Allows(physical, (ulong)size, Access.Store, mode))
        {
            return Fail(ExceptionCause.StoreAccessFault, address);
        }

        if (memory.Find(physical) is { } region)
        {
            if (region.ReadOnly)
            {
                return Fail(ExceptionCause.StoreAccessFault, address);
            }

            byte* host = region.Host + (physical - region.Base);
            switch (size)
            {
                case 1: *host = (byte)value; break;
                case 2: Unsafe.WriteUnaligned(host, (ushort)value); break;
                case 4: Unsafe.WriteUnaligned(host, (uint)value); break;
                default: Unsafe.WriteUnaligned(host, value); break;
            }

            return true;
        }

        if ((address & (ulong)(size - 1)) != 0)
        {
            return Fail(ExceptionCause.StoreMisaligned, address);
        }

        return bus.TryWrite(physical, size, value) || Fail(ExceptionCause.StoreAccessFault, address);
    }

    /// <summary>The host address of an atomic's operand, or null. Atomics reach RAM only, and aligned.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public byte* AtomicOperand(ulong address, int size, Access access)
    {
        bool store = access == Access.Store;
        if ((address & (ulong)(size - 1)) != 0)
        {
            Fail(store ? ExceptionCause.StoreMisaligned : ExceptionCause.LoadMisaligned, address);
            return null;
        }

        PrivilegeMode mode = csrs.DataMode;
        if (!Translate(address, access, mode, out ulong physical))
        {
            return null;
        }

        if (!Pmp.Allows(physical, (ulong)size, access, mode)
            || memory.Find(physical) is not { } region || (store && region.ReadOnly))
        {
            Fail(store ? ExceptionCause.StoreAccessFault : ExceptionCause.LoadAccessFault, address);
            return null;
        }

        return region.Host + (physical - region.Base);
    }

    /// <summary>The host address of an instruction's half-word, which may be fetched, or null.</summary>
    /// <param name="address">Virtual address.</param>
    /// <param name="page">The page it is in.</param>
    public byte* FetchPointer(ulong address, out FetchedPage page)
    {
        const ulong HalfWord = 2;
        PrivilegeMode mode = csrs.Mode;
        if (!_fetched.TryGet(address, mode, out page) && !FindFetchedPage(address, mode, out page))
        {
            return null;
        }

        if (!page.IsWhole && !Pmp.Allows(page.Physical | (address & PageMask), HalfWord, Access.Fetch, mode))
        {
            Fail(ExceptionCause.InstructionAccessFault, address);
            return null;
        }

        return (byte*)page.Host + (address & PageMask);
    }

    private bool FindFetchedPage(ulong address, PrivilegeMode mode, out FetchedPage page)
    {
        page = default;
        if (!Translate(address, Access.Fetch, mode, out ulong physical))
        {
            return false;
        }

        physical &= ~PageMask;
        if (memory.Find(physical) is not { } region)
        {
            return AccessFault(address, Access.Fetch);
        }

        if (_fetched.IsFull)
        {
            _fetched.Clear();
            blocks.ForgetJumps();
        }

        page = new FetchedPage(
            (nint)(region.Host + (physical - region.Base)), physical, region.PageAt(physical), Pmp.AllowsWholePage(physical, Access.Fetch, mode));
        _fetched.Add(address, mode, page);
        return true;
    }

    /// <summary>The TLB that data accesses use with a mode.</summary>
    public int Context(PrivilegeMode mode) => mode switch
    {
        PrivilegeMode.User => Tlb.User,
        PrivilegeMode.Supervisor => csrs.SupervisorReadsUserMemory ? Tlb.SupervisorUserMemory : Tlb.Supervisor,
        _ => Tlb.Machine,
    };

    public void Dispose() => Tlb.Dispose();

    private static bool CrossesPage(ulong address, int size) => (address & PageMask) + (ulong)size > PhysicalMemory.PageSize;

    private bool LoadAcrossPages(ulong address, int size)
    {
        if (!BothPagesAreRam(address, Access.Load))
        {
            return false;
        }

        ulong value = 0;
        for (int i = 0; i < size; i++)
        {
            if (!Load(address + (ulong)i, 1))
            {
                return false;
            }

            value |= state->LoadValue << (8 * i);
        }

        state->LoadValue = value;
        return true;
    }

    private bool StoreAcrossPages(ulong address, ulong value, int size)
    {
        if (!BothPagesAreRam(address, Access.Store))
        {
            return false;
        }

        for (int i = 0; i < size; i++)
        {
            if (!Store(address + (ulong)i, value >> (8 * i), 1))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>A trap leaves memory as it was, so both pages are looked at before the first byte is stored.</summary>
    private bool BothPagesAreRam(ulong address, Access access)
    {
        PrivilegeMode mode = csrs.DataMode;
        ReadOnlySpan<ulong> pages = [address, (address | PageMask) + 1];
        foreach (ulong page in pages)
        {
            if (!Translate(page, access, mode, out ulong physical))
            {
                return false;
            }

            if (!Pmp.Allows(physical, 1, access, mode)
                || memory.Find(physical) is not { } region || (access == Access.Store && region.ReadOnly))
            {
                return AccessFault(page, access);
            }
        }

        return true;
    }

    private bool Fail(ulong cause, ulong value)
    {
        state->TrapCause = cause;
        state->TrapValue = value;
        return false;
    }

    private bool PageFault(ulong address, Access access) => Fail(
        access switch
        {
            Access.Fetch => ExceptionCause.InstructionPageFault,
            Access.Load => ExceptionCause.LoadPageFault,
            _ => ExceptionCause.StorePageFault,
        }, address);

    private bool AccessFault(ulong address, Access access) => Fail(
        access switch
        {
            Access.Fetch => ExceptionCause.InstructionAccessFault,
            Access.Load => ExceptionCause.LoadAccessFault,
            _ => ExceptionCause.StoreAccessFault,
        }, address);

    /// <summary>Translates, keeps the result in the TLB where later accesses may use it unchecked, and notices stores into code.</summary>
    private bool Translate(ulong address, Access access, PrivilegeMode mode, out ulong physical)
    {
        ulong permissions;
        int levelShift = PhysicalMemory.PageShift;
        if (mode == PrivilegeMode.Machine || csrs.TranslationLevels == 0)
        {
            physical = address;
            permissions = Readable | Writable | Executable | Dirty;
        }
        else if (!Walk(address, access, mode, out physical, out permissions, out levelShift))
        {
            return false;
        }

        PhysicalMemory.Region? region = memory.Find(physical);
        if (region is null)
        {
            return true;
        }

        long page = region.PageAt(physical);
        bool store = access == Access.Store && !region.ReadOnly;
        if (store && blocks.HasCode(page))
        {
            blocks.InvalidatePage(page);
            state->Limit = 0; // translated blocks of the page jump to each other: they must come out
        }

        if (store)
        {
            memory.MarkDirty(page);
        }

        Remember(address, physical, region, page, permissions, mode);
        if (levelShift > PhysicalMemory.PageShift)
        {
            RememberSuperpage(address, levelShift);
        }

        return true;
    }

    private void Remember(ulong address, ulong physical, PhysicalMemory.Region region, long page, ulong permissions, PrivilegeMode mode)
    {
        ulong tag = address & ~PageMask;
        TlbEntry* entry = Tlb[Context(mode)] + Tlb.Index(address);
        bool MayKeep(ulong permission, Access access) =>
            (permissions & permission) == permission && Pmp.AllowsWholePage(physical, access, mode);

        entry->Read = MayKeep(Readable, Access.Load) ? tag : TlbEntry.Invalid;
        bool unnoticed = !region.ReadOnly && !blocks.HasCode(page) && !memory.WantsToKnowWriteTo(page);
        entry->Write = unnoticed && MayKeep(Writable | Dirty, Access.Store) ? tag : TlbEntry.Invalid;
        Debug.Assert(entry->Write == TlbEntry.Invalid || !region.ReadOnly, "nothing stores to read-only RAM unchecked");
        entry->Addend = (ulong)region.Host + ((physical & ~PageMask) - region.Base) - tag;
    }

    private void RememberSuperpage(ulong address, int levelShift)
    {
        ulong mask = ~((1ul << levelShift) - 1);
        if (_superpageAddress == ulong.MaxValue)
        {
            _superpageAddress = address;
            _superpageMask = mask;
            return;
        }

        _superpageMask &= mask;
        while (((_superpageAddress ^ address) & _superpageMask) != 0)
        {
            _superpageMask <<= 1;
        }
    }

    /// <summary>
    /// Walks the page table (privileged manual, section "Virtual Address Translation Process"). The permissions are the leaf's R, W
    /// and X, as this mode may use them, and its D.
    /// </summary>
    private bool Walk(ulong address, Access access, PrivilegeMode mode, out ulong physical, out ulong permissions, out int levelShift)
    {
        physical = permissions = 0;
        int levels = csrs.TranslationLevels;
        int unused = 64 - (PhysicalMemory.PageShift + (9 * levels));
        levelShift = PhysicalMemory.PageShift + (9 * (levels - 1));
        if ((ulong)((long)(address << unused) >> unused) != address)
        {
            return PageFault(address, access);
        }

        ulong table = csrs.RootPageTable;
        for (; levelShift >= PhysicalMemory.PageShift; levelShift -= 9)
        {
            ulong entryAddress = table + (((address >> levelShift) & 511) * 8);
            if (memory.Find(entryAddress) is not { } region || !Pmp.Allows(entryAddress, 8, Access.Load, PrivilegeMode.Supervisor))
            {
                return AccessFault(address, access);
            }

            Debug.Assert((entryAddress & 7) == 0, "page tables are aligned");
            ulong* entry = (ulong*)(region.Host + (entryAddress - region.Base));
            ulong pte = Volatile.Read(ref *entry);
            if ((pte & Valid) == 0 || (pte & (Readable | Writable)) == Writable || (pte & ReservedPteBits) != 0)
            {
                return PageFault(address, access);
            }

            ulong target = ((pte >> 10) & PpnMask) << PhysicalMemory.PageShift;
            if ((pte & (Readable | Executable)) == 0)
            {
                if ((pte & (Accessed | Dirty | UserPage)) != 0)
                {
                    return PageFault(address, access);
                }

                table = target;
                continue;
            }

            ulong offsetMask = (1ul << levelShift) - 1;
            permissions = Usable(pte, mode);
            ulong needed = access switch { Access.Fetch => Executable, Access.Load => Readable, _ => Writable };
            if ((permissions & needed) == 0 || (target & offsetMask) != 0)
            {
                return PageFault(address, access);
            }

            if (!SetAccessedAndDirty(entry, ref pte, access, region, entryAddress, out bool changed))
            {
                return changed ? Walk(address, access, mode, out physical, out permissions, out levelShift) : AccessFault(address, access);
            }

            permissions |= pte & Dirty;
            physical = target | (address & offsetMask);
            return true;
        }

        return PageFault(address, access);
    }

    /// <summary>What a leaf allows in a mode: R (with MXR also where only X is set), W and X.</summary>
    private ulong Usable(ulong pte, PrivilegeMode mode)
    {
        bool userPage = (pte & UserPage) != 0;
        ulong usable = pte & (Readable | Writable | Executable);
        if (csrs.ExecutableIsReadable && (pte & Executable) != 0)
        {
            usable |= Readable;
        }

        if (mode == PrivilegeMode.User)
        {
            return userPage ? usable : 0;
        }

        if (!userPage)
        {
            return usable;
        }

        return csrs.SupervisorReadsUserMemory ? usable & (Readable | Writable) : 0;
    }

    /// <summary>Sets A, and D for a store, as hardware does; false: the entry cannot be written, or another hart changed it.</summary>
    private bool SetAccessedAndDirty(
        ulong* entry, ref ulong pte, Access access, PhysicalMemory.Region region, ulong entryAddress, out bool changed)
    {
        changed = false;
        ulong wanted = pte | Accessed | (access == Access.Store ? Dirty : 0);
        if (wanted == pte)
        {
            return true;
        }

        if (region.ReadOnly || !Pmp.Allows(entryAddress, 8, Access.Store, PrivilegeMode.Supervisor))
        {
            return false;
        }

        changed = Interlocked.CompareExchange(ref *entry, wanted, pte) != pte;
        memory.MarkDirty(region.PageAt(entryAddress));
        pte = wanted;
        return !changed;
    }
}
