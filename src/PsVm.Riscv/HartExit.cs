namespace PsVm.Riscv;

/// <summary>Why <see cref="Hart.Run"/> returned.</summary>
public enum HartExit
{
    /// <summary>The instruction budget is used up.</summary>
    Budget,

    /// <summary>The hart executed WFI and no enabled interrupt is pending.</summary>
    WaitForInterrupt,

    /// <summary>
    /// The hart executed WRS.NTO or WRS.STO and holds a reservation: it looks again when it runs again, which is to be soon, but others may
    /// run first.
    /// </summary>
    WaitForStore,

    /// <summary><see cref="Hart.RequestExit"/> was called.</summary>
    Requested,
}
