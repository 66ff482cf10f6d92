namespace PsVm.Riscv;

/// <summary>RAM as harts and devices see it: physical ranges behind host pointers. Shared by all harts of a guest.</summary>
public sealed unsafe class PhysicalMemory
{
    /// <summary>Adds a range of RAM.</summary>
    /// <param name="address">Guest physical address; a multiple of 4096.</param>
    /// <param name="host">Host address of the first byte.</param>
    /// <param name="length">Bytes; a multiple of 4096.</param>
    /// <param name="readOnly">Stores by the guest are access faults.</param>
    public void AddRam(ulong address, nint host, ulong length, bool readOnly) => throw new NotImplementedException();

    /// <summary>A host pointer to guest RAM, or null where the whole range is not in one range of RAM.</summary>
    /// <param name="address">Guest physical address.</param>
    /// <param name="length">Bytes.</param>
    public byte* TryGetPointer(ulong address, ulong length) => throw new NotImplementedException();

    /// <summary>Says that a device or the host wrote guest RAM, so that no hart runs stale decoded code.</summary>
    /// <param name="address">Guest physical address.</param>
    /// <param name="length">Bytes.</param>
    public void NotifyWritten(ulong address, ulong length) => throw new NotImplementedException();
}
