namespace PsVm.Riscv;

/// <summary>Why <see cref="Hart.Run"/> returned.</summary>
public enum HartExit
{
    /// <summary>The instruction budget is used up.</summary>
    Budget,

    /// <summary>The hart executed WFI and no enabled interrupt is pending.</summary>
    WaitForInterrupt,

    /// <summary><see cref="Hart.RequestExit"/> was called.</summary>
    Requested,
}
