using System.Buffers.Binary;
using PsVm.Machine.Devices;

namespace PsVm.Machine.Tests.Support;

/// <summary>A small virtio driver: what a kernel does with the registers of a slot (VIRTIO 1.2, sections 3.1 and 4.2).</summary>
internal sealed class VirtioDriver(IDevice device, TestRam ram)
{
    public const uint Acknowledge = 1, Driver = 2, DriverOk = 4, FeaturesOk = 8, NeedsReset = 0x40;
    public const ulong Version1 = 1ul << 32, EventIndex = 1ul << 29, Indirect = 1ul << 28;

    public const ulong FeaturesSelect = 0x14, DriverFeatures = 0x20, DriverFeaturesSelect = 0x24;
    public const ulong QueueSelect = 0x30, QueueSizeMax = 0x34, QueueSize = 0x38, QueueReady = 0x44, QueueNotify = 0x50;
    public const ulong InterruptStatus = 0x60, InterruptAcknowledge = 0x64, StatusRegister = 0x70;
    public const ulong QueueDescriptors = 0x80, QueueDriver = 0x90, QueueDevice = 0xa0;

    public ulong Status => device.Read(StatusRegister);

    public ulong Interrupts => device.Read(InterruptStatus);

    /// <summary>Resets the device and agrees on features.</summary>
    /// <returns>The device agrees.</returns>
    public bool Agree(ulong features = Version1)
    {
        device.Write(StatusRegister, 0);
        device.Write(StatusRegister, Acknowledge | Driver);
        for (ulong half = 0; half < 2; half++)
        {
            device.Write(DriverFeaturesSelect, half);
            device.Write(DriverFeatures, (uint)(features >> (32 * (int)half)));
        }

        device.Write(StatusRegister, Acknowledge | Driver | FeaturesOk);
        return (Status & FeaturesOk) != 0;
    }

    /// <summary>Says where a queue is.</summary>
    public VirtioRing AddQueue(uint queue, uint size, ulong at)
    {
        VirtioRing ring = new(ram, size, at);
        Place(queue, size, ring.Descriptors, ring.Available, ring.Used);
        Assert.Equal(1ul, device.Read(QueueReady));
        return ring;
    }

    public void Place(uint queue, uint size, ulong descriptors, ulong available, ulong used)
    {
        device.Write(QueueSelect, queue);
        device.Write(QueueSize, size);
        WriteWide(QueueDescriptors, descriptors);
        WriteWide(QueueDriver, available);
        WriteWide(QueueDevice, used);
        device.Write(QueueReady, 1);
    }

    public void Go() => device.Write(StatusRegister, Acknowledge | Driver | FeaturesOk | DriverOk);

    /// <summary>All of it, with one queue.</summary>
    public VirtioRing Start(uint size, ulong features = Version1)
    {
        Assert.True(Agree(features));
        VirtioRing ring = AddQueue(0, size, VirtioSlot.RamStart);
        Go();
        return ring;
    }

    public void Notify(uint queue = 0) => device.Write(QueueNotify, queue);

    public void AcknowledgeInterrupts() => device.Write(InterruptAcknowledge, Interrupts);

    private void WriteWide(ulong offset, ulong value)
    {
        device.Write(offset, (uint)value);
        device.Write(offset + 4, value >> 32);
    }
}

/// <summary>A split virtqueue as its driver sees it: descriptors, then the driver's ring, then the device's.</summary>
internal sealed class VirtioRing(TestRam ram, uint size, ulong at)
{
    public const ushort Next = 1, Write = 2, Indirect = 4;

    private ushort _descriptor;
    private ushort _taken;

    public ulong Descriptors => at;

    public ulong Available => at + (size * 16);

    public ulong Used => (Available + 6 + (size * 2) + 3) & ~3ul;

    public ulong End => Used + 6 + (size * 8);

    /// <summary>Buffers that were published so far.</summary>
    public ushort Published { get; private set; }

    /// <summary>Buffers that the device has given back so far.</summary>
    public ushort Returned => BinaryPrimitives.ReadUInt16LittleEndian(ram.Read(Used + 2, 2));

    /// <summary>Where the device wants to be notified (VIRTIO_F_EVENT_IDX).</summary>
    public ushort NotifyAt => BinaryPrimitives.ReadUInt16LittleEndian(ram.Read(Used + 4 + (size * 8), 2));

    public void Clear() => ram.Write(at, new byte[End - at]);

    /// <summary>Writes a chain into the next descriptors.</summary>
    /// <returns>Its first descriptor.</returns>
    public ushort Chain(params ReadOnlySpan<(ulong Address, int Length, bool Writable)> pieces)
    {
        ushort first = _descriptor;
        for (int i = 0; i < pieces.Length; i++)
        {
            bool isLast = i == pieces.Length - 1;
            (ulong address, int length, bool writable) = pieces[i];
            ushort next = (ushort)((_descriptor + 1) % size);
            Describe(_descriptor, address, (uint)length, (ushort)((writable ? Write : 0) | (isLast ? 0 : Next)), next);
            _descriptor = next;
        }

        return first;
    }

    /// <summary>Writes a descriptor.</summary>
    public void Describe(uint index, ulong address, uint length, ushort flags, ushort next = 0) =>
        ram.Write(Descriptors + (index * 16), Descriptor(address, length, flags, next));

    public static byte[] Descriptor(ulong address, uint length, ushort flags, ushort next)
    {
        byte[] bytes = new byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, address);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8), length);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(12), flags);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(14), next);
        return bytes;
    }

    /// <summary>Makes a chain available.</summary>
    public void Publish(ushort head)
    {
        ram.Write(Available + 4 + ((ulong)(Published % size) * 2), BitConverter.GetBytes(head));
        Published++;
        WriteIndex(Published);
    }

    public void WriteIndex(ushort index) => ram.Write(Available + 2, BitConverter.GetBytes(index));

    /// <summary>Asks for no interrupts (VIRTQ_AVAIL_F_NO_INTERRUPT).</summary>
    public void WriteFlags(ushort flags) => ram.Write(Available, BitConverter.GetBytes(flags));

    /// <summary>Asks for an interrupt when the device's ring comes to a place (VIRTIO_F_EVENT_IDX).</summary>
    public void InterruptAt(ushort place) => ram.Write(Available + 4 + (size * 2), BitConverter.GetBytes(place));

    /// <summary>The next buffer that was given back; null: there is none yet.</summary>
    public (uint Head, uint Written)? Take()
    {
        if (Returned == _taken)
        {
            return null;
        }

        byte[] entry = ram.Read(Used + 4 + ((ulong)(_taken++ % size) * 8), 8);
        return (BinaryPrimitives.ReadUInt32LittleEndian(entry), BinaryPrimitives.ReadUInt32LittleEndian(entry.AsSpan(4)));
    }

    /// <summary>The next buffer that is given back, soon.</summary>
    public (uint Head, uint Written) WaitTaken()
    {
        (uint, uint)? taken = null;
        Assert.True(SpinWait.SpinUntil(() => (taken = Take()) is not null, TimeSpan.FromSeconds(30)), "a buffer given back");
        return taken!.Value;
    }
}
