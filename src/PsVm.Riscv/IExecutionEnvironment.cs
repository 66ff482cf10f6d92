namespace PsVm.Riscv;

/// <summary>Takes the place of machine-mode firmware: answers ECALL from supervisor mode.</summary>
public interface IExecutionEnvironment
{
    /// <summary>Handles the call in a7/a6/a0-a5 and sets a0/a1. Called on the hart's thread.</summary>
    /// <returns>False: the call is not handled here and traps as usual.</returns>
    bool TryHandleCall(Hart hart);
}
