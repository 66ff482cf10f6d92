namespace PsVm.Riscv;

/// <summary>What a hart's thread is doing, as a profile tells it apart.</summary>
internal enum HartWork
{
    /// <summary>Between blocks: budgets, requests, interrupts.</summary>
    Loop,

    /// <summary>Translated code.</summary>
    Translated,

    /// <summary>Decoded blocks.</summary>
    Interpreted,

    /// <summary>A jump to where the jump table knows no block: the page is looked up, and the block found or decoded.</summary>
    Lookup,

    /// <summary>A load, store or atomic that the TLB does not answer: the page table is walked.</summary>
    Walk,

    /// <summary>A device's register.</summary>
    Device,

    /// <summary>An atomic, floating point or cache block operation that translated code leaves to the interpreter's methods.</summary>
    Operation,

    /// <summary>A CSR instruction, but for satp.</summary>
    Csr,

    /// <summary>An instruction that names satp.</summary>
    Satp,

    /// <summary>SFENCE.VMA of everything, or of one address space.</summary>
    Fence,

    /// <summary>SFENCE.VMA of an address.</summary>
    AddressFence,

    /// <summary>FENCE.I.</summary>
    InstructionFence,

    /// <summary>A fence that another hart, a device or the host asked for.</summary>
    RemoteFence,

    /// <summary>MRET or SRET.</summary>
    Return,

    /// <summary>ECALL, answered by the environment or trapping.</summary>
    Call,

    /// <summary>A trap is taken.</summary>
    Trap,
}
