using System.Numerics;
using PsVm.Riscv;

namespace PsVm.Machine.Firmware;

/// <summary>Interrupts between harts (chapter "IPI Extension").</summary>
internal sealed class IpiExtension(SbiContext context) : ISbiExtension
{
    public IReadOnlyList<ulong> Ids => [0x73_5049]; // "sPI"

    public SbiResult Call(Hart hart, ulong id, ulong function)
    {
        if (function != 0)
        {
            return SbiError.NotSupported;
        }

        if (!context.TrySelect(hart, out ulong targets))
        {
            return SbiError.InvalidParameter;
        }

        for (; targets != 0; targets &= targets - 1)
        {
            int target = BitOperations.TrailingZeroCount(targets);
            context.Events.Count(hart.Id, FirmwareEvent.IpiSent);
            context.Events.Count(target, FirmwareEvent.IpiReceived);
            context.Lines.SetInterrupt(target, InterruptLines.SupervisorSoftware, true);
        }

        return SbiResult.Success();
    }
}
