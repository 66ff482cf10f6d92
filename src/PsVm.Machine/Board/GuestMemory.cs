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
    public GuestMemory(IEnumerable<(nint Host, ulong Size, bool ReadOnly)> backends)
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
}
