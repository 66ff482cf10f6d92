namespace PsVm.Riscv;

/// <summary>Exception codes of mcause (privileged manual, table "mcause values after trap").</summary>
internal static class ExceptionCause
{
    public const ulong InstructionMisaligned = 0;
    public const ulong InstructionAccessFault = 1;
    public const ulong IllegalInstruction = 2;
    public const ulong Breakpoint = 3;
    public const ulong LoadMisaligned = 4;
    public const ulong LoadAccessFault = 5;
    public const ulong StoreMisaligned = 6;
    public const ulong StoreAccessFault = 7;
    public const ulong EcallFromUser = 8;
    public const ulong InstructionPageFault = 12;
    public const ulong LoadPageFault = 13;
    public const ulong StorePageFault = 15;

    /// <summary>None that a guest sees: the page is not there yet, and the instruction is to be run again when it is.</summary>
    public const ulong PageAwaited = 1ul << 62;

    /// <summary>Set in mcause for an interrupt.</summary>
    public const ulong Interrupt = 1ul << 63;
}
