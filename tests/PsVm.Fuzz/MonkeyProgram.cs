using System.Buffers.Binary;
using PsVm.Machine.Tests.Support;
using PsVm.Riscv.Tests;
using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Fuzz;

/// <summary>
/// A kernel that does what a list says, from its beginning to its end and again: stores and loads of any place of the board, calls of the
/// firmware, and more buffers in the rings of each virtio device, which are mostly ones that a driver could give it.
/// </summary>
internal static class MonkeyProgram
{
    private const int S0 = 8, S1 = 9, S2 = 18, Tp = 4, Header = 0x1000, EntryBytes = 64, Slots = 8, Queues = 4, QueueSize = 16;
    private const int RingsAt = 0x10_0000, SlotBytes = 0x1_0000, QueueBytes = 0x1000, DataAt = 0x20_0000, DataBytes = 0x8_0000;
    private const ulong FirstSlot = 0x1000_1000;
    private const int Stvec = 0x105, Sepc = 0x141;

    private const ulong SystemReset = 0x5352_5354;

    // Console, harts' timers and interrupts, and the rest of the board; and what the firmware is called for.
    private static readonly ulong[] s_devices =
        [0x1000_0000, 0x0010_1000, 0x0010_2000, 0x0200_0000, 0x0200_4000, 0x0c00_0000, 0x0c20_0000];

    private static readonly ulong[] s_extensions =
        [0x10, 0x54494d45, 0x735049, 0x52464e43, 0x48534d, 0x48534d, 0x4442434e, 0x504d55, 0x53555350, 0, 1, 2];

    private enum Kind
    {
        Store4,
        Store8,
        Load4,
        Call,
        Add4,
        Store1,
    }

    /// <summary>Writes a kernel's Image.</summary>
    public static byte[] Write(Dice dice)
    {
        byte[] image = new byte[DataAt + DataBytes];
        BootFile.Image([]).CopyTo(image, 0);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(16), (ulong)image.Length);
        WriteCode(image);
        List<(Kind Kind, ulong[] Values)> list = [];
        for (int slot = 0; slot < Slots; slot++)
        {
            WriteRings(dice, image, slot);
            if (!dice.OneIn(8))
            {
                Begin(dice, slot, list);
            }
        }

        for (int more = dice.Next(20, 200); more > 0; more--)
        {
            AddAnything(dice, list);
        }

        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(Header), (ulong)list.Count * EntryBytes);
        for (int i = 0; i < list.Count; i++)
        {
            Span<byte> entry = image.AsSpan(Header + ((i + 1) * EntryBytes), EntryBytes);
            BinaryPrimitives.WriteUInt64LittleEndian(entry, (ulong)list[i].Kind);
            for (int value = 0; value < list[i].Values.Length; value++)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(entry[((value + 1) * 8)..], list[i].Values[value]);
            }
        }

        return image;
    }

    private static void WriteCode(byte[] image)
    {
        const int begin = 64, handler = 0x400;
        ProgramWriter writer = new(image) { At = begin };
        writer.Emit(
            Auipc(S0, 1), Addi(S0, S0, -begin), Ld(S1, S0, 0), Addi(S0, S0, EntryBytes), Add(S1, S1, S0), Auipc(T0, 0),
            Addi(T0, T0, handler - begin - 20), Csrrw(Zero, Stvec, T0));
        int all = writer.MarkNew();
        writer.Emit(Addi(S2, S0, 0));
        int one = writer.MarkNew(), next = writer.NewLabel();
        int[] kinds = [.. Enum.GetValues<Kind>().Select(_ => writer.NewLabel())];
        writer.Emit(Ld(T0, S2, 0), Ld(T1, S2, 8), Ld(T2, S2, 16));
        foreach (int kind in kinds)
        {
            writer.Branch(0, T0, Zero, kind);
            writer.Emit(Addi(T0, T0, -1));
        }

        uint[][] bodies =
        [
            [Sw(T2, T1, 0)],
            [Sd(T2, T1, 0)],
            [Load(2, T2, T1, 0)],
            [Addi(A7, T1, 0), Addi(A6, T2, 0), Ld(A0, S2, 24), Ld(A1, S2, 32), Ld(A2, S2, 40), Ld(A3, S2, 48), Ld(A4, S2, 56), Ecall],
            [Load(2, T0, T1, 0), Add(T0, T0, T2), Sw(T0, T1, 0)],
            [Store(0, T2, T1, 0)],
        ];
        for (int kind = 0; kind < kinds.Length; kind++)
        {
            writer.Mark(kinds[kind]);
            writer.Emit(bodies[kind]);
            writer.Jump(Zero, next);
        }

        writer.Mark(next);
        writer.Emit(Addi(S2, S2, EntryBytes));
        writer.Branch(4, S2, S1, one);
        writer.Jump(Zero, all);
        writer.At = handler;
        writer.Emit(Csrrs(Tp, Sepc, 0), Addi(Tp, Tp, 4), Csrrw(Zero, Sepc, Tp), Sret);
        writer.Finish();
    }

    private static ulong Register(int slot, ulong offset) => FirstSlot + (0x1000 * (ulong)slot) + offset;

    private static ulong Ring(int slot, int queue) => BootFile.KernelStart + (ulong)(RingsAt + (slot * SlotBytes) + (queue * QueueBytes));

    private static ulong Data(Dice dice) => BootFile.KernelStart + DataAt + ((ulong)dice.Next(DataBytes / 64) * 64);

    private static ulong Argument(Dice dice) => Odd.Near(dice, Data(dice), BootFile.KernelStart + 64, 0, 1);

    /// <summary>What a driver does first.</summary>
    private static void Begin(Dice dice, int slot, List<(Kind, ulong[])> list)
    {
        ulong features = dice.Pick<ulong>([0, 1 << 28, 1 << 29, 3 << 28, 0x3f, 0x200, 0x22, 2, 1]);
        foreach ((ulong offset, ulong value) in new (ulong, ulong)[]
        {
            (0x70, 0), (0x70, 3), (0x24, 1), (0x20, 1), (0x24, 0), (0x20, features), (0x70, 11),
        })
        {
            list.Add((Kind.Store4, [Register(slot, offset), value]));
        }

        for (int queue = 0; queue < Queues; queue++)
        {
            ulong ring = Ring(slot, queue);
            list.Add((Kind.Store4, [ring + 0x400, 0])); // it has published nothing yet
            foreach ((ulong offset, ulong value) in new (ulong, ulong)[]
            {
                (0x30, (ulong)queue), (0x38, QueueSize), (0x80, ring), (0x90, ring + 0x400), (0xa0, ring + 0x800), (0x44, 1),
            })
            {
                list.Add((Kind.Store4, [Register(slot, offset), value]));
            }
        }

        list.Add((Kind.Store4, [Register(slot, 0x70), 15]));
    }

    private static void WriteRings(Dice dice, byte[] image, int slot)
    {
        for (int queue = 0; queue < Queues; queue++)
        {
            Span<byte> ring = image.AsSpan(RingsAt + (slot * SlotBytes) + (queue * QueueBytes), QueueBytes);
            bool hasOdd = dice.OneIn(4);
            for (int number = 0; number < QueueSize; number++)
            {
                // A part that is read and some that are written, or anything.
                bool isOdd = hasOdd && dice.OneIn(8);
                int place = number % 4;
                Span<byte> descriptor = ring.Slice(number * 16, 16);
                ulong data = Data(dice);
                BinaryPrimitives.WriteUInt64LittleEndian(descriptor, isOdd ? Odd.Near(dice, data) : data);
                int length = place == 0 ? dice.Pick<int>([16, 24, 11, 64, 1024]) : dice.Pick<int>([1, 512, 4096, 64, 65_536]);
                BinaryPrimitives.WriteUInt32LittleEndian(descriptor[8..], isOdd ? (uint)Odd.Number(dice) : (uint)length);
                int flags = isOdd ? dice.Next(8) : place == 0 ? 1 : place == 3 ? 2 : 3;
                BinaryPrimitives.WriteUInt16LittleEndian(descriptor[12..], (ushort)flags);
                BinaryPrimitives.WriteUInt16LittleEndian(descriptor[14..], (ushort)(isOdd ? dice.Next(20) : number + 1));
                BinaryPrimitives.WriteUInt16LittleEndian(ring[(0x404 + (number * 2))..], (ushort)(number / 4 * 4));
            }
        }

        Span<byte> messages = image.AsSpan(DataAt, DataBytes);
        for (int at = slot * 64; at < DataBytes; at += Slots * 64)
        {
            // Requests of a disk, of a folder's driver, or anything.
            Span<byte> message = messages.Slice(at, 64);
            switch (dice.Next(4))
            {
                case 0:
                    BinaryPrimitives.WriteUInt32LittleEndian(message, dice.Pick<uint>([0, 1, 4, 8, 11, 13]));
                    BinaryPrimitives.WriteUInt64LittleEndian(message[8..], (ulong)dice.Next(2100));
                    BinaryPrimitives.WriteUInt64LittleEndian(message[16..], (ulong)dice.Next(2100));
                    BinaryPrimitives.WriteUInt32LittleEndian(message[24..], (uint)dice.Next(64));
                    break;
                case 1:
                    BinaryPrimitives.WriteUInt32LittleEndian(message, dice.Pick<uint>([24, 16, 11]));
                    message[4] = dice.Pick<byte>([100, 104, 110, 108, 12, 14, 24, 40, 72, 116, 118, 120]);
                    BinaryPrimitives.WriteUInt16LittleEndian(message[5..], (ushort)dice.Next(4));
                    BinaryPrimitives.WriteUInt32LittleEndian(message[7..], (uint)dice.Next(4));
                    break;
                case 2:
                    for (int i = 0; i < 16; i++)
                    {
                        // Pages, for a balloon.
                        BinaryPrimitives.WriteUInt32LittleEndian(message[(i * 4)..], 0x8_0000 + (uint)dice.Next(4096));
                    }

                    break;
                default:
                    BinaryPrimitives.WriteUInt64LittleEndian(message[(dice.Next(8) * 8)..], Odd.Number(dice));
                    break;
            }
        }
    }

    private static void AddAnything(Dice dice, List<(Kind, ulong[])> list)
    {
        int slot = dice.Next(Slots), queue = dice.Next(Queues);
        switch (dice.Next(16))
        {
            case < 8:
                list.Add((Kind.Add4, [Ring(slot, queue) + 0x400, (ulong)dice.Next(1, 3) << 16]));
                list.Add((Kind.Store4, [Register(slot, 0x50), (ulong)queue]));
                break;
            case 8:
                list.Add((Kind.Store4, [Register(slot, (ulong)dice.Next(0x48) * 4), Odd.Number(dice)]));
                break;
            case 9:
                list.Add((dice.OneIn(2) ? Kind.Load4 : Kind.Store1, [Register(slot, (ulong)dice.Next(0x180)), Odd.Number(dice)]));
                break;
            case 10:
                list.Add((Kind.Store8, [Ring(slot, queue) + ((ulong)dice.Next(QueueSize * 2) * 8), Odd.Near(dice, Data(dice))]));
                break;
            case 11 when dice.OneIn(2):
                list.Add((Kind.Store4, [Register(slot, 0x70), 0]));
                Begin(dice, slot, list);
                break;
            case 12:
                ulong place = dice.Pick<ulong>(s_devices) + (ulong)(dice.Next(64) * 4);
                list.Add((dice.Pick<Kind>([Kind.Store1, Kind.Store4, Kind.Store8, Kind.Load4]), [place, Odd.Number(dice)]));
                break;
            case 13 when dice.OneIn(16):
                list.Add((Kind.Store4, [dice.Pick<ulong>([0x0010_0000, 0x0010_3000]), dice.Pick<ulong>([0x5555, 0x7777, 1, 2])]));
                break;
            default:
                ulong extension = dice.OneIn(60) ? SystemReset : dice.Pick<ulong>(s_extensions);
                list.Add((Kind.Call, [extension, (ulong)dice.Next(8), .. Enumerable.Range(0, 5).Select(_ => Argument(dice))]));
                break;
        }
    }
}
