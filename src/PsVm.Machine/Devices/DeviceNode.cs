namespace PsVm.Machine.Devices;

/// <summary>A device's place in a device tree.</summary>
/// <param name="Handle">The phandle that others may know its node by; it has to write it itself.</param>
/// <param name="HartInterrupts">Phandles of the harts' interrupt controllers, by hart.</param>
internal readonly record struct DeviceNode(uint Handle, IReadOnlyList<uint> HartInterrupts)
{
    /// <summary>Two interrupts of each hart, as cells of <c>interrupts-extended</c>.</summary>
    public uint[] OfEachHart(uint first, uint second) => [.. HartInterrupts.SelectMany(hart => (uint[])[hart, first, hart, second])];
}
