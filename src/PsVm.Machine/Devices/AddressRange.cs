namespace PsVm.Machine.Devices;

/// <summary>A range of guest physical addresses.</summary>
/// <param name="Start">First address.</param>
/// <param name="Size">Bytes.</param>
internal readonly record struct AddressRange(ulong Start, ulong Size)
{
    /// <summary>The address after the last one.</summary>
    public ulong End => Start + Size;

    public override string ToString() => Size == 0 ? $"0x{Start:x}, no bytes"
        : Size - 1 > ulong.MaxValue - Start ? $"0x{Start:x} and on for 0x{Size:x} bytes, beyond the last address"
        : $"0x{Start:x}-0x{End - 1:x}";
}
