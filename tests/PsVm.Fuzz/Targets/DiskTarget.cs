using System.Buffers.Binary;
using PsVm.Machine.Devices.Disks;
using PsVm.Machine.Devices.Virtio;
using PsVm.Machine.State;
using PsVm.Riscv.Tests;

namespace PsVm.Fuzz.Targets;

/// <summary>
/// Requests of a disk's driver, of any kind, place and length: the disk has what a plain array has, each request gets the status that it
/// should, no memory but the request's is written, and the state can be put into another one.
/// </summary>
internal sealed class DiskTarget : FuzzTarget
{
    private const int RamSize = 16 << 10, DiskSize = 64 << 10, Sector = 512, Block = 4096;
    private const int HeaderAt = 0x800, StatusAt = 0x900, DataAt = 0x1000, MostData = 0x2000;
    private const uint Read = 0, Write = 1, Flush = 4, GetName = 8, Discard = 11, WriteZeroes = 13;
    private const byte Ok = 0, IoError = 1, Unsupported = 2;

    private readonly GuardedRam _ram = new(((ulong)RamSize, false));
    private readonly string _folder = Path.Combine(
        Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath(), $"psvm-fuzz-{Guid.NewGuid():n}");
    private readonly Disk _disk;
    private readonly Disk _copy;
    private readonly VirtioMmio _device, _other;
    private readonly byte[] _empty;
    private readonly byte[] _content = new byte[DiskSize];

    /// <param name="inFile">What is written goes to a file, else to memory; the copy has it where the other has not.</param>
    public DiskTarget(bool inFile)
    {
        Directory.CreateDirectory(_folder);
        (_disk, _copy) = (Make(inFile, "one"), Make(!inFile, "other"));
        _device = new VirtioMmio(SlotWires.Of(_ram), port => new VirtioBlk(port, _disk));
        _other = new VirtioMmio(SlotWires.Of(_ram), port => new VirtioBlk(port, _copy));
        _other.Pause();
        _empty = SavedState.Of(_other);
    }

    private ulong Start => _ram.Memory.Blocks[0].Range.Start;

    public override void Run(Dice dice)
    {
        Span<byte> ram = _ram.Block(0);
        ram.Clear();
        _device.Transfer(new StateStream(_empty));
        _content.AsSpan().Clear();
        Begin();
        for (int number = 1; number <= dice.Next(1, 8); number++)
        {
            Request(dice, ram, (ushort)number);
        }

        byte[] saved = SavedState.Of(_device);
        _other.Transfer(new StateStream(saved));
        WrongException.ThrowIfNot(SavedState.Of(_other).AsSpan().SequenceEqual(saved), "the state is another one after it was restored");
        byte[] all = new byte[DiskSize];
        WrongException.ThrowIfNot(
            _copy.TryRead(0, all) && all.AsSpan().SequenceEqual(_content), "the disk has something else than was written");
    }

    public override void Dispose()
    {
        _device.Dispose();
        _other.Dispose();
        _disk.Dispose();
        _copy.Dispose();
        Directory.Delete(_folder, recursive: true);
        _ram.Dispose();
    }

    private Disk Make(bool inFile, string name) => new(
        "root",
        DiskSize,
        isReadOnly: false,
        image: null,
        inFile ? (_, read) =>
            OverlayFile.Open(Path.Combine(_folder, name), new FileIdentity(1, 1, DiskSize, 1, 1), false, read) : MemoryOverlay.Maker());

    private void Request(Dice dice, Span<byte> ram, ushort number)
    {
        uint kind = dice.OneIn(8)
            ? (uint)Odd.Number(dice)
            : dice.Pick<uint>([Read, Read, Write, Write, Write, Flush, GetName, Discard, WriteZeroes]);
        ulong sector = dice.OneIn(6) ? Odd.Near(dice, DiskSize / Sector, 1ul << 55) : (ulong)dice.Next(DiskSize / Sector);
        int length = dice.OneIn(6) ? dice.Next(MostData + 1) : dice.Next((MostData / Sector) + 1) * Sector;
        bool isIn = kind is Read or GetName;
        Span<byte> data = ram.Slice(DataAt, MostData);
        for (int at = 0; at < MostData; at += sizeof(ulong))
        {
            BinaryPrimitives.WriteUInt64LittleEndian(data[at..], dice.Bits());
        }

        if (kind is Discard or WriteZeroes)
        {
            length = dice.OneIn(6) ? dice.Next(300) : dice.Next(1, 4) * 16;
            for (int at = 0; at + 16 <= length; at += 16)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(
                    data[at..], dice.OneIn(8) ? Odd.Near(dice, DiskSize / Sector) : (ulong)dice.Next(DiskSize / Sector));
                BinaryPrimitives.WriteUInt32LittleEndian(data[(at + 8)..], dice.OneIn(8) ? (uint)Odd.Number(dice) : (uint)dice.Next(64));
                BinaryPrimitives.WriteUInt32LittleEndian(data[(at + 12)..], dice.OneIn(8) ? (uint)Odd.Number(dice) : (uint)dice.Next(2));
            }
        }

        BinaryPrimitives.WriteUInt32LittleEndian(ram[HeaderAt..], kind);
        BinaryPrimitives.WriteUInt64LittleEndian(ram[(HeaderAt + 8)..], sector);
        ram[StatusAt] = 0xee;
        Describe(dice, ram, length, isIn);
        BinaryPrimitives.WriteUInt16LittleEndian(ram[0x402..], number);
        byte[] before = ram.ToArray();
        byte[] expected = ram.Slice(DataAt, length).ToArray();
        byte status = Expect(kind, sector, expected, isIn);

        Set(0x50, 0);
        _device.Pause();
        _device.Drain(CancellationToken.None);
        _device.Resume();
        WrongException.ThrowIfNot(BinaryPrimitives.ReadUInt16LittleEndian(ram[0x602..]) == number, $"request {number} was not given back");
        WrongException.ThrowIfNot(
            ram[StatusAt] == status, $"kind {kind}, sector {sector}, {length} bytes: status {ram[StatusAt]}, expected {status}");

        // What a read that failed has left in its buffer is anything.
        bool isKnown = !isIn || status == Ok;
        WrongException.ThrowIfNot(
            !isKnown || ram.Slice(DataAt, length).SequenceEqual(expected), $"kind {kind}, sector {sector}: other bytes than expected");
        WrongException.ThrowIfNot(
            ram[..0x600].SequenceEqual(before.AsSpan(0, 0x600))
                && ram[0x700..StatusAt].SequenceEqual(before.AsSpan(0x700, StatusAt - 0x700))
            && ram[(StatusAt + 1)..DataAt].SequenceEqual(before.AsSpan(StatusAt + 1, DataAt - StatusAt - 1))
            && ram[(DataAt + length)..].SequenceEqual(before.AsSpan(DataAt + length)),
            $"kind {kind}, sector {sector}: memory that is not the request's was written");
    }

    /// <summary>Header, data in up to three pieces, and status.</summary>
    private void Describe(Dice dice, Span<byte> ram, int length, bool isIn)
    {
        int first = dice.Next(length + 1), second = dice.Next(length - first + 1);
        (int At, int Length, bool Writable)[] pieces =
        [
            (HeaderAt, 16, false), (DataAt, first, isIn), (DataAt + first, second, isIn),
            (DataAt + first + second, length - first - second, isIn),
            (StatusAt, 1, true),
        ];
        for (int i = 0; i < pieces.Length; i++)
        {
            Span<byte> descriptor = ram.Slice(i * 16, 16);
            BinaryPrimitives.WriteUInt64LittleEndian(descriptor, Start + (ulong)pieces[i].At);
            BinaryPrimitives.WriteUInt32LittleEndian(descriptor[8..], (uint)pieces[i].Length);
            BinaryPrimitives.WriteUInt16LittleEndian(
                descriptor[12..], (ushort)((pieces[i].Writable ? 2 : 0) | (i < pieces.Length - 1 ? 1 : 0)));
            BinaryPrimitives.WriteUInt16LittleEndian(descriptor[14..], (ushort)(i + 1));
        }
    }

    /// <summary>Does a request on the array.</summary>
    private byte Expect(uint kind, ulong sector, byte[] data, bool isIn)
    {
        bool isInside = data.Length % Sector == 0 && sector <= DiskSize / Sector
            && (ulong)(data.Length / Sector) <= (DiskSize / Sector) - sector;
        switch (kind)
        {
            case Read or Write when !isInside:
                return IoError;
            case Read or Write:
                Span<byte> there = _content.AsSpan((int)sector * Sector, data.Length);
                (isIn ? there : data).CopyTo(isIn ? data : there);
                return Ok;
            case Flush:
                return Ok;
            case GetName:
                "root\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"u8[..Math.Min(20, data.Length)].CopyTo(data);
                return Ok;
            case Discard or WriteZeroes:
                return ExpectRanges(kind, data);
            default:
                return Unsupported;
        }
    }

    private byte ExpectRanges(uint kind, byte[] ranges)
    {
        if (ranges.Length == 0 || ranges.Length % 16 != 0 || ranges.Length > 256)
        {
            return IoError;
        }

        for (int at = 0; at < ranges.Length; at += 16)
        {
            ulong first = BinaryPrimitives.ReadUInt64LittleEndian(ranges.AsSpan(at));
            uint sectors = BinaryPrimitives.ReadUInt32LittleEndian(ranges.AsSpan(at + 8));
            uint flags = BinaryPrimitives.ReadUInt32LittleEndian(ranges.AsSpan(at + 12));
            if (flags > 1 || (kind == Discard && flags != 0))
            {
                return Unsupported;
            }

            if (first > DiskSize / Sector || sectors > (DiskSize / Sector) - first)
            {
                return IoError;
            }

            // A discard gives whole blocks back.
            (int start, int end) = ((int)first * Sector, ((int)first + (int)sectors) * Sector);
            (start, end) = kind == Discard ? ((start + Block - 1) / Block * Block, end / Block * Block) : (start, end);
            _content.AsSpan(start, Math.Max(0, end - start)).Clear();
        }

        return Ok;
    }

    private void Begin()
    {
        Set(0x70, 0);
        Set(0x70, 3);
        Set(0x24, 0);
        Set(0x20, 1 << 9);
        Set(0x24, 1);
        Set(0x20, 1);
        Set(0x70, 0xb);
        Set(0x30, 0);
        Set(0x38, 16);
        foreach ((ulong offset, ulong address)
            in (ReadOnlySpan<(ulong, ulong)>)[(0x80, Start), (0x90, Start + 0x400), (0xa0, Start + 0x600)])
        {
            Set(offset, (uint)address);
            Set(offset + 4, (uint)(address >> 32));
        }

        Set(0x44, 1);
        Set(0x70, 0xf);
    }

    private void Set(ulong offset, uint value) =>
        WrongException.ThrowIfNot(_device.TryWrite(offset, 4, value), $"register 0x{offset:x} cannot be written");
}
