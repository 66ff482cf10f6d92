namespace PsVm.Riscv;

/// <summary>Privilege modes, numbered as in the privileged manual, section 1.2.</summary>
public enum PrivilegeMode : byte
{
    /// <summary>U: applications.</summary>
    User = 0,

    /// <summary>S: operating systems.</summary>
    Supervisor = 1,

    /// <summary>M: firmware.</summary>
    Machine = 3,
}
