using PsVm.Machine.Devices;
using PsVm.Riscv.Memory;

namespace PsVm.Machine.Board;

/// <summary>A block of RAM's place in the guest's physical address space.</summary>
/// <param name="Range">Guest physical addresses.</param>
/// <param name="ReadOnly">The memory is ROM.</param>
internal readonly record struct RamBlock(AddressRange Range, bool ReadOnly);

/// <summary>Where the guest's RAM is: blocks one after the other from <see cref="MemoryMap.RamStart"/>.</summary>
internal sealed class GuestMemory
{
    /// <param name="backends">
    /// Host address, size and kind of each block, in address order. The host memory stays mapped as long as the guest lives.
    /// </param>
    public GuestMemory(IReadOnlyList<(nint Host, ulong Size, bool ReadOnly)> backends)
    {
        ulong next = MemoryMap.RamStart;
        List<RamBlock> blocks = [];
        foreach ((nint host, ulong size, bool readOnly) in backends)
        {
            blocks.Add(new RamBlock(new AddressRange(next, size), readOnly));
            Physical.AddRam(next, host, size, readOnly);
            next += size;
        }

        Blocks = blocks;
    }

    /// <summary>The blocks in address order.</summary>
    public IReadOnlyList<RamBlock> Blocks { get; }

    /// <summary>The RAM itself, and the one way to it.</summary>
    public PhysicalMemory Physical { get; } = new();

    /// <summary>Tells harts that a part of a block may hold other bytes since a discard.</summary>
    /// <param name="block">One of <see cref="Blocks"/>.</param>
    /// <param name="offset">Bytes from its start, as an operator gave them.</param>
    /// <param name="length">Bytes, as an operator gave them.</param>
    public void NotifyDiscarded(RamBlock block, long offset, long length)
    {
        if (offset >= 0 && length > 0 && (ulong)offset < block.Range.Size)
        {
            Physical.NotifyWritten(block.Range.Start + (ulong)offset, Math.Min((ulong)length, block.Range.Size - (ulong)offset));
        }
    }
}
