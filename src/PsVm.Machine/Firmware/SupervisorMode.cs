using PsVm.Riscv;

namespace PsVm.Machine.Firmware;

/// <summary>The state in which a hart begins in supervisor mode (chapter "Hart State Management Extension", "Hart start").</summary>
internal static class SupervisorMode
{
    /// <summary>Puts a hart, which does not run, there.</summary>
    /// <param name="hart">The hart.</param>
    /// <param name="entry">Guest physical address of its first instruction.</param>
    /// <param name="argument">What it finds in a1; a0 is its number.</param>
    public static void Enter(Hart hart, ulong entry, ulong argument)
    {
        // All that a supervisor can handle is its own to handle; only its calls come here.
        const ulong delegatedExceptions = 0xb1ff;
        const ulong delegatedInterrupts = 0x222;
        const ulong allCounters = 7;
        const ulong supervisorTimerCompareEnable = 1ul << 63;
        const ulong cacheBlockInstructions = 0xf0; // CBIE, CBCFE, CBZE: where harts have them, there is nothing to keep from a supervisor
        const ulong anyAccessNapot = 0x1f;
        hart.TryWriteCsr(SbiCsr.MachineExceptionDelegation, delegatedExceptions);
        hart.TryWriteCsr(SbiCsr.MachineInterruptDelegation, delegatedInterrupts);
        hart.TryWriteCsr(SbiCsr.MachineCounterEnable, allCounters);
        hart.TryWriteCsr(SbiCsr.SupervisorCounterEnable, allCounters);
        hart.TryWriteCsr(SbiCsr.MachineEnvironmentConfiguration, supervisorTimerCompareEnable | cacheBlockInstructions);
        hart.TryWriteCsr(SbiCsr.PmpAddress0, ulong.MaxValue);
        hart.TryWriteCsr(SbiCsr.PmpConfiguration0, anyAccessNapot);

        // Who fenced others meanwhile left out a hart that was stopped. A change of satp forgets its translations.
        hart.RequestInstructionFence();
        hart.TryWriteCsr(SbiCsr.MachineInterruptEnable, 0);
        hart.TryWriteCsr(SbiCsr.SupervisorTimerCompare, ulong.MaxValue);
        hart.TryWriteCsr(SbiCsr.SupervisorStatus, 0);
        hart.TryWriteCsr(SbiCsr.AddressTranslation, 0);
        hart.Mode = PrivilegeMode.Supervisor;
        hart.Pc = entry;
        hart[10] = (ulong)hart.Id;
        hart[11] = argument;
    }
}
