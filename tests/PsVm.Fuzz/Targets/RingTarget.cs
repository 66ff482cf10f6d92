using System.Buffers.Binary;
using PsVm.Machine;
using PsVm.Machine.Devices;
using PsVm.Machine.Devices.Virtio;
using PsVm.Machine.State;
using PsVm.Riscv;
using PsVm.Riscv.Memory;
using PsVm.Riscv.Tests;

namespace PsVm.Fuzz.Targets;

/// <summary>
/// Virtqueues of anything: a device gives back no more than it was given, and what no buffer covers is as it was; its state can be put into
/// another one; and a driver that resets it finds it as new. The device is one that fills buffers, or one that talks with its driver.
/// </summary>
internal sealed class RingTarget : FuzzTarget
{
    private const ulong RamSize = 16 << 10, RomSize = 16 << 10;
    private const uint Size = 16;
    private const ulong AllFeatures = (1ul << 32) | (1ul << 29) | (1ul << 28);

    private readonly GuardedRam _ram = new((RamSize, false), (RomSize, true));
    private readonly ConsolePorts _ports = new("a");
    private readonly VirtioMmio[] _devices;
    private readonly VirtioMmio[] _others;
    private VirtioMmio _device;
    private VirtioMmio _other;
    private uint _queue;

    public RingTarget()
    {
        _devices = Make(_ports);
        _others = Make(new ConsolePorts());
        Array.ForEach(_others, device => device.Pause());
        (_device, _other) = (_devices[0], _others[0]);
    }

    private ulong Start => _ram.Memory.Blocks[0].Range.Start;

    public override void Run(Dice dice)
    {
        int kind = dice.Next(_devices.Length);
        (_device, _other) = (_devices[kind], _others[kind]);
        _queue = kind == 0 ? 0 : (uint)dice.Next(8);
        Span<byte> ram = _ram.Block(0);
        ram.Clear();
        for (int at = 0x800; kind != 0 && at < 0x1000; at += 8)
        {
            WriteMessage(dice, ram[at..]);
        }

        bool[] mayChange = new bool[RamSize];
        (ulong descriptors, ulong available, ulong used) = (Start, Start + 0x400, Start + 0x600);
        (ulong features, uint size) = (AllFeatures, Size);
        bool isElsewhere = dice.OneIn(8);
        if (isElsewhere)
        {
            // In places where it may or may not be.
            (descriptors, available, used) = (Place(dice) & ~15ul, Place(dice) & ~1ul, Place(dice) & ~3ul);
            (features, size) = (AllFeatures & ~(dice.Bits() & (3ul << 28)), dice.OneIn(2) ? Size : (uint)Odd.Number(dice));
        }

        Begin(features, size, descriptors, available, used);
        ushort published = Write(dice, ram, available);
        byte[] before = ram.ToArray();
        Note(mayChange, used, 6 + (8ul * Math.Min(size, 1024)));
        for (int i = dice.Next(1, 3); i > 0; i--)
        {
            _device.TryWrite(0x50, 4, _queue);
            _ports.All[0].Read(new byte[dice.Next(600)]);
        }

        _device.Pause();
        _device.TryRead(0x70, 4, out ulong status);
        if (!isElsewhere)
        {
            ushort returned = BinaryPrimitives.ReadUInt16LittleEndian(ram[0x602..]);
            WrongException.ThrowIfNot(returned <= published, $"{returned} buffers given back of {published}");

            // A queue that the device has nothing for is not looked at.
            WrongException.ThrowIfNot(
                published <= Size || (status & 0x40) != 0 || (kind != 0 && returned == 0),
                $"a driver that published {published} buffers in {Size} was believed");
            NoteBuffers(mayChange, ram);
            for (int i = 0; i < ram.Length; i++)
            {
                WrongException.ThrowIfNot(mayChange[i] || ram[i] == before[i], $"byte 0x{i:x} was written");
            }
        }

        CheckState();
        CheckReset(ram, filled: kind == 0 ? 64 : 0);
    }

    public override void Dispose()
    {
        Array.ForEach([.. _devices, .. _others], device => device.Dispose());
        _ram.Dispose();
    }

    private VirtioMmio[] Make(ConsolePorts ports) =>
    [
        new(SlotWires.Of(_ram), port => new VirtioRng(port)),
        new(SlotWires.Of(_ram), port => new VirtioConsole(port, ports)),
    ];

    /// <summary>What a driver of ports may say (VIRTIO 1.2, section 5.3.6.2), or about that.</summary>
    private static void WriteMessage(Dice dice, Span<byte> message)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(message, dice.OneIn(8) ? (uint)Odd.Number(dice) : (uint)dice.Next(4));
        BinaryPrimitives.WriteUInt16LittleEndian(message[4..], (ushort)dice.Next(9));
        BinaryPrimitives.WriteUInt16LittleEndian(message[6..], (ushort)(dice.OneIn(8) ? Odd.Number(dice) : (uint)dice.Next(2)));
    }

    /// <summary>Writes descriptors and the driver's ring.</summary>
    /// <returns>Buffers that are said to be there.</returns>
    private ushort Write(Dice dice, Span<byte> ram, ulong available)
    {
        for (int index = 0; index < Size; index++)
        {
            Span<byte> descriptor = ram.Slice(index * 16, 16);
            bool isTable = dice.OneIn(8);
            ulong address = isTable ? Start + (ulong)(dice.Next((int)Size) * 16) : Place(dice);
            uint length = isTable && !dice.OneIn(4) ? 16 * (uint)dice.Next(4)
                : dice.OneIn(8) ? (uint)Odd.Number(dice)
                : (uint)dice.Next(600);
            int flags = isTable ? 4 : (dice.OneIn(3) ? 0 : 2) | (dice.OneIn(4) ? 1 : 0);
            flags = dice.OneIn(32) ? dice.Next(1 << 16) : flags;
            BinaryPrimitives.WriteUInt64LittleEndian(descriptor, address);
            BinaryPrimitives.WriteUInt32LittleEndian(descriptor[8..], length);
            BinaryPrimitives.WriteUInt16LittleEndian(descriptor[12..], (ushort)flags);
            BinaryPrimitives.WriteUInt16LittleEndian(
                descriptor[14..], (ushort)(dice.OneIn(32) ? (uint)Odd.Number(dice) : (uint)dice.Next((int)Size)));
        }

        ushort published = dice.OneIn(16) ? (ushort)Odd.Number(dice) : (ushort)dice.Next((int)Size + 1);
        if (available - Start < RamSize - 64)
        {
            Span<byte> ring = ram[(int)(available - Start)..];
            BinaryPrimitives.WriteUInt16LittleEndian(ring[2..], published);
            for (int i = 0; i < Size; i++)
            {
                BinaryPrimitives.WriteUInt16LittleEndian(
                    ring[(4 + (2 * i))..], dice.OneIn(64) ? (ushort)Odd.Number(dice) : (ushort)dice.Next((int)Size));
            }
        }

        return published;
    }

    /// <summary>An address, mostly in RAM behind the rings.</summary>
    private ulong Place(Dice dice) => dice.OneIn(12) ? Odd.Near(dice, Start, Start + RamSize, Start + RamSize + RomSize, 0x1000_8000)
        : Start + (ulong)dice.Next(0x800, (int)RamSize - 600);

    private void Begin(ulong features, uint size, ulong descriptors, ulong available, ulong used)
    {
        _device.Resume();
        Set(0x70, 0);
        Set(0x70, 3);
        (uint Selected, uint Half)[] halves = [(0, (uint)features), (1, (uint)(features >> 32))];
        foreach ((uint selected, uint half) in halves)
        {
            Set(0x24, selected);
            Set(0x20, half);
        }

        Set(0x70, 0xb);
        Set(0x30, _queue);
        Set(0x38, size);
        (ulong Offset, ulong Address)[] places = [(0x80, descriptors), (0x90, available), (0xa0, used)];
        foreach ((ulong offset, ulong address) in places)
        {
            Set(offset, (uint)address);
            Set(offset + 4, (uint)(address >> 32));
        }

        Set(0x44, 1);
        Set(0x70, 0xf);

        void Set(ulong offset, uint value) =>
            WrongException.ThrowIfNot(_device.TryWrite(offset, 4, value), $"register 0x{offset:x} cannot be written");
    }

    /// <summary>Pieces that some descriptor says may be written, wherever it is.</summary>
    private void NoteBuffers(bool[] mayChange, ReadOnlySpan<byte> ram)
    {
        for (int index = 0; index < Size; index++)
        {
            ReadOnlySpan<byte> descriptor = ram.Slice(index * 16, 16);
            Note(mayChange, BinaryPrimitives.ReadUInt64LittleEndian(descriptor), BinaryPrimitives.ReadUInt32LittleEndian(descriptor[8..]));
        }
    }

    private void Note(bool[] mayChange, ulong address, ulong length)
    {
        if (address - Start < RamSize)
        {
            ulong offset = address - Start;
            mayChange.AsSpan((int)offset, (int)Math.Min(length, RamSize - offset)).Fill(true);
        }
    }

    private void CheckState()
    {
        byte[] saved = SavedState.Of(_device);
        _other.Transfer(new StateStream(saved));
        WrongException.ThrowIfNot(SavedState.Of(_other).AsSpan().SequenceEqual(saved), "the state is another one after it was restored");
    }

    private void CheckReset(Span<byte> ram, int filled)
    {
        ram[..0x1000].Clear();
        _queue = filled > 0 ? 0u : 1; // what nobody reads is given back as it is
        Begin(1ul << 32, Size, Start, Start + 0x400, Start + 0x600);
        BinaryPrimitives.WriteUInt64LittleEndian(ram, Start + 0x800);
        BinaryPrimitives.WriteUInt32LittleEndian(ram[8..], 64);
        ram[12] = (byte)(filled > 0 ? 2 : 0);
        ram[0x402] = 1;
        _device.TryWrite(0x50, 4, _queue);

        // What the driver before had left may be in the hands of another thread, which serves this, too.
        for (SpinWait spin = default; ram[0x602] == 0 && spin.Count < 1_000; spin.SpinOnce())
        {
        }

        WrongException.ThrowIfNot(
            ram[0x602] == 1 && ram[0x608] == filled, $"a new driver's buffer came back as {ram[0x602]} of {ram[0x608]} bytes");
    }
}
