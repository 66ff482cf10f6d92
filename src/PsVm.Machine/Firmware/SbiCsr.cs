namespace PsVm.Machine.Firmware;

/// <summary>Numbers of the CSRs that firmware sets (privileged manual, section 2.2).</summary>
internal static class SbiCsr
{
    public const int SupervisorStatus = 0x100;
    public const int SupervisorCounterEnable = 0x106;
    public const int SupervisorTimerCompare = 0x14d;
    public const int AddressTranslation = 0x180;
    public const int MachineExceptionDelegation = 0x302;
    public const int MachineInterruptDelegation = 0x303;
    public const int MachineInterruptEnable = 0x304;
    public const int MachineCounterEnable = 0x306;
    public const int MachineEnvironmentConfiguration = 0x30a;
    public const int MachineCounterInhibit = 0x320;
    public const int PmpConfiguration0 = 0x3a0;
    public const int PmpAddress0 = 0x3b0;
    public const int MachineCycles = 0xb00;
    public const int MachineInstructions = 0xb02;
    public const int MachineVendorId = 0xf11;
    public const int MachineArchitectureId = 0xf12;
    public const int MachineImplementationId = 0xf13;
    public const int Cycles = 0xc00;
    public const int Instructions = 0xc02;
}
