using PsVm.Riscv;

namespace PsVm.Machine.Firmware;

/// <summary>The supervisor's timer (chapter "Timer Extension").</summary>
internal sealed class TimerExtension(SbiContext context) : ISbiExtension
{
    public IReadOnlyList<ulong> Ids => [0x5449_4d45]; // "TIME"

    /// <summary>Sets the caller's timer.</summary>
    public static void SetTimer(SbiContext context, Hart caller, ulong time)
    {
        context.Events.Count(caller.Id, FirmwareEvent.SetTimer);
        caller.TryWriteCsr(SbiCsr.SupervisorTimerCompare, time);
    }

    public SbiResult Call(Hart hart, ulong id, ulong function)
    {
        if (function != 0)
        {
            return SbiError.NotSupported;
        }

        SetTimer(context, hart, hart[10]);
        return SbiResult.Success();
    }
}
