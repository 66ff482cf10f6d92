using System.Buffers.Binary;
using System.Diagnostics;
using System.Numerics;
using PsVm.Machine.State;
using PsVm.Riscv.Memory;

namespace PsVm.Machine.Devices.Virtio;

/// <summary>
/// A split virtqueue: the driver's descriptors and rings in guest RAM, none of which is believed. What is read once is used as it was read,
/// so a driver that changes it meanwhile changes nothing.
/// </summary>
/// <remarks>
/// Under the transport's gate. Source: VIRTIO 1.2, section 2.7. The driver's stores are seen in their order, and the device's stores come
/// before what announces them, by full barriers; <see cref="PhysicalMemory"/> has one behind each of its writes.
/// </remarks>
/// <param name="ram">The guest's RAM.</param>
/// <param name="maxSize">The most entries that it may have; a power of two.</param>
internal sealed class VirtioQueue(PhysicalMemory ram, int maxSize)
{
    private const int DescriptorSize = 16, UsedSize = 8;
    private const ulong DescriptorAlignment = 16, DriverAlignment = 2, DeviceAlignment = 4;
    private const ushort HasNext = 1, IsWritable = 2, IsIndirect = 4;
    private const ushort NoInterrupt = 1;
    private const ulong LongestChain = 1ul << 32;

    private ushort _nextAvailable;
    private ushort _nextUsed;
    private ushort _signalled; // where the used ring was when the driver was told last, or would have been
    private int _armed = -1; // where the driver was asked to notify; -1: nowhere
    private AddressRange[] _parts = [];

    /// <summary>The most entries that it may have.</summary>
    public int MaxSize => maxSize;

    /// <summary>Entries, as the driver wants it.</summary>
    public uint Size { get; set; } = (uint)maxSize;

    /// <summary>Address of the descriptors.</summary>
    public ulong Descriptors { get; set; }

    /// <summary>Address of the driver's ring, of buffers that are available.</summary>
    public ulong Driver { get; set; }

    /// <summary>Address of the device's ring, of buffers that were used.</summary>
    public ulong Device { get; set; }

    /// <summary>The driver has said where it is, and it can be there.</summary>
    public bool IsReady { get; private set; }

    /// <summary>How often it was disabled: buffers of lives before are not its any more.</summary>
    public int Life { get; private set; }

    /// <summary>Driver and device tell each other when they want to be notified (VIRTIO_F_EVENT_IDX).</summary>
    public bool HasEventIndex { get; set; }

    /// <summary>Descriptors may be in tables elsewhere (VIRTIO_F_INDIRECT_DESC).</summary>
    public bool HasIndirect { get; set; }

    /// <summary>Begins to use it.</summary>
    /// <returns>What is wrong with it; null: nothing.</returns>
    public string? Enable()
    {
        if (CheckPlace() is { } wrong)
        {
            return wrong;
        }

        (_nextAvailable, _nextUsed, _signalled, _armed) = (0, 0, 0, -1);
        IsReady = true;
        return null;
    }

    /// <summary>Where it is, for those who work on it elsewhere.</summary>
    public VirtioQueuePlace PlaceAs(int number) => new(number, (int)Size, Descriptors, Driver, Device);

    /// <summary>Finds out how far others have worked on it, who do so no more: up to what they have given back.</summary>
    public void FindUsed()
    {
        if (IsReady && ram.TryLoad(new GuestAddress(Device + 2), out ushort used))
        {
            (_nextAvailable, _nextUsed, _signalled) = (used, used, used);
        }
    }

    /// <summary>Ends its life: nothing of it is used any more.</summary>
    public void Disable()
    {
        IsReady = false;
        Life++;
    }

    /// <summary>As it is without a driver.</summary>
    public void Reset()
    {
        Disable();
        Size = (uint)maxSize;
        (Descriptors, Driver, Device) = (0, 0, 0);
        (_nextAvailable, _nextUsed, _signalled, _armed) = (0, 0, 0, -1);
        (HasEventIndex, HasIndirect) = (false, false);
    }

    /// <summary>Takes the next buffer.</summary>
    /// <param name="wrong">What is wrong with the ring or the buffer; null: nothing.</param>
    /// <returns>Null: there is none, and the driver was asked to notify of the next; or something is wrong.</returns>
    public VirtioChain? Pop(out string? wrong)
    {
        Debug.Assert(IsReady, "nobody looks into a queue that has no place");
        wrong = null;
        while (true)
        {
            if (!ram.TryLoad(new GuestAddress(Driver + 2), out ushort published))
            {
                wrong = "expected the driver's ring in RAM";
                return null;
            }

            ushort waiting = (ushort)(published - _nextAvailable);
            if (waiting > Size)
            {
                wrong = $"expected at most {Size} buffers, found {waiting}";
                return null;
            }

            if (waiting != 0)
            {
                break;
            }

            if (!HasEventIndex || _armed == _nextAvailable)
            {
                return null;
            }

            // What came before the driver could see that shows at the second look.
            _armed = _nextAvailable;
            _ = ram.Store(new GuestAddress(Device + 4 + (Size * UsedSize)), _nextAvailable);
            Thread.MemoryBarrier();
        }

        Thread.MemoryBarrier(); // what the driver stored before it published the buffer
        if (!ram.TryLoad(new GuestAddress(Driver + 4 + (_nextAvailable & (Size - 1)) * 2), out ushort head) || head >= Size)
        {
            wrong = $"expected a descriptor below {Size}, found {head}";
            return null;
        }

        _nextAvailable++;
        VirtioChain chain = new(ram, this, head);
        wrong = Follow(chain);
        return wrong is null ? chain : null;
    }

    /// <summary>Leaves the buffer that was taken last where it was.</summary>
    public void PutBack(VirtioChain chain)
    {
        Debug.Assert(IsReady && chain.Life == Life, "a buffer of another life is not the queue's");
        _nextAvailable--;
    }

    /// <summary>Gives a buffer of this life back.</summary>
    public void Push(VirtioChain chain, uint written) => Push([(chain, written)]);

    /// <summary>Gives buffers of this life back, so that the driver sees all of them or none.</summary>
    public void Push(ReadOnlySpan<(VirtioChain Chain, uint Written)> buffers)
    {
        Debug.Assert(buffers.Length <= Size, "no more than the ring has places");
        Span<byte> entry = stackalloc byte[UsedSize];
        foreach ((VirtioChain chain, uint written) in buffers)
        {
            Debug.Assert(IsReady && chain.Life == Life, "a buffer of another life is not the queue's");
            BinaryPrimitives.WriteUInt32LittleEndian(entry, chain.Head);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[4..], written);
            _ = ram.Write(new GuestAddress(Device + 4 + ((ulong)(_nextUsed & (Size - 1)) * UsedSize)), entry);
            _nextUsed++;
        }

        Thread.MemoryBarrier();
        _ = ram.Store(new GuestAddress(Device + 2), _nextUsed);
    }

    /// <summary>Whether the driver wants to be told of what was given back since it was asked last.</summary>
    public bool TakeSignal()
    {
        if (_nextUsed == _signalled)
        {
            return false;
        }

        (ushort from, ushort to) = (_signalled, _nextUsed);
        _signalled = to;
        Thread.MemoryBarrier(); // the driver stores what it wants, then looks at the ring; here it is the other way round
        if (HasEventIndex)
        {
            _ = ram.TryLoad(new GuestAddress(Driver + 4 + (Size * 2)), out ushort wanted);
            return (ushort)(to - wanted - 1) < (ushort)(to - from);
        }

        _ = ram.TryLoad(new GuestAddress(Driver), out ushort flags);
        return (flags & NoInterrupt) == 0;
    }

    /// <summary>Takes its state to a template, or from it.</summary>
    public void Transfer(StateStream state)
    {
        (uint size, bool isReady) = (Size, IsReady);
        (ulong descriptors, ulong driver, ulong device) = (Descriptors, Driver, Device);
        (uint available, uint used, uint signalled) = (_nextAvailable, _nextUsed, _signalled);
        state.Transfer(ref size);
        state.Transfer(ref isReady);
        state.Transfer(ref descriptors);
        state.Transfer(ref driver);
        state.Transfer(ref device);
        state.Transfer(ref available);
        state.Transfer(ref used);
        state.Transfer(ref signalled);
        if (!state.IsReading)
        {
            return;
        }

        if (Math.Max(available, Math.Max(used, signalled)) > ushort.MaxValue)
        {
            throw new InvalidDataException("a place in a ring that no ring has");
        }

        Life++;
        (Size, Descriptors, Driver, Device, IsReady) = (size, descriptors, driver, device, isReady);
        (_nextAvailable, _nextUsed, _signalled, _armed) = ((ushort)available, (ushort)used, (ushort)signalled, -1);

        // A board that is only looked at has no RAM, and no driver that goes on.
        if (isReady && ram.HasRam && CheckPlace() is { } wrong)
        {
            IsReady = false;
            throw new InvalidDataException($"a queue in use: {wrong}");
        }
    }

    /// <summary>Whether it can be where the driver says; notes where that is.</summary>
    private string? CheckPlace()
    {
        if (Size > maxSize || !BitOperations.IsPow2(Size))
        {
            return $"expected a queue of at most {maxSize} entries, a power of two, found {Size}";
        }

        (string Name, AddressRange Range, ulong Alignment, RamUse Use)[] parts =
        [
            ("descriptors", new(Descriptors, Size * DescriptorSize), DescriptorAlignment, RamUse.Read),
            ("driver's ring", new(Driver, 6 + (Size * 2)), DriverAlignment, RamUse.Read),
            ("device's ring", new(Device, 6 + (Size * UsedSize)), DeviceAlignment, RamUse.Write),
        ];
        foreach ((string name, AddressRange range, ulong alignment, RamUse use) in parts)
        {
            GuestAddress start = new(range.Start);
            RamOutcome found = ram.Check(start, range.Size, use);
            if (!start.IsAligned(alignment) || !found.IsDone)
            {
                return $"expected the {name} in RAM at a multiple of {alignment}, found {range} ({found.Status})";
            }
        }

        _parts = [.. parts.Select(part => part.Range)];
        return Overlap(_parts[0], _parts[1]) || Overlap(_parts[0], _parts[2]) || Overlap(_parts[1], _parts[2])
            ? $"expected descriptors and rings beside each other, found {string.Join(", ", _parts)}"
            : null;
    }

    /// <summary>Finds out where a buffer is.</summary>
    /// <returns>What is wrong with it; null: nothing.</returns>
    private string? Follow(VirtioChain chain)
    {
        (ulong table, uint entries, uint index) = (Descriptors, Size, chain.Head);
        bool isElsewhere = false;
        Span<byte> descriptor = stackalloc byte[DescriptorSize];
        while (true)
        {
            if (!new GuestAddress(table).TryAdd(index * DescriptorSize, out GuestAddress place) || !ram.Read(place, descriptor).IsDone)
            {
                return $"expected descriptors in RAM, found them at 0x{table:x}";
            }

            ulong address = BinaryPrimitives.ReadUInt64LittleEndian(descriptor);
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(descriptor[8..]);
            ushort flags = BinaryPrimitives.ReadUInt16LittleEndian(descriptor[12..]);
            ushort next = BinaryPrimitives.ReadUInt16LittleEndian(descriptor[14..]);
            if ((flags & IsIndirect) != 0)
            {
                if (!HasIndirect || isElsewhere || (flags & HasNext) != 0 || length == 0 || length % DescriptorSize != 0)
                {
                    return $"expected a buffer or a table of descriptors, found flags {flags} and {length} bytes";
                }

                (table, entries, index, isElsewhere) = (address, length / DescriptorSize, 0, true);
                continue;
            }

            // As many as the queue may have, wherever they are: so a loop ends, too.
            if (++chain.Descriptors > maxSize)
            {
                return $"expected at most {maxSize} descriptors of a buffer, found more";
            }

            if (Add(chain, new AddressRange(address, length), (flags & IsWritable) != 0) is { } wrong)
            {
                return wrong;
            }

            if ((flags & HasNext) == 0)
            {
                return null;
            }

            if (next >= entries)
            {
                return $"expected a descriptor below {entries}, found {next}";
            }

            index = next;
        }
    }

    private string? Add(VirtioChain chain, AddressRange piece, bool writable)
    {
        if (!writable && chain.HasWritable)
        {
            return "expected what the device reads before what it writes, found it behind that";
        }

        if (chain.ReadableLength + chain.WritableLength + piece.Size > LongestChain)
        {
            return "expected a buffer of at most 4 GiB, found a longer one";
        }

        GuestAddress address = new(piece.Start);
        RamOutcome found = ram.Check(address, piece.Size, writable ? RamUse.Write : RamUse.Read);
        if (!found.IsDone)
        {
            return $"expected {(writable ? "writable " : "")}RAM at {piece}, found {found.Status}";
        }

        if (writable && Array.Exists(_parts, part => Overlap(part, piece)))
        {
            return $"expected a buffer beside the queue, found {piece}";
        }

        chain.Add(address, (uint)piece.Size, writable);
        return null;
    }

    // Both were found to be RAM, so their ends are addresses.
    private static bool Overlap(AddressRange one, AddressRange other) =>
        one.Size != 0 && other.Size != 0 && one.Start < other.End && other.Start < one.End;
}
