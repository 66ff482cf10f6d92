using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Mmu;

/// <summary>Tells of most pages of the host that they were not added: a bit for each, which others may share.</summary>
internal sealed class HostPageFilter
{
    /// <summary>So many bits: pages so many apart share one.</summary>
    public const int Bits = Words * BitsPerWord;

    private const int BitsPerWord = 64, Words = 512;

    private readonly ulong[] _bits = new ulong[Words];

    /// <summary>Adds a page, by its address.</summary>
    public void Add(ulong page) => _bits[Word(page)] |= Bit(page);

    /// <summary>Whether it, or one that shares its bit, was added.</summary>
    public bool MayHave(ulong page) => (_bits[Word(page)] & Bit(page)) != 0;

    /// <summary>Takes all away.</summary>
    public void Clear() => Array.Clear(_bits);

    private static int Word(ulong page) => (int)((page >> PhysicalMemory.PageShift) / BitsPerWord % Words);

    private static ulong Bit(ulong page) => 1ul << (int)((page >> PhysicalMemory.PageShift) % BitsPerWord);
}
