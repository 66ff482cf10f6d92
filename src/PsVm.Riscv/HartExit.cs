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

    /// <summary>
    /// The hart executed PAUSE over and over: it looks at something that another hart is to change, and is to run again soon, but others
    /// may run first.
    /// </summary>
    Pause,

    /// <summary>
    /// The next instruction needs a page that is not there yet (<see cref="Memory.IPageSource"/>): the hart is to run again when it may be.
    /// </summary>
    WaitForPage,

    /// <summary><see cref="Hart.RequestExit"/> was called.</summary>
    Requested,
}
