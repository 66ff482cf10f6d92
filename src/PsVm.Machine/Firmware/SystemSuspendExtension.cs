using PsVm.Riscv;
using PsVm.Riscv.Memory;

namespace PsVm.Machine.Firmware;

/// <summary>
/// Suspend to RAM (chapter "System Suspend Extension"). The last hart sleeps until an interrupt that it has enabled is pending, such as its
/// timer's, or the board raises an interrupt source, enabled or not: console input where the UART is left on, the real-time clock's alarm
/// and, in a clone, the new generation id. It costs no more than an idle guest.
/// </summary>
internal sealed class SystemSuspendExtension(SbiContext context) : ISbiExtension
{
    private const uint SuspendToRam = 0;

    public IReadOnlyList<ulong> Ids => [0x5355_5350]; // "SUSP"

    public SbiResult Call(Hart hart, ulong id, ulong function)
    {
        if (function != 0)
        {
            return SbiError.NotSupported;
        }

        if ((uint)hart[10] != SuspendToRam)
        {
            return SbiError.InvalidParameter;
        }

        if (!context.IsEntry(hart[11]))
        {
            return SbiError.InvalidAddress;
        }

        return context.Supervised.TrySuspendAll(hart, hart[11], hart[12]) ? SbiResult.Success() : SbiError.Denied;
    }
}
