using PsVm.Machine.Devices;
using PsVm.Riscv;
using PsVm.Riscv.Memory;

namespace PsVm.Machine.Board;

/// <summary>A backend's place in the guest's physical address space.</summary>
/// <param name="Range">Guest physical addresses.</param>
/// <param name="Host">Host address of the first byte; it stays mapped as long as the guest lives.</param>
/// <param name="ReadOnly">The memory is ROM.</param>
internal readonly record struct RamBlock(AddressRange Range, nint Host, bool ReadOnly);

/// <summary>The guest's RAM: blocks one after the other from <see cref="MemoryMap.RamStart"/>.</summary>
internal sealed unsafe class GuestMemory
{
    /// <param name="backends">Host address, size and kind of each block, in address order.</param>
    public GuestMemory(IEnumerable<(nint Host, ulong Size, bool ReadOnly)> backends)
    {
        ulong next = MemoryMap.RamStart;
        List<RamBlock> blocks = [];
        foreach ((nint host, ulong size, bool readOnly) in backends)
        {
            blocks.Add(new RamBlock(new AddressRange(next, size), host, readOnly));
            Physical.AddRam(next, host, size, readOnly);
            next += size;
        }

        Blocks = blocks;
    }

    /// <summary>The blocks in address order.</summary>
    public IReadOnlyList<RamBlock> Blocks { get; }

    /// <summary>The same as harts see it.</summary>
    public PhysicalMemory Physical { get; } = new();

    /// <summary>Writes bytes; the range is RAM and not read-only.</summary>
    public void Write(ulong address, ReadOnlySpan<byte> bytes)
    {
        for (int done = 0; done < bytes.Length;)
        {
            Span<byte> part = Part(address + (ulong)done, (ulong)(bytes.Length - done));
            bytes.Slice(done, part.Length).CopyTo(part);
            done += part.Length;
        }
    }

    /// <summary>Fills a range, which is RAM and not read-only, from a stream.</summary>
    /// <exception cref="EndOfStreamException">The stream ended first.</exception>
    public void Load(ulong address, Stream source, ulong length)
    {
        while (length > 0)
        {
            Span<byte> part = Part(address, length);
            source.ReadExactly(part);
            address += (ulong)part.Length;
            length -= (ulong)part.Length;
        }
    }

    /// <summary>Writes zeros to a range, which is RAM and not read-only.</summary>
    public void Clear(ulong address, ulong length)
    {
        while (length > 0)
        {
            Span<byte> part = Part(address, length);
            part.Clear();
            address += (ulong)part.Length;
            length -= (ulong)part.Length;
        }
    }

    /// <summary>The longest start of a range that lies in one block and fits in a span; empty: the address is not RAM.</summary>
    /// <remarks>The bytes of read-only blocks must not be written.</remarks>
    public Span<byte> SpanAt(ulong address, ulong length)
    {
        foreach (RamBlock block in Blocks)
        {
            ulong offset = address - block.Range.Start;
            if (offset < block.Range.Size)
            {
                return new Span<byte>((byte*)block.Host + offset, (int)Math.Min(Math.Min(length, block.Range.Size - offset), 1 << 30));
            }
        }

        return [];
    }

    private Span<byte> Part(ulong address, ulong length)
    {
        Span<byte> part = SpanAt(address, length);
        return part.IsEmpty ? throw new ArgumentOutOfRangeException(nameof(address), $"0x{address:x} is not RAM") : part;
    }
}
