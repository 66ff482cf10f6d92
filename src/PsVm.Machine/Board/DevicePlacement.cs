using PsVm.Machine.Devices;

namespace PsVm.Machine.Board;

/// <summary>A device of a board.</summary>
/// <param name="Name">Its name on the board, which is that of its section of a machine's state, and which templates list.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Address">Guest physical address of its first register.</param>
/// <param name="Interrupts">Its sources at the interrupt controller.</param>
internal sealed record DevicePlacement(string Name, DeviceKind Kind, ulong Address, params IReadOnlyList<int> Interrupts)
{
    /// <summary>Where its registers are.</summary>
    public AddressRange Range => new(Address, Kind.Size);
}
