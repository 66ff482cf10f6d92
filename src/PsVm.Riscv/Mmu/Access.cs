namespace PsVm.Riscv.Mmu;

/// <summary>What an access does; the numbers lead to the exception codes of mcause.</summary>
internal enum Access
{
    /// <summary>Instruction fetch.</summary>
    Fetch = 0,

    /// <summary>Load, load-reserved.</summary>
    Load = 1,

    /// <summary>Store, store-conditional, AMO.</summary>
    Store = 2,
}
