using System.Buffers.Binary;
using PsVm.Machine.Devices;
using PsVm.Machine.Devices.Virtio;
using PsVm.Machine.Devices.Virtio.Balloon;
using PsVm.Machine.State;
using PsVm.Riscv.Tests;

namespace PsVm.Fuzz.Targets;

/// <summary>
/// Page numbers, reports, statistics and targets of anything: what is given back is whole host pages of writable RAM, the balloon holds no
/// more than there is, its state can be put into another one, and a driver that resets it has all its pages.
/// </summary>
internal sealed class BalloonTarget : FuzzTarget
{
    private const ulong RamSize = 16 << 10;
    private const uint Size = 16;
    private const ulong Version1 = 1ul << 32;

    private readonly GuardedRam _ram = new((RamSize, false));
    private readonly OddRam _given;
    private readonly VirtioMmio _device, _other;
    private VirtioBalloon? _balloon, _copy;

    public BalloonTarget()
    {
        _given = new OddRam(Start >> 12);
        _device = new VirtioMmio(SlotWires.Of(_ram), port => _balloon = new VirtioBalloon(port, _given));
        _other = new VirtioMmio(SlotWires.Of(_ram), port => _copy = new VirtioBalloon(port, _given));
        _other.Pause();
    }

    private ulong Start => _ram.Memory.Blocks[0].Range.Start;

    public override void Run(Dice dice)
    {
        Span<byte> ram = _ram.Block(0);
        ram.Clear();
        _given.Later = false;
        Begin(Version1 | (dice.Bits() & 0x36));
        for (int round = dice.Next(1, 4); round > 0; round--)
        {
            uint queue = (uint)dice.Next(4);
            Write(dice, ram, queue);
            _given.Later = dice.OneIn(8);
            _device.TryWrite(0x100 + ((ulong)dice.Next(5) * 4), 4, Odd.Number(dice) & uint.MaxValue);
            if (dice.OneIn(4))
            {
                _balloon!.Want((uint)Odd.Number(dice));
            }

            _device.TryWrite(0x50, 4, queue);
            if (dice.OneIn(4))
            {
                _balloon!.AskForStatistics();
            }
        }

        _device.Pause();
        _device.Drain(CancellationToken.None);
        WrongException.ThrowIfNot(_given.Wrong is null, _given.Wrong ?? "");
        WrongException.ThrowIfNot(_balloon!.Pages is >= 0 and <= OddRam.WritablePages, $"{_balloon.Pages} pages in the balloon");
        byte[] saved = SavedState.Of(_device);
        _other.Transfer(new StateStream(saved));
        WrongException.ThrowIfNot(SavedState.Of(_other).AsSpan().SequenceEqual(saved), "the state is another one after it was restored");
        WrongException.ThrowIfNot(_copy!.Pages == _balloon.Pages, $"{_copy.Pages} pages in the copy of a balloon of {_balloon.Pages}");
        Set(0x70, 0);
        WrongException.ThrowIfNot(_balloon.Pages == 0, $"{_balloon.Pages} pages in the balloon of a driver that has gone");
    }

    public override void Dispose()
    {
        _device.Dispose();
        _other.Dispose();
        _ram.Dispose();
    }

    /// <summary>Writes what buffers hold, their descriptors and the ring of a queue.</summary>
    private void Write(Dice dice, Span<byte> ram, uint queue)
    {
        uint page = 0;
        for (int at = 0x2000; at < 0x3800; at += sizeof(uint))
        {
            page = dice.OneIn(3) ? (uint)Odd.Near(dice, [.. OddRam.Edges.Select(edge => (Start >> 12) + (ulong)edge)]) : page + 1;
            BinaryPrimitives.WriteUInt32LittleEndian(ram[at..], page);
        }

        int ring = (int)queue * 0x400;
        for (int index = 0; index < Size; index++)
        {
            Span<byte> descriptor = ram.Slice(ring + (index * 16), 16);
            BinaryPrimitives.WriteUInt64LittleEndian(descriptor, Start + (ulong)dice.Next(0x2000, 0x3000));
            BinaryPrimitives.WriteUInt32LittleEndian(descriptor[8..], (uint)dice.Next(0x800));
            BinaryPrimitives.WriteUInt16LittleEndian(descriptor[12..], (ushort)(dice.OneIn(2) ? 0 : 2));
            BinaryPrimitives.WriteUInt16LittleEndian(ram[(ring + 0x104 + (index * 2))..], (ushort)dice.Next((int)Size));
        }

        Span<byte> published = ram[(ring + 0x102)..];
        BinaryPrimitives.WriteUInt16LittleEndian(published, (ushort)(BinaryPrimitives.ReadUInt16LittleEndian(published) + dice.Next(1, 5)));
    }

    private void Begin(ulong features)
    {
        _device.Resume();
        Set(0x70, 0);
        Set(0x70, 3);
        Set(0x24, 0);
        Set(0x20, (uint)features);
        Set(0x24, 1);
        Set(0x20, (uint)(features >> 32));
        Set(0x70, 0xb);
        for (uint queue = 0; queue < 4; queue++)
        {
            Set(0x30, queue);
            Set(0x38, Size);
            (ulong Offset, ulong Address)[] places = [(0x80, 0), (0x90, 0x100), (0xa0, 0x200)];
            foreach ((ulong offset, ulong address) in places)
            {
                Set(offset, (uint)(Start + (queue * 0x400) + address));
                Set(offset + 4, (uint)(Start >> 32));
            }

            Set(0x44, 1);
        }

        Set(0x70, 0xf);
    }

    private void Set(ulong offset, uint value) =>
        WrongException.ThrowIfNot(_device.TryWrite(offset, 4, value), $"register 0x{offset:x} cannot be written");

    /// <summary>More RAM than there is, of pages of two sizes with ROM between: nothing of it is touched.</summary>
    private sealed class OddRam(ulong firstFrame) : IBalloonRam
    {
        public const long WritablePages = 1024 + 2560;

        public static readonly long[] Edges = [0, 1024, 1536, 2048, 4096];

        private static readonly BalloonStretch[] s_blocks = [new(0, 1024, 0, 1, false), new(1536, 2560, 1536, 512, true)];

        public bool Later { get; set; }

        public string? Wrong { get; private set; }

        public ulong FirstFrame => firstFrame;

        public long PageCount => 4096;

        public IEnumerable<BalloonStretch> Writable(long first, long count)
        {
            Check(first >= 0 && count > 0 && first + count <= PageCount, $"pages {first}+{count} were asked for");
            return s_blocks
                .Select(block => (Block: block, From: Math.Max(first, block.First), To: Math.Min(first + count, block.First + block.Count)))
                .Where(part => part.From < part.To)
                .Select(part => part.Block with { First = part.From, Count = part.To - part.From });
        }

        public BalloonOutcome Discard(long first, long count, out long freed)
        {
            bool isWhole = Array.Exists(s_blocks, block =>
                first >= block.First
                    && count > 0
                    && first + count <= block.First + block.Count
                    && ((first - block.First) | count) % block.HostPage == 0);
            Check(isWhole, $"pages {first}+{count} were given back");
            freed = Later ? 0 : count * 4096;
            return Later ? BalloonOutcome.Later : BalloonOutcome.Done;
        }

        private void Check(bool holds, string found) => Wrong ??= holds ? null : found;
    }
}
