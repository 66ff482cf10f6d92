using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Mmu;

/// <summary>
/// A page of RAM that may be accessed without a walk. A tag is the page's virtual address, or <see cref="Invalid"/>. An entry of zeros, but
/// for the first and the last one, is as good as invalid: page 0 is the first entry's, and what reaches into it from the last page looks
/// into the last.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = 32)]
internal struct TlbEntry
{
    /// <summary>A tag that no access has: a page address has its low bits clear.</summary>
    public const ulong Invalid = ulong.MaxValue;

    /// <summary>Tag for loads.</summary>
    public ulong Read;

    /// <summary>
    /// Tag for stores; absent while stores there must be noticed: the page holds decoded code, is not dirty and somebody counts those, or
    /// has a guard.
    /// </summary>
    public ulong Write;

    /// <summary>Host address minus virtual address.</summary>
    public ulong Addend;
}

/// <summary>
/// The software TLBs: one for each way in which a data access can be checked. User mode, and supervisor mode that may reach user pages,
/// have theirs for each address space. Supervisor mode else has one for all, since its pages are global as a rule. Before the entries,
/// which have one place each, are a few more: what is pushed out of its place goes there, and comes back in exchange when it is looked for.
/// All grow together while a guest pushes entries out at a rate at which it would go through all of them between a few traps.
/// </summary>
/// <remarks>
/// Safety: the entries are this object's until it is disposed of, after its hart's last run, and stay where they are when the TLBs grow;
/// contexts are of the constants below, indexes of no more places than there is room for.
/// Source: QEMU's softmmu resizes its TLBs by their use, too (accel/tcg/cputlb.c).
/// </remarks>
internal sealed unsafe class Tlb : IDisposable
{
    /// <summary>Places at first, and at most: of 32 MiB.</summary>
    public const int FirstSize = 128, MostSize = 8192;

    /// <summary>Places for entries that were pushed out, before the others: as many of those share one.</summary>
    public const int Victims = 32;

    /// <summary>Bytes of an entry, as a power of two.</summary>
    public const int EntryShift = 5;

    public const int Machine = 0, Supervisor = 1;
    private const int Count = 2 + (2 * AddressSpaces.Count), All = Victims + MostSize;

    // So many times they grow, which takes so many pushes within so many traps. Traps, because both tiers agree on their number.
    private const int Growth = 4, PushesToGrow = 2048;
    private const ulong TrapsPerLook = 16;

    private static readonly nuint s_bytes = (nuint)(Count * All * sizeof(TlbEntry));

    private readonly HartState* _state;

    // Most harts never run in machine mode, nor need most of the places: those take no memory.
    private readonly TlbEntry* _entries = (TlbEntry*)HostPages.Map(s_bytes);

    // One bit for each context that may hold a translation; the others do not.
    private uint _used;

    // One bit for each context that accesses may look into, whether or not it holds a translation.
    private uint _looked;

    // Pushes since there had been so many traps.
    private int _pushes;
    private ulong _trapsThen;

    // Once there are many places: a bit by which pages are known that have no tag for stores anywhere.
    private HostPageFilter? _stored;

    /// <param name="state">The hart's state, which has the number of places and of traps.</param>
    public Tlb(HartState* state)
    {
        _state = state;
        Size = FirstSize;
    }

    /// <summary>Places of each TLB.</summary>
    public int Size
    {
        get => (int)(_state->TlbMask >> EntryShift) + 1;
        private set => _state->TlbMask = (ulong)(value - 1) << EntryShift;
    }

    /// <summary>The TLB of user mode in an address space.</summary>
    public static int User(int space) => Supervisor + 1 + (2 * space);

    /// <summary>That of supervisor mode, with access to user pages.</summary>
    public static int SupervisorUserMemory(int space) => User(space) + 1;

    /// <summary>The first entry of one TLB, which accesses look into, or a translation is kept in, from now on.</summary>
    public TlbEntry* Use(int context)
    {
        TlbEntry* first = At(context);
        if ((_used >> context & 1) == 0)
        {
            _used |= 1u << context;
            _looked |= 1u << context;
            ForgetEnds(first);
        }

        return first;
    }

    /// <summary>Forgets every translation. Accesses may go on to look into a TLB that they looked into before.</summary>
    public void FlushAll()
    {
        for (int context = 0; context < Count; context++)
        {
            Flush(context);
        }
    }

    /// <summary>Forgets every translation of one TLB, in which accesses may go on to look.</summary>
    public void Flush(int context)
    {
        if ((_used >> context & 1) != 0)
        {
            NativeMemory.Fill(At(context) - Victims, (nuint)((Victims + Size) * sizeof(TlbEntry)), 0xff);
            _used &= ~(1u << context);
        }
    }

    /// <summary>Forgets the translation of one page in one TLB.</summary>
    public void FlushPage(int context, ulong address)
    {
        if ((_used >> context & 1) != 0)
        {
            Forget(Place(At(context), address));
            Forget(Victim(At(context), address));
        }
    }

    /// <summary>Makes stores to a host page take the slow path.</summary>
    public void ProtectHostPage(byte* page)
    {
        if (_stored is { } stored)
        {
            if (!stored.MayHave((ulong)page))
            {
                return;
            }

            stored.Clear();
        }

        for (int context = 0; context < Count; context++)
        {
            if ((_used >> context & 1) == 0)
            {
                continue;
            }

            for (TlbEntry* entry = At(context) - Victims; entry < At(context) + Size; entry++)
            {
                if (entry->Write == TlbEntry.Invalid)
                {
                    continue;
                }

                if (entry->Write + entry->Addend == (ulong)page)
                {
                    entry->Write = TlbEntry.Invalid;
                }
                else
                {
                    _stored?.Add(entry->Write + entry->Addend);
                }
            }
        }
    }

    /// <summary>The place of an address's entry in one TLB.</summary>
    public TlbEntry* Place(TlbEntry* first, ulong address) => first + Index(address);

    /// <summary>
    /// Exchanges the entry in an address's place for the one that was pushed out of it, if that allows the access; false: it does not.
    /// Translated code has the same in line, so that both tiers know the same of a page table that has changed.
    /// </summary>
    /// <param name="first">The TLB.</param>
    /// <param name="address">The address, of an access that does not cross a page.</param>
    /// <param name="access">A load or a store.</param>
    public bool TryRecall(TlbEntry* first, ulong address, Access access)
    {
        TlbEntry* entry = Place(first, address), victim = Victim(first, address);
        if ((access == Access.Store ? victim->Write : victim->Read) != (address & ~(PhysicalMemory.PageSize - 1)))
        {
            return false;
        }

        (*entry, *victim) = (*victim, *entry);
        return true;
    }

    /// <summary>Puts an entry into its place: what is there of another page is kept, and nothing else of this page.</summary>
    public void Put(TlbEntry* first, ulong address, TlbEntry added)
    {
        TlbEntry* entry = Place(first, address), victim = Victim(first, address);
        ulong tag = address & ~(PhysicalMemory.PageSize - 1);
        ulong old = entry->Read != TlbEntry.Invalid ? entry->Read : entry->Write;
        if (old != TlbEntry.Invalid && old != tag && Index(old) == Index(address)) // or it was never written
        {
            *victim = *entry;
            if (IsTooSmall())
            {
                Grow();
                entry = Place(first, address);
            }
        }
        else if (victim->Read == tag || victim->Write == tag)
        {
            Forget(victim);
        }

        *entry = added;
        if (added.Write != TlbEntry.Invalid)
        {
            _stored?.Add(added.Write + added.Addend);
        }
    }

    public void Dispose() => HostPages.Unmap(_entries, s_bytes);

    private static void Forget(TlbEntry* entry) => entry->Read = entry->Write = TlbEntry.Invalid;

    /// <summary>Forgets what would not be as good as invalid where it was never written.</summary>
    private void ForgetEnds(TlbEntry* first)
    {
        foreach (int place in (ReadOnlySpan<int>)[-Victims, -1, 0, Size - 1])
        {
            Forget(first + place);
        }
    }

    private bool IsTooSmall()
    {
        if (_state->Traps - _trapsThen > TrapsPerLook)
        {
            (_pushes, _trapsThen) = (0, _state->Traps);
        }

        return ++_pushes > PushesToGrow && Size < MostSize;
    }

    /// <summary>Gives each TLB more places, which are empty.</summary>
    private void Grow()
    {
        uint used = _used;
        FlushAll();
        Size = Math.Min(Size * Growth, MostSize);
        _pushes = 0;
        (_stored ??= new HostPageFilter()).Clear();
        for (int context = 0; context < Count; context++)
        {
            if ((used >> context & 1) != 0)
            {
                Use(context);
            }
            else if ((_looked >> context & 1) != 0)
            {
                ForgetEnds(At(context));
            }
        }
    }

    private uint Index(ulong address) => (uint)(address >> PhysicalMemory.PageShift) & (uint)(Size - 1);

    private static TlbEntry* Victim(TlbEntry* first, ulong address) =>
        first - Victims + ((uint)(address >> PhysicalMemory.PageShift) & (Victims - 1));

    private TlbEntry* At(int context)
    {
        Debug.Assert(context is >= 0 and < Count, "one of the contexts");
        return _entries + (context * All) + Victims;
    }
}
