namespace PsVm.Riscv.Mmu;

/// <summary>Bits of a page table entry (privileged manual, section "Page Table Entry").</summary>
internal static class Pte
{
    public const ulong Valid = 1, Readable = 2, Writable = 4, Executable = 8, UserPage = 16, Global = 32, Accessed = 64, Dirty = 128;

    /// <summary>Those that must be 0: of Svnapot, Svpbmt and what may come.</summary>
    public const ulong Reserved = 0xffc0_0000_0000_0000;

    /// <summary>The number of a physical page, once it is shifted down.</summary>
    public const ulong PpnMask = (1ul << 44) - 1;
}
