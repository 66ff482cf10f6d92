using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using PsVm.Riscv.Csr;
using PsVm.Riscv.Interpreter;
using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Mmu;

/// <summary>
/// Address translation and everything that the inline TLB probe cannot do: protection, devices, accesses across pages, stores into decoded
/// code. A failing method leaves the exception in the hart's state and returns false or null.
/// </summary>
/// <remarks>
/// Safety: a physical address that is found in a range of RAM is there with all bytes of an access that does not cross a page, for ranges
/// are whole pages; their host memory is mapped as long as the hart is there. Pages that cannot be written are never stored to.
/// </remarks>
internal sealed unsafe partial class HartMmu(
    HartState* state, CsrFile csrs, Pmp pmp, PhysicalMemory memory, IDeviceBus bus, BlockCache blocks) : IDisposable
{
    private const ulong PageMask = PhysicalMemory.PageSize - 1;

    // Looking at the clock takes about half as long as looking a page up, and a fifth of what a device takes at least.
    private const uint LookupsPerLook = 8, AccessesPerLook = 4;

    private readonly PageTableWalker _walker = new(csrs, memory, pmp, blocks);

    // Pages that were looked up in this run, and when the first few of them had been.
    private uint _lookups;
    private long _lookedAt;

    // Accesses to devices: by one of them a device may be given work of a millisecond.
    private uint _deviceAccesses;

    /// <summary>
    /// How long a run may take, as <see cref="Stopwatch"/> counts; 0: as long as it takes. See <see cref="Hart.LongestRun"/>.
    /// </summary>
    public long LongestRun { get; set; }

    /// <summary>The run has taken that long.</summary>
    public bool IsOverdue { get; private set; }

    /// <summary>The translations that accesses use without coming here.</summary>
    public Tlb Tlb { get; } = new(state);

    /// <summary>Where the hart's time goes; null: it is not profiled.</summary>
    public HartProfile? Profile { get; init; }

    /// <summary>The physical memory protection unit.</summary>
    public Pmp Pmp { get; } = pmp;

    /// <summary>The hart begins to run.</summary>
    public void BeginRun()
    {
        (_lookups, _lookedAt) = (0, 0);
        IsOverdue = false;
    }

    /// <summary>Loads into <see cref="HartState.LoadValue"/>, zero-extended.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public bool Load(ulong address, int size)
    {
        using HartProfile.Scope scope = HartProfile.During(Profile, HartWork.Walk);
        if (CrossesPage(address, size))
        {
            return LoadAcrossPages(address, size);
        }

        if (Tlb.TryRecall(state->Context.DataTlb, address, Access.Load))
        {
            LoadFrom(Recalled(address), size);
            return true;
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
            LoadFrom(region.Host + (physical - region.Base), size);
            return true;
        }

        if (!BitOperations.IsPow2(size) || (address & (ulong)(size - 1)) != 0)
        {
            return Fail(ExceptionCause.LoadMisaligned, address);
        }

        LookAtTimeOfDevices();
        using HartProfile.Scope device = HartProfile.During(Profile, HartWork.Device);
        return bus.TryRead(physical, size, out state->LoadValue) || Fail(ExceptionCause.LoadAccessFault, address);
    }

    /// <summary>Stores the low bytes of a value.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public bool Store(ulong address, ulong value, int size)
    {
        using HartProfile.Scope scope = HartProfile.During(Profile, HartWork.Walk);
        if (CrossesPage(address, size))
        {
            return StoreAcrossPages(address, value, size);
        }

        if (Tlb.TryRecall(state->Context.DataTlb, address, Access.Store))
        {
            StoreTo(Recalled(address), value, size);
            return true;
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

            StoreTo(region.Host + (physical - region.Base), value, size);
            return true;
        }

        if ((address & (ulong)(size - 1)) != 0)
        {
            return Fail(ExceptionCause.StoreMisaligned, address);
        }

        LookAtTimeOfDevices();
        using HartProfile.Scope device = HartProfile.During(Profile, HartWork.Device);
        return bus.TryWrite(physical, size, value) || Fail(ExceptionCause.StoreAccessFault, address);
    }

    /// <summary>The host address of an atomic's operand, or null. Atomics reach RAM only, and aligned.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public byte* AtomicOperand(ulong address, int size, Access access)
    {
        using HartProfile.Scope scope = HartProfile.During(Profile, HartWork.Walk);
        bool store = access == Access.Store;
        if ((address & (ulong)(size - 1)) != 0)
        {
            Fail(store ? ExceptionCause.StoreMisaligned : ExceptionCause.LoadMisaligned, address);
            return null;
        }

        if (Tlb.TryRecall(state->Context.DataTlb, address, access))
        {
            return Recalled(address);
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
        if (Fetched(mode).TryGet(address, out ulong physical, out bool isWhole))
        {
            page = PageOf(memory.Find(physical)!, physical, isWhole);
        }
        else if (!FindFetchedPage(address, mode, out page))
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

        FetchTable fetched = Fetched(mode);
        if (fetched.IsFull)
        {
            fetched.Clear();
            blocks.ForgetJumps(BlockCache.JumpsOf(mode, AddressSpace));
        }

        page = PageOf(region, physical, Pmp.AllowsWholePage(physical, Access.Fetch, mode));
        fetched.Add(address, page.Physical, page.IsWhole);
        return true;
    }

    private static FetchedPage PageOf(PhysicalMemory.Region region, ulong physical, bool isWhole) =>
        new((nint)(region.Host + (physical - region.Base)), physical, region.PageAt(physical), isWhole);

    /// <summary>The TLB that data accesses use with a mode.</summary>
    public int Context(PrivilegeMode mode) => mode switch
    {
        PrivilegeMode.User => Tlb.User(AddressSpace),
        PrivilegeMode.Supervisor => csrs.SupervisorReadsUserMemory ? Tlb.SupervisorUserMemory(AddressSpace) : Tlb.Supervisor,
        _ => Tlb.Machine,
    };

    public void Dispose() => Tlb.Dispose();

    private static bool CrossesPage(ulong address, int size) => (address & PageMask) + (ulong)size > PhysicalMemory.PageSize;

    /// <summary>Where an address's page is in RAM, whose entry has come back to its place.</summary>
    private byte* Recalled(ulong address) => (byte*)(address + state->EntryOf(address)->Addend);

    private void LoadFrom(byte* host, int size) => state->LoadValue = size switch
    {
        1 => *host,
        2 => Unsafe.ReadUnaligned<ushort>(host),
        4 => Unsafe.ReadUnaligned<uint>(host),
        _ => Unsafe.ReadUnaligned<ulong>(host),
    };

    private static void StoreTo(byte* host, ulong value, int size)
    {
        switch (size)
        {
            case 1: *host = (byte)value; break;
            case 2: Unsafe.WriteUnaligned(host, (ushort)value); break;
            case 4: Unsafe.WriteUnaligned(host, (uint)value); break;
            default: Unsafe.WriteUnaligned(host, value); break;
        }
    }

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
        bool isGlobal = false;
        int levelShift = PhysicalMemory.PageShift;
        if (mode == PrivilegeMode.Machine || csrs.TranslationLevels == 0)
        {
            physical = address;
            permissions = Pte.Readable | Pte.Writable | Pte.Executable | Pte.Dirty;
        }
        else
        {
            switch (_walker.Walk(address, access, mode, out physical, out permissions, out levelShift))
            {
                case WalkResult.PageFault: return PageFault(address, access);
                case WalkResult.AccessFault: return AccessFault(address, access);
                case WalkResult.PageAwaited: return Fail(ExceptionCause.PageAwaited, address);
            }

            isGlobal = _walker.FoundGlobal;
        }

        PhysicalMemory.Region? region = memory.Find(physical);
        if (region is null)
        {
            return true;
        }

        long page = region.PageAt(physical);
        if (!memory.TryHave(page))
        {
            return Fail(ExceptionCause.PageAwaited, address);
        }

        bool store = access == Access.Store && !region.ReadOnly;
        if (store && blocks.HasCode(page))
        {
            blocks.InvalidatePage(page);
            state->Limit = 0; // translated blocks of the page jump to each other: they must come out
        }

        if (store)
        {
            memory.BeforeWrite(page);
            memory.MarkDirty(page);
        }

        Remember(address, physical, region, page, permissions, mode);
        NoteKept(address, access, mode, isGlobal, levelShift);
        return true;
    }

    private void Remember(ulong address, ulong physical, PhysicalMemory.Region region, long page, ulong permissions, PrivilegeMode mode)
    {
        ulong tag = address & ~PageMask;
        bool MayKeep(ulong permission, Access access) =>
            (permissions & permission) == permission && Pmp.AllowsWholePage(physical, access, mode);

        bool unnoticed = !region.ReadOnly && !blocks.HasCode(page) && !memory.WantsToKnowWriteTo(page);
        TlbEntry entry = new()
        {
            Read = MayKeep(Pte.Readable, Access.Load) ? tag : TlbEntry.Invalid,
            Write = unnoticed && MayKeep(Pte.Writable | Pte.Dirty, Access.Store) ? tag : TlbEntry.Invalid,
            Addend = (ulong)region.Host + ((physical & ~PageMask) - region.Base) - tag,
        };
        Debug.Assert(entry.Write == TlbEntry.Invalid || !region.ReadOnly, "nothing stores to read-only RAM unchecked");
        Tlb.Put(Tlb.Use(Context(mode)), address, entry);
        if ((++_lookups % LookupsPerLook) == 0 && LongestRun != 0)
        {
            LookAtTime();
        }
    }

    private void LookAtTimeOfDevices()
    {
        if ((++_deviceAccesses % AccessesPerLook) == 0 && LongestRun != 0)
        {
            LookAtTime();
        }
    }

    /// <summary>
    /// Ends a run that takes too long: each page may be one that the host has to find first, and devices work while they are accessed.
    /// </summary>
    private void LookAtTime()
    {
        long now = Stopwatch.GetTimestamp();
        if (_lookedAt == 0)
        {
            _lookedAt = now;
        }
        else if (now - _lookedAt > LongestRun)
        {
            IsOverdue = true;
            state->Limit = 0;
        }
    }
}
