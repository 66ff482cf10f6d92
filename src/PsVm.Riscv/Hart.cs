namespace PsVm.Riscv;

/// <summary>One RV64GC hart with machine, supervisor and user mode.</summary>
public sealed unsafe class Hart : IDisposable
{
    /// <summary>Makes a hart; it is at reset: machine mode, pc 0.</summary>
    public Hart(int id, PhysicalMemory memory, IDeviceBus bus, IGuestClock clock, IExecutionEnvironment? environment = null) => throw new NotImplementedException();

    /// <summary>The hart's number, <c>mhartid</c>.</summary>
    public int Id => throw new NotImplementedException();

    /// <summary>Address of the next instruction.</summary>
    public ulong Pc { get; set; }

    /// <summary>The privilege mode it runs in.</summary>
    public PrivilegeMode Mode { get; set; }

    /// <summary>Instructions retired since it was made.</summary>
    public ulong InstructionsRetired => throw new NotImplementedException();

    /// <summary>Time at which the machine timer interrupt becomes pending (ACLINT <c>mtimecmp</c>). Safe from any thread.</summary>
    public ulong MachineTimerCompare { get; set; }

    /// <summary>The earliest time at which a timer of this hart fires; <see cref="ulong.MaxValue"/>: none is armed.</summary>
    public ulong NextTimer => throw new NotImplementedException();

    /// <summary>An interrupt is pending and enabled in <c>mie</c>, which ends WFI. Safe from any thread.</summary>
    public bool HasWakeup => throw new NotImplementedException();

    /// <summary>An integer register.</summary>
    public ulong this[int register] { get => throw new NotImplementedException(); set => throw new NotImplementedException(); }

    /// <summary>Reads a CSR as machine mode would; side effects as in the manual.</summary>
    /// <returns>False: no such CSR.</returns>
    public bool TryReadCsr(int number, out ulong value) => throw new NotImplementedException();

    /// <summary>Writes a CSR as machine mode would.</summary>
    /// <returns>False: no such CSR, or read-only.</returns>
    public bool TryWriteCsr(int number, ulong value) => throw new NotImplementedException();

    /// <summary>Runs until the budget is used up, the hart waits for an interrupt, or an exit is requested.</summary>
    /// <param name="maxInstructions">Budget; the run may pass it by less than a block.</param>
    public HartExit Run(ulong maxInstructions) => throw new NotImplementedException();

    /// <summary>Raises or lowers interrupt lines. Safe from any thread; a running hart notices within a block.</summary>
    public void SetInterrupt(InterruptLines lines, bool level) => throw new NotImplementedException();

    /// <summary>Makes a running, or the next, <see cref="Run"/> return soon. Safe from any thread.</summary>
    public void RequestExit() => throw new NotImplementedException();

    /// <summary>Asks for FENCE.I on this hart before its next block. Safe from any thread.</summary>
    public void RequestInstructionFence() => throw new NotImplementedException();

    /// <summary>Asks for a full SFENCE.VMA on this hart before its next block. Safe from any thread.</summary>
    public void RequestAddressFence() => throw new NotImplementedException();

    /// <inheritdoc/>
    public void Dispose() => throw new NotImplementedException();
}
