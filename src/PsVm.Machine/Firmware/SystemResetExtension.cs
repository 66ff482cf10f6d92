using PsVm.Machine.Devices;
using PsVm.Riscv;

namespace PsVm.Machine.Firmware;

/// <summary>Power off and reboot (chapter "System Reset Extension").</summary>
internal sealed class SystemResetExtension(SbiContext context) : ISbiExtension
{
    public IReadOnlyList<ulong> Ids => [0x5352_5354]; // "SRST"

    public SbiResult Call(Hart hart, ulong id, ulong function)
    {
        const uint shutdown = 0;
        const uint lastType = 2;
        const uint systemFailure = 1;
        (uint type, uint reason) = ((uint)hart[10], (uint)hart[11]);
        if (function != 0)
        {
            return SbiError.NotSupported;
        }

        if (type > lastType || reason > systemFailure)
        {
            return SbiError.InvalidParameter;
        }

        PowerRequest request = reason == systemFailure ? PowerRequest.Fail
            : type == shutdown ? PowerRequest.Off : PowerRequest.Reboot;
        context.RequestPower(hart, request, reason);
        return SbiResult.Success();
    }
}
