using PsVm.Machine.State;
using PsVm.Riscv;

namespace PsVm.Machine.Firmware;

/// <summary>
/// Features of the firmware that a supervisor turns on and off (chapter "Firmware Features Extension"). Misaligned accesses are always the
/// supervisor's to handle, where the hart does not do them itself; the hardware of the other features is not there.
/// </summary>
internal sealed class FirmwareFeaturesExtension(int harts) : ISbiExtension, IStateful
{
    private const uint DelegateMisaligned = 0;
    private const uint LastKnown = 5; // landing pads, shadow stacks, double traps, A and D bits by extension, pointer masking
    private const ulong On = 1;
    private const ulong Lock = 1;

    private readonly bool[] _locked = new bool[harts];

    public IReadOnlyList<ulong> Ids => [0x4657_4654]; // "FWFT"

    public SbiResult Call(Hart hart, ulong id, ulong function)
    {
        uint feature = (uint)hart[10];
        return function switch
        {
            > 1 => SbiError.NotSupported,
            _ when feature > LastKnown => SbiError.Denied,
            _ when feature != DelegateMisaligned => SbiError.NotSupported,
            0 => Set(hart.Id, hart[11], hart[12]),
            _ => SbiResult.Success(On),
        };
    }

    public void Reset(int hart) => _locked[hart] = false;

    public void Transfer(StateStream state) => state.Transfer(_locked.AsSpan());

    private SbiResult Set(int hart, ulong value, ulong flags)
    {
        if (value > On || (flags & ~Lock) != 0)
        {
            return SbiError.InvalidParameter;
        }

        // Off would mean that this firmware does the accesses.
        if (value != On)
        {
            return _locked[hart] ? SbiError.DeniedLocked : SbiError.Denied;
        }

        _locked[hart] |= (flags & Lock) != 0;
        return SbiResult.Success();
    }
}
