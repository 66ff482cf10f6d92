using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Mmu;

/// <summary>A page of RAM that may be accessed without a walk. A tag is the page's virtual address, or <see cref="Invalid"/>.</summary>
[StructLayout(LayoutKind.Sequential, Size = 32)]
internal struct TlbEntry
{
    /// <summary>A tag that no access has: a page address has its low bits clear.</summary>
    public const ulong Invalid = ulong.MaxValue;

    /// <summary>Tag for loads.</summary>
    public ulong Read;

    /// <summary>Tag for stores; absent while the page holds decoded code, or is not dirty and somebody counts dirty pages, so that stores there are noticed.</summary>
    public ulong Write;

    /// <summary>Host address minus virtual address.</summary>
    public ulong Addend;
}

/// <summary>The software TLBs: one for each way in which a data access can be checked.</summary>
/// <remarks>
/// Safety: the entries are this object's until it is disposed of, after its hart's last run; contexts are of the constants below, indexes
/// come from <see cref="Index"/>.
/// </remarks>
internal sealed unsafe class Tlb : IDisposable
{
    public const int Size = 256;
    public const int User = 0, Supervisor = 1, SupervisorUserMemory = 2, Machine = 3;
    private const int Count = 4;

    private readonly TlbEntry* _entries = (TlbEntry*)NativeMemory.AlignedAlloc(Count * Size * (nuint)sizeof(TlbEntry), 64);

    public Tlb() => FlushAll();

    /// <summary>The first entry of one TLB.</summary>
    public TlbEntry* this[int context]
    {
        get
        {
            Debug.Assert(context is >= 0 and < Count, "one of the contexts");
            return _entries + (context * Size);
        }
    }

    /// <summary>Forgets every translation.</summary>
    public void FlushAll() => NativeMemory.Fill(_entries, Count * Size * (nuint)sizeof(TlbEntry), 0xff);

    /// <summary>Forgets the translation of one page.</summary>
    public void FlushPage(ulong address)
    {
        for (int context = 0; context < Count; context++)
        {
            TlbEntry* entry = this[context] + Index(address);
            entry->Read = entry->Write = TlbEntry.Invalid;
        }
    }

    /// <summary>Makes stores to a host page take the slow path.</summary>
    public void ProtectHostPage(byte* page)
    {
        for (TlbEntry* entry = _entries; entry < _entries + (Count * Size); entry++)
        {
            if (entry->Write != TlbEntry.Invalid && entry->Write + entry->Addend == (ulong)page)
            {
                entry->Write = TlbEntry.Invalid;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Index(ulong address) => (uint)(address >> PhysicalMemory.PageShift) & (Size - 1);

    public void Dispose() => NativeMemory.AlignedFree(_entries);
}
