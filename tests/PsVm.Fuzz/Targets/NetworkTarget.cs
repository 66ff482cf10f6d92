using System.Buffers.Binary;
using PsVm.Machine.Devices.Networks;
using PsVm.Machine.Devices.Virtio;
using PsVm.Machine.State;
using PsVm.Riscv.Tests;

namespace PsVm.Fuzz.Targets;

/// <summary>
/// Buffers of a network driver of any number, size and order, and packets of anything both ways: what is received is in whole packets, in
/// the buffers that were given and nowhere else, and what goes out says nothing that makes no sense; the state can be put into another
/// adapter.
/// </summary>
internal sealed class NetworkTarget : FuzzTarget
{
    private const int RamSize = 256 << 10, QueueBytes = 0x800, BuffersAt = 0x2000, Header = INetworkBackend.HeaderSize;
    private const int Pending = 36; // where the state has the queues that are to be looked at: what waits in the network is not in it
    private const uint Size = 64;
    private const int AnswerAt = BuffersAt + 0x3_0000 - 1;
    private const int In = 0, Out = 1, Control = 2;
    private const ulong Version1 = 1ul << 32;

    private readonly GuardedRam _ram = new(((ulong)RamSize, false));
    private readonly OddNetwork _network = new();
    private readonly VirtioMmio _device, _other;
    private readonly ushort[] _published = new ushort[3], _taken = new ushort[3];

    public NetworkTarget()
    {
        NetworkAdapter adapter = new(new MacAddress(0x5254_0000_0001), 1500, _network);
        _device = new VirtioMmio(SlotWires.Of(_ram), port => new VirtioNet(port, adapter));
        _other = new VirtioMmio(
            SlotWires.Of(_ram), port => new VirtioNet(port, new NetworkAdapter(new MacAddress(0x5254_0000_0002), 1500, new OddNetwork())));
        _other.Pause();
    }

    private ulong Start => _ram.Memory.Blocks[0].Range.Start;

    public override void Run(Dice dice)
    {
        Span<byte> ram = _ram.Block(0);
        ram[..BuffersAt].Clear();
        _network.Clear();
        Array.Clear(_published);
        Array.Clear(_taken);
        Begin(Version1 | (dice.OneIn(3) ? ulong.MaxValue & 0xa7_ffff : dice.Bits() & 0xa7_ffff));
        bool isSane = !dice.OneIn(4);
        for (int round = dice.Next(1, 6); round > 0; round--)
        {
            int queue = dice.Next(8) switch { 0 => Control, < 5 => In, _ => Out };
            (int At, int Length)[] writable = Give(dice, ram, queue, isSane);
            for (int i = queue == In ? dice.Next(4) : 0; i > 0; i--)
            {
                _network.Incoming.Enqueue(Packet(dice));
            }

            _network.Room = dice.OneIn(6) ? dice.Next(3) : int.MaxValue;
            byte[] before = ram.ToArray();
            Set(0x50, (uint)queue);
            if (isSane)
            {
                CheckRam(ram, before, writable, queue);
                CheckReceived(ram, queue);
            }
        }

        _device.Pause();
        _device.Drain(CancellationToken.None);
        byte[] saved = SavedState.Of(_device);
        _other.Transfer(new StateStream(saved));
        byte[] again = SavedState.Of(_other);
        WrongException.ThrowIfNot(
            again.AsSpan(0, Pending).SequenceEqual(saved.AsSpan(0, Pending))
                && again.AsSpan(Pending + 8).SequenceEqual(saved.AsSpan(Pending + 8)),
            "the state is another one after it was restored");
        _device.Resume();
        Set(0x70, 0);
    }

    public override void Dispose()
    {
        _device.Dispose();
        _other.Dispose();
        _ram.Dispose();
    }

    /// <summary>A packet as a back end may have it, or as none should.</summary>
    private static byte[] Packet(Dice dice)
    {
        int length = dice.Next(6) switch
        {
            0 => dice.Next(Header + 1, 80),
            1 => dice.Next(INetworkBackend.MostPacket - 40, INetworkBackend.MostPacket + 1),
            _ => dice.Next(Header + 1, 4000),
        };
        byte[] packet = new byte[length];
        for (int at = 0; at < Math.Min(length, 200); at++)
        {
            packet[at] = (byte)dice.Next(256);
        }

        Dress(dice, packet);
        return packet;
    }

    /// <summary>Gives a packet a header that may make sense, and what it stands for.</summary>
    private static void Dress(Dice dice, Span<byte> packet)
    {
        if (packet.Length < Header + 60)
        {
            packet[..Math.Min(packet.Length, Header)].Clear();
            return;
        }

        bool isIpv4 = dice.OneIn(2);
        Span<byte> frame = packet[Header..];
        int transport = 14 + (isIpv4 ? 20 : 40);
        (frame[12], frame[13]) = isIpv4 ? ((byte)8, (byte)0) : ((byte)0x86, (byte)0xdd);
        frame[14] = isIpv4 ? (byte)0x45 : (byte)0x60;
        frame[isIpv4 ? 23 : 20] = 6;
        frame[Math.Min(transport + 12, frame.Length - 1)] = (byte)(dice.Next(4, 16) << 4);
        int kind = dice.OneIn(3) ? 0 : isIpv4 ? PacketHeader.Tcp4 : PacketHeader.Tcp6;
        PacketHeader header = new(
            (byte)(dice.OneIn(4) ? 0 : 1),
            (byte)kind,
            (ushort)dice.Next(100),
            (ushort)(dice.OneIn(4) ? dice.Next(40) : dice.Next(32, 3000)),
            (ushort)transport,
            16);
        header.Write(packet);
        if (dice.OneIn(4))
        {
            packet[dice.Next(Header)] = (byte)Odd.Number(dice);
        }
    }

    /// <summary>Makes buffers available.</summary>
    /// <returns>Where the device may write, of those that are there still.</returns>
    private (int At, int Length)[] Give(Dice dice, Span<byte> ram, int queue, bool isSane)
    {
        List<(int, int)> writable = [];
        int ring = queue * QueueBytes;
        int free = (int)Size - (ushort)(_published[queue] - Used(ram, queue));
        int place = BuffersAt + (queue * 0x1_0000);
        for (int i = Math.Min(free, dice.Next(1, 24)); i > 0; i--)
        {
            int index = _published[queue] % (int)Size;
            int length = queue switch
            {
                In => dice.OneIn(8) ? dice.Next(Header, 0x3f0) : dice.Next(0x200, 0x3f0),
                Out => dice.OneIn(8) ? dice.Next(40) : dice.Next(Header, 0x3f0),
                _ => dice.Next(2, 12),
            };
            int at = place + (index * 0x400);
            bool isWritable = queue == In;
            if (!isSane && dice.OneIn(6))
            {
                (at, length, isWritable) = ((int)Odd.Number(dice) & 0x7_ffff, (int)Odd.Number(dice) & 0xffff, dice.OneIn(2));
            }
            else if (queue == Out)
            {
                Fill(dice, ram.Slice(at, length));
            }
            else if (queue == Control)
            {
                ram[at] = (byte)dice.Next(5);
                ram[at + 1] = (byte)dice.Next(7);
            }

            Describe(ram, ring, index, at, length, isWritable, queue == Control ? (int)Size - 1 : -1);
            BinaryPrimitives.WriteUInt16LittleEndian(ram[(ring + 0x404 + (index * 2))..], (ushort)index);
            _published[queue]++;
        }

        if (queue == Control)
        {
            Describe(ram, ring, (int)Size - 1, AnswerAt, 1, writable: true, -1);
        }

        BinaryPrimitives.WriteUInt16LittleEndian(ram[(ring + 0x402)..], _published[queue]);
        // What was too much for one piece of work goes on on another thread, whatever queue is told of.
        writable.Add((BuffersAt, 0x1_0000));
        writable.Add((AnswerAt, 1));
        writable.AddRange(Enumerable.Range(0, 3).Select(number => ((number * QueueBytes) + 0x500, 6 + ((int)Size * 8))));
        return [.. writable];
    }

    private static void Fill(Dice dice, Span<byte> packet)
    {
        for (int at = 0; at < Math.Min(packet.Length, 100); at++)
        {
            packet[at] = (byte)dice.Next(256);
        }

        Dress(dice, packet);
    }

    private void Describe(Span<byte> ram, int ring, int index, int at, int length, bool writable, int next)
    {
        Span<byte> descriptor = ram.Slice(ring + (index * 16), 16);
        BinaryPrimitives.WriteUInt64LittleEndian(descriptor, Start + (ulong)at);
        BinaryPrimitives.WriteUInt32LittleEndian(descriptor[8..], (uint)length);
        BinaryPrimitives.WriteUInt16LittleEndian(descriptor[12..], (ushort)((writable ? 2 : 0) | (next >= 0 ? 1 : 0)));
        BinaryPrimitives.WriteUInt16LittleEndian(descriptor[14..], (ushort)Math.Max(0, next));
    }

    private static ushort Used(Span<byte> ram, int queue) => BinaryPrimitives.ReadUInt16LittleEndian(ram[((queue * QueueBytes) + 0x502)..]);

    private static void CheckRam(ReadOnlySpan<byte> ram, ReadOnlySpan<byte> before, (int At, int Length)[] writable, int queue)
    {
        int from = 0;
        foreach ((int at, int length) in writable.OrderBy(range => range.At))
        {
            WrongException.ThrowIfNot(
                at < from || ram[from..at].SequenceEqual(before[from..at]), $"memory below 0x{at:x} was written for queue {queue}");
            from = Math.Max(from, at + length);
        }

        WrongException.ThrowIfNot(ram[from..].SequenceEqual(before[from..]), $"memory from 0x{from:x} on was written for queue {queue}");
    }

    /// <summary>What was received is whole packets, each of as many buffers as its header says.</summary>
    private void CheckReceived(Span<byte> ram, int queue)
    {
        ushort used = Used(ram, queue);
        WrongException.ThrowIfNot((ushort)(_published[queue] - used) <= Size, "more buffers were given back than were given");
        while (queue == In && _taken[In] != used)
        {
            (int at, int written) = Entry(ram, _taken[In]);
            int count = BinaryPrimitives.ReadUInt16LittleEndian(ram[(at + 10)..]);
            WrongException.ThrowIfNot(
                written >= Header && count > 0 && count <= (ushort)(used - _taken[In]),
                $"{count} buffers of {(ushort)(used - _taken[In])}, the first with {written} bytes");
            for (int i = 1; i < count; i++)
            {
                WrongException.ThrowIfNot(Entry(ram, (ushort)(_taken[In] + i)).Written > 0, "a buffer of a packet with nothing in it");
            }

            _taken[In] += (ushort)count;
        }

        _taken[queue] = used;
    }

    private static (int At, int Written) Entry(ReadOnlySpan<byte> ram, ushort number)
    {
        ReadOnlySpan<byte> entry = ram[(0x504 + (number % (int)Size * 8))..];
        return (BuffersAt + (BinaryPrimitives.ReadInt32LittleEndian(entry) * 0x400), BinaryPrimitives.ReadInt32LittleEndian(entry[4..]));
    }

    private void Begin(ulong features)
    {
        Set(0x70, 0);
        Set(0x70, 3);
        Set(0x24, 0);
        Set(0x20, (uint)features);
        Set(0x24, 1);
        Set(0x20, (uint)(features >> 32));
        Set(0x70, 0xb);
        _device.TryRead(0x70, 4, out ulong status);
        if ((status & 8) == 0)
        {
            // Bits that the adapter has not; all that it has are agreed on then.
            _device.TryRead(0x10, 4, out ulong offered);
            Begin(Version1 | (features & offered & 0xff_ffff));
            return;
        }

        for (uint queue = 0; queue < 3; queue++)
        {
            Set(0x30, queue);
            Set(0x38, Size);
            foreach ((ulong offset, ulong at) in (ReadOnlySpan<(ulong, ulong)>)[(0x80, 0), (0x90, 0x400), (0xa0, 0x500)])
            {
                Set(offset, (uint)(Start + (queue * QueueBytes) + at));
                Set(offset + 4, (uint)(Start >> 32));
            }

            Set(0x44, 1);
        }

        Set(0x70, 0xf);
    }

    private void Set(ulong offset, uint value) =>
        WrongException.ThrowIfNot(_device.TryWrite(offset, 4, value), $"register 0x{offset:x} cannot be written");

    /// <summary>Has what it was given, takes as much as it is said to, and looks at it.</summary>
    private sealed class OddNetwork : INetworkBackend
    {
        public Queue<byte[]> Incoming { get; } = [];

        public int Room { get; set; }

        public string? Fault => null;

        public Action? Ready { get; set; }

        public void Clear() => Incoming.Clear();

        public bool TrySend(ReadOnlySpan<byte> packet)
        {
            if (Room-- <= 0)
            {
                return false;
            }

            PacketHeader header = PacketHeader.Read(packet);
            int frame = packet.Length - Header;
            WrongException.ThrowIfNot(
                frame is >= 14 and <= INetworkBackend.MostPacket && (header.Flags & ~1) == 0, $"{frame} bytes with flags {header.Flags}");
            WrongException.ThrowIfNot(
                !header.HasUnfinishedChecksum || header.ChecksumStart + header.ChecksumOffset + 2 <= frame,
                "a checksum outside of its packet");
            WrongException.ThrowIfNot(
                !header.HasSegments || FrameSegments.TryBegin(packet, out _), $"segments of {frame} bytes that cannot be cut");
            return true;
        }

        public int TryReceive(Span<byte> packet)
        {
            if (!Incoming.TryDequeue(out byte[]? taken))
            {
                return 0;
            }

            taken.CopyTo(packet);
            return taken.Length;
        }

        public void Dispose()
        {
        }
    }
}
