using System.Diagnostics;
using PsVm.Riscv.Csr;
using PsVm.Riscv.Interpreter;
using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Mmu;

/// <summary>What a walk of the page table came to.</summary>
internal enum WalkResult
{
    /// <summary>The address has a page that may be used so.</summary>
    Found,

    /// <summary>It has none.</summary>
    PageFault,

    /// <summary>The page table lies where it cannot be read, or written.</summary>
    AccessFault,

    /// <summary>A page of the page table is not there yet.</summary>
    PageAwaited,
}

/// <summary>
/// Walks page tables: Sv39, Sv48, Sv57, with A and D set as by hardware (Svadu's way). What a hart keeps comes from here, and only pages
/// are found: no entry is kept that is not valid, so what becomes valid is seen at the next access (Svvptc).
/// </summary>
/// <remarks>
/// Safety: an aligned entry that is found in a range of RAM is there with all of its bytes, and mapped as long as the hart is there.
/// </remarks>
internal sealed unsafe class PageTableWalker(CsrFile csrs, PhysicalMemory memory, Pmp pmp, BlockCache blocks)
{
    /// <summary>The page that was found last is in all address spaces: its entry, or one above it, says so.</summary>
    public bool FoundGlobal { get; private set; }

    /// <summary>
    /// Walks the page table (privileged manual, section "Virtual Address Translation Process"). The permissions are the leaf's R, W
    /// and X, as this mode may use them, and its D.
    /// </summary>
    /// <param name="address">Virtual address.</param>
    /// <param name="access">What is wanted.</param>
    /// <param name="mode">The mode that wants it.</param>
    /// <param name="physical">Physical address.</param>
    /// <param name="permissions">What the leaf allows.</param>
    /// <param name="levelShift">Bits of an address within the page that the leaf maps.</param>
    public WalkResult Walk(
        ulong address, Access access, PrivilegeMode mode, out ulong physical, out ulong permissions, out int levelShift)
    {
        physical = permissions = 0;
        int levels = csrs.TranslationLevels;
        int unused = 64 - (PhysicalMemory.PageShift + (9 * levels));
        int top = PhysicalMemory.PageShift + (9 * (levels - 1));
        levelShift = top;
        if ((ulong)((long)(address << unused) >> unused) != address)
        {
            return WalkResult.PageFault;
        }

        ulong table = csrs.RootPageTable, all = 0;
        for (; levelShift >= PhysicalMemory.PageShift; levelShift -= 9)
        {
            ulong entryAddress = table + (((address >> levelShift) & 511) * 8);
            if (memory.Find(entryAddress) is not { } region || !pmp.Allows(entryAddress, 8, Access.Load, PrivilegeMode.Supervisor))
            {
                return WalkResult.AccessFault;
            }

            if (!memory.TryHave(region.PageAt(entryAddress)))
            {
                return WalkResult.PageAwaited;
            }

            Debug.Assert((entryAddress & 7) == 0, "page tables are aligned");
            ulong* entry = (ulong*)(region.Host + (entryAddress - region.Base));
            ulong pte = Volatile.Read(ref *entry);
            if ((pte & Pte.Valid) == 0 || (pte & (Pte.Readable | Pte.Writable)) == Pte.Writable || (pte & Pte.Reserved) != 0)
            {
                return WalkResult.PageFault;
            }

            all |= pte;
            ulong target = ((pte >> 10) & Pte.PpnMask) << PhysicalMemory.PageShift;
            if ((pte & (Pte.Readable | Pte.Executable)) == 0)
            {
                if ((pte & (Pte.Accessed | Pte.Dirty | Pte.UserPage)) != 0)
                {
                    return WalkResult.PageFault;
                }

                table = target;
                continue;
            }

            ulong offsetMask = (1ul << levelShift) - 1;
            permissions = Usable(pte, mode);
            ulong needed = access switch { Access.Fetch => Pte.Executable, Access.Load => Pte.Readable, _ => Pte.Writable };
            if ((permissions & needed) == 0 || (target & offsetMask) != 0)
            {
                return WalkResult.PageFault;
            }

            if (!SetAccessedAndDirty(entry, ref pte, access, region, entryAddress, out bool changed))
            {
                if (!changed)
                {
                    return WalkResult.AccessFault;
                }

                // Another hart was faster: from the root again.
                table = csrs.RootPageTable;
                levelShift = top + 9;
                all = 0;
                continue;
            }

            permissions |= pte & Pte.Dirty;
            FoundGlobal = (all & Pte.Global) != 0;
            physical = target | (address & offsetMask);
            return WalkResult.Found;
        }

        return WalkResult.PageFault;
    }

    /// <summary>What a leaf allows in a mode: R (with MXR also where only X is set), W and X.</summary>
    private ulong Usable(ulong pte, PrivilegeMode mode)
    {
        bool userPage = (pte & Pte.UserPage) != 0;
        ulong usable = pte & (Pte.Readable | Pte.Writable | Pte.Executable);
        if (csrs.ExecutableIsReadable && (pte & Pte.Executable) != 0)
        {
            usable |= Pte.Readable;
        }

        if (mode == PrivilegeMode.User)
        {
            return userPage ? usable : 0;
        }

        if (!userPage)
        {
            return usable;
        }

        return csrs.SupervisorReadsUserMemory ? usable & (Pte.Readable | Pte.Writable) : 0;
    }

    /// <summary>Sets A, and D for a store, as hardware does; false: the entry cannot be written, or another hart changed it.</summary>
    private bool SetAccessedAndDirty(
        ulong* entry, ref ulong pte, Access access, PhysicalMemory.Region region, ulong entryAddress, out bool changed)
    {
        changed = false;
        ulong wanted = pte | Pte.Accessed | (access == Access.Store ? Pte.Dirty : 0);
        if (wanted == pte)
        {
            return true;
        }

        if (region.ReadOnly || !pmp.Allows(entryAddress, 8, Access.Store, PrivilegeMode.Supervisor))
        {
            return false;
        }

        long page = region.PageAt(entryAddress);
        memory.BeforeWrite(page);
        changed = Interlocked.CompareExchange(ref *entry, wanted, pte) != pte;
        memory.MarkDirty(page);
        if (blocks.HasCode(page))
        {
            blocks.InvalidatePage(page); // a page table that is run, too
            blocks.LeaveBlocks();
        }

        pte = wanted;
        return !changed;
    }
}
