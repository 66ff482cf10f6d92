using PsVm.Riscv;
using PsVm.Riscv.Memory;

namespace PsVm.Machine.Firmware;

/// <summary>Starts, stops and suspends harts (chapter "Hart State Management Extension").</summary>
internal sealed class HartStateExtension(SbiContext context) : ISbiExtension
{
    private const uint SuspendRetentive = 0;
    private const uint SuspendNonRetentive = 0x8000_0000;

    public IReadOnlyList<ulong> Ids => [0x48_534d]; // "HSM"

    public SbiResult Call(Hart hart, ulong id, ulong function)
    {
        ulong target = hart[10];
        switch (function)
        {
            case 0:
                return Start(target, hart[11], hart[12]);
            case 1:
                context.Supervised.Stop(hart);
                return SbiResult.Success();
            case 2 when target >= (ulong)context.Supervised.Count:
                return SbiError.InvalidParameter;
            case 2:
                return SbiResult.Success((ulong)context.Supervised[(int)target]);
            case 3:
                return Suspend(hart, (uint)hart[10], hart[11], hart[12]);
            default:
                return SbiError.NotSupported;
        }
    }

    private SbiResult Start(ulong target, ulong entry, ulong argument)
    {
        if (target >= (ulong)context.Supervised.Count)
        {
            return SbiError.InvalidParameter;
        }

        if (!context.IsEntry(entry))
        {
            return SbiError.InvalidAddress;
        }

        return context.Supervised.TryStart((int)target, entry, argument) ? SbiResult.Success() : SbiError.AlreadyAvailable;
    }

    private SbiResult Suspend(Hart hart, uint type, ulong entry, ulong argument)
    {
        switch (type)
        {
            case SuspendRetentive:
                context.Supervised.Suspend(hart, entry: null, argument);
                return SbiResult.Success();
            case SuspendNonRetentive when !context.IsEntry(entry):
                return SbiError.InvalidAddress;
            case SuspendNonRetentive:
                context.Supervised.Suspend(hart, entry, argument);
                return SbiResult.Success();
            default:
                return SbiError.InvalidParameter;
        }
    }
}
