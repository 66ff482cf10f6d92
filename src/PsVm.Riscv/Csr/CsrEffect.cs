namespace PsVm.Riscv.Csr;

/// <summary>What the hart has to do after a CSR was written.</summary>
[Flags]
internal enum CsrEffect
{
    None = 0,

    /// <summary>Loads and stores are checked in another way now.</summary>
    DataContext = 1,

    /// <summary>Cached translations are wrong now.</summary>
    Translations = 2,

    /// <summary>An interrupt may have become deliverable.</summary>
    Interrupts = 4,

    /// <summary>Interrupts that were pending before may be taken now.</summary>
    InterruptsLetIn = 16,

    /// <summary>Another address space is in use now, whose translations may be known from before.</summary>
    AddressSpace = 8,
}
