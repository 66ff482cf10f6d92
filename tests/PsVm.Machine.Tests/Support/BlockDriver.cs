using System.Buffers.Binary;

namespace PsVm.Machine.Tests.Support;

/// <summary>A small driver of virtio-blk: requests one at a time or several (VIRTIO 1.2, section 5.2.6).</summary>
internal sealed class BlockDriver
{
    public const uint Read = 0, Write = 1, Flush = 4, GetName = 8, Discard = 11, WriteZeroes = 13;
    public const byte Ok = 0, IoError = 1, Unsupported = 2;

    private const ulong Headers = VirtioSlot.RamStart + 0x2000, Data = VirtioSlot.RamStart + 0x1_0000;

    private readonly VirtioSlot _slot;
    private readonly VirtioDriver _driver;
    private int _next;

    public BlockDriver(VirtioSlot slot, ulong features = VirtioDriver.Version1 | (1 << 9))
    {
        _slot = slot;
        _driver = new VirtioDriver(slot.Device, slot.Ram);
        Ring = _driver.Start(64, features);
        Ring.Clear();
    }

    public VirtioRing Ring { get; }

    public VirtioDriver Driver => _driver;

    /// <summary>Reads sectors.</summary>
    public (byte Status, byte[] Data) ReadSectors(ulong sector, int bytes)
    {
        (_, ulong data, ulong status, _) = Begin(Read, sector, [], bytes);
        Ring.WaitTaken();
        return (_slot.Ram.Read(status, 1)[0], _slot.Ram.Read(data, bytes));
    }

    /// <summary>Writes sectors, or gives what another request needs.</summary>
    public byte Do(uint type, ulong sector, ReadOnlySpan<byte> data)
    {
        (_, _, ulong status, _) = Begin(type, sector, data, 0);
        Ring.WaitTaken();
        return _slot.Ram.Read(status, 1)[0];
    }

    /// <summary>Discards a range, or has it read zeros.</summary>
    public byte Range(uint type, ulong sector, uint sectors, uint flags = 0)
    {
        byte[] range = new byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(range, sector);
        BinaryPrimitives.WriteUInt32LittleEndian(range.AsSpan(8), sectors);
        BinaryPrimitives.WriteUInt32LittleEndian(range.AsSpan(12), flags);
        return Do(type, 0, range);
    }

    /// <summary>Publishes a request and notifies.</summary>
    public (ushort Head, ulong Data, ulong Status, int Bytes) Begin(uint type, ulong sector, ReadOnlySpan<byte> data, int bytes)
    {
        ulong header = Headers + ((ulong)(_next % 8) * 0x100);
        ulong place = Data + ((ulong)(_next++ % 8) * 0x1_0000);
        byte[] request = new byte[16];
        BinaryPrimitives.WriteUInt32LittleEndian(request, type);
        BinaryPrimitives.WriteUInt64LittleEndian(request.AsSpan(8), sector);
        _slot.Ram.Write(header, request);
        _slot.Ram.Write(header + 0x80, [0xee]);
        _slot.Ram.Write(place, data);
        ushort head = data.Length > 0 ? Ring.Chain((header, 16, false), (place, data.Length, false), (header + 0x80, 1, true))
            : bytes > 0 ? Ring.Chain((header, 16, false), (place, bytes, true), (header + 0x80, 1, true))
            : Ring.Chain((header, 16, false), (header + 0x80, 1, true));
        Ring.Publish(head);
        _driver.Notify();
        return (head, place, header + 0x80, bytes);
    }
}
