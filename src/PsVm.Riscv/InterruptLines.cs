namespace PsVm.Riscv;

/// <summary>Interrupt pending bits of a hart, as they stand in <c>mip</c> (privileged manual, section 3.1.9).</summary>
[Flags]
public enum InterruptLines : uint
{
    /// <summary>No line.</summary>
    None = 0,

    /// <summary>SSIP: supervisor software interrupt.</summary>
    SupervisorSoftware = 1u << 1,

    /// <summary>MSIP: machine software interrupt, from the ACLINT.</summary>
    MachineSoftware = 1u << 3,

    /// <summary>STIP: supervisor timer interrupt.</summary>
    SupervisorTimer = 1u << 5,

    /// <summary>MTIP: machine timer interrupt.</summary>
    MachineTimer = 1u << 7,

    /// <summary>SEIP: supervisor external interrupt, from the PLIC.</summary>
    SupervisorExternal = 1u << 9,

    /// <summary>MEIP: machine external interrupt, from the PLIC.</summary>
    MachineExternal = 1u << 11,
}
