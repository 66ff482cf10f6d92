using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <content>Single operations: they take any registers, and write those that the program has no other use for.</content>
internal sealed partial class StructuredProgram
{
    // funct7 and funct3 of what there is; for the bit immediates, the upper 12 bits and funct3.
    private static readonly (int Funct7, int Funct3)[] Registers =
    [
        (0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (0, 6), (0, 7), (0x20, 0), (0x20, 5), (0, 0), (0x20, 0), (0, 4), (0, 7),
        (1, 0), (1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (1, 6), (1, 7),
        (0x20, 4), (0x20, 6), (0x20, 7), (5, 4), (5, 5), (5, 6), (5, 7), (0x10, 2), (0x10, 4), (0x10, 6),
        (0x14, 1), (0x24, 1), (0x24, 5), (0x34, 1), (0x30, 1), (0x30, 5), (7, 5), (7, 7), (7, 5), (7, 7),
    ];

    private static readonly (int Funct7, int Funct3)[] WordRegisters =
    [
        (0, 0), (0, 0), (0, 1), (0, 5), (0x20, 0), (0x20, 5), (1, 0), (1, 4), (1, 5), (1, 6), (1, 7),
        (4, 0), (0x10, 2), (0x10, 4), (0x10, 6), (0x30, 1), (0x30, 5),
    ];

    private static readonly (int Upper, int Funct3)[] BitImmediates =
        [(0x600, 1), (0x601, 1), (0x602, 1), (0x604, 1), (0x605, 1), (0x287, 5), (0x6b8, 5)];

    private static readonly (int Upper, int Funct3)[] Shifts =
        [(0x000, 1), (0x000, 5), (0x400, 5), (0x600, 5), (0x280, 1), (0x480, 1), (0x680, 1), (0x480, 5)];

    private static readonly int[] Amos = [0, 0, 1, 4, 0xc, 8, 0x10, 0x14, 0x18, 0x1c, 2, 3];
    private static readonly int[] CountersAndFlags = [Fflags, Frm, Fcsr, 0xc00, 0xc02, Sstatus, Mstatus, 0x342, 0xb02];

    /// <summary>
    /// Loads and stores close to each other by one pointer, which is copied, moved, loaded over and lost between them, on one page or two,
    /// be it one of the program's own. What computes, branches or reaches elsewhere comes between.
    /// </summary>
    private void Neighbours()
    {
        int pointer = Pointer(), near = dice.Next(-1500, 1500), copy = 0;
        if (_rewritesItself && dice.OneIn(6))
        {
            (pointer, near) = (Dest(orZero: false), 0);
            code.Emit(Auipc(pointer, 0));
            int same = Dest(orZero: false);
            int at = dice.Next(4) * 4;
            code.Emit(Load(2, same, pointer, at));
            if (same != pointer)
            {
                code.Emit(Store(2, same, pointer, at));
            }
        }

        for (int count = dice.Next(2, 10); count > 0; count--)
        {
            int kind = dice.Next(20), size = dice.Next(4), place = near + dice.Next(-48, 48);
            switch (kind)
            {
                case 0 or 1 when copy == 0:
                    copy = Dest(orZero: false);
                    int distance = dice.Next(-64, 64);
                    code.Emit(dice.OneIn(3) ? Add(copy, 0, pointer) : Addi(copy, pointer, distance));
                    (pointer, near) = (dice.OneIn(2) ? copy : pointer, near - (dice.OneIn(2) ? distance : 0));
                    break;
                case 2 when copy == pointer && copy != 0:
                    code.Emit(Addi(copy, copy, dice.Next(-32, 32)));
                    break;
                case 3:
                    Straight(1);
                    break;
                case 4:
                    int end = code.NewLabel(), target = Dest();
                    code.Branch(Condition(), Any(), Any(), end);
                    code.Emit(Addi(dice.OneIn(3) && copy != 0 ? copy : target, dice.OneIn(2) ? pointer : Any(), dice.Next(-8, 8)));
                    code.Mark(end);
                    break;
                case 5:
                    code.Emit(Atomic(dice.Pick<int>([0, 1, 0x14]), 3, Dest(), pointer, Any()));
                    break;
                case 6:
                    code.Emit(Load(3, Dest(), Pointer(), Offset(3)));
                    break;
                case 7 or 8 when _usesFloats:
                    code.Emit(
                        (
                            dice.OneIn(2)
                                ? Load(3, dice.Next(32), pointer, place) & ~0x7fu | 0x07
                                : Store(3, dice.Next(32), pointer, place) & ~0x7fu | 0x27));
                    break;
                case < 14:
                    code.Emit(Load(dice.Next(7), Dest(), pointer, place));
                    break;
                default:
                    code.Emit(Store(size, Any(), pointer, place));
                    break;
            }
        }
    }

    private uint Compute(int rd)
    {
        switch (dice.Next(16))
        {
            case < 6:
                (int funct7, int funct3) = dice.Pick<(int, int)>(Registers);
                return R(0x33, funct3, funct7, rd, Any(), Any());
            case < 9:
                (int wordFunct7, int wordFunct3) = dice.Pick<(int, int)>(WordRegisters);
                return R(0x3b, wordFunct3, wordFunct7, rd, Any(), Any());
            case < 11:
                return Immediate(0x13, dice.Pick<int>([0, 0, 0, 2, 3, 4, 6, 7]), rd, Any(), Small());
            case 11:
                return Immediate(0x1b, 0, rd, Any(), Small());
            case 12:
                (int shift, int shiftFunct3) = dice.Pick<(int, int)>(Shifts);
                return Immediate(0x13, shiftFunct3, rd, Any(), shift | dice.Next(64));
            case 13:
                (int word, int wordShift) = dice.Pick<(int, int)>([(0, 1), (0, 5), (0x400, 5), (0x600, 5), (0x080, 1)]);
                return Immediate(0x1b, wordShift, rd, Any(), word | dice.Next(32));
            case 14:
                (int bits, int bitsFunct3) = dice.Pick<(int, int)>(BitImmediates);
                return dice.OneIn(4)
                    ? Immediate(0x1b, 1, rd, Any(), 0x600 | dice.Next(3))
                    : dice.OneIn(8) ? R(0x3b, 4, 4, rd, Any(), 0) : Immediate(0x13, bitsFunct3, rd, Any(), bits);
            default:
                return (uint)(dice.Bits() >> 44) << 12 | (uint)rd << 7 | (dice.OneIn(3) ? 0x17u : 0x37);
        }
    }

    private uint Compressed()
    {
        uint immediate = (uint)dice.Next(64), any = (uint)Any();
        uint low = (immediate & 31) << 2, high = immediate >> 5 << 12;
        for (int attempt = 0; attempt < 6; attempt++)
        {
            uint rd = (uint)Dest(orZero: false), rdShort = (rd - 8) << 7, shorts = rdShort | (uint)dice.Next(8) << 2;
            bool isShort = rd is >= 8 and < 16;
            int pointer = Pointer();
            uint? bits = dice.Next(14) switch
            {
                0 => 0x0001 | rd << 7 | low | high, // c.addi
                1 => 0x2001 | rd << 7 | low | high, // c.addiw
                2 => 0x4001 | rd << 7 | low | high, // c.li
                3 when rd != 2 && immediate != 0 => 0x6001 | rd << 7 | low | high, // c.lui
                4 => 0x0002 | rd << 7 | low | high, // c.slli
                5 when any != 0 => 0x8002 | rd << 7 | any << 2, // c.mv
                6 when any != 0 => 0x9002 | rd << 7 | any << 2, // c.add
                7 when isShort => 0x8001 | rdShort | low | high | (uint)dice.Next(3) << 10, // c.srli, c.srai, c.andi
                8 when isShort => 0x8c01 | shorts | (uint)dice.Next(4) << 5, // c.sub, c.xor, c.or, c.and
                9 when isShort => 0x9c01 | shorts | (uint)dice.Next(2) << 5, // c.subw, c.addw
                10 when isShort => (uint)((rd - 8) << 2) | (uint)dice.Next(1, 256) << 5, // c.addi4spn
                11 when pointer is >= 8 and < 16 && isShort => // c.lw, c.ld
                    (dice.OneIn(2) ? 0x4000u : 0x6000) | (uint)(pointer - 8) << 7 | (rd - 8) << 2 | (uint)dice.Next(4) << 5
                        | (uint)dice.Next(8) << 10,
                12 when pointer is >= 8 and < 16 => // c.sw, c.sd, c.fld, c.fsd
                    dice.Pick<uint>(_usesFloats ? [0xc000, 0xe000, 0x2000, 0xa000] : [0xc000, 0xe000]) | (uint)(pointer - 8) << 7
                        | (uint)dice.Next(32) << 2 | (uint)dice.Next(8) << 10,
                13 when pointer == 2 => // c.ldsp, c.sdsp, c.lwsp, c.swsp
                    dice.Next(4) switch
                    {
                        0 => 0x6002u | rd << 7 | (uint)dice.Next(8) << 2 | high,
                        1 => 0xe002u | any << 2 | (uint)dice.Next(8) << 10,
                        2 => 0x4002u | rd << 7 | (uint)dice.Next(8) << 4 | high,
                        _ => 0xc002u | any << 2 | (uint)dice.Next(16) << 9,
                    },
                _ => null,
            };
            if (bits is { } found)
            {
                return found;
            }
        }

        return 0x0001; // c.nop
    }

    /// <summary>The flags of floating point read and written, as compilers do around comparisons, or one of both alone.</summary>
    private void FloatFlags()
    {
        int kept = Dest();
        code.Emit(Csr(2, kept, Fflags, 0));
        for (int i = dice.Next(3); i > 0; i--)
        {
            code.Emit(Float());
        }

        if (!dice.OneIn(3))
        {
            code.Emit(Csr(1, 0, Fflags, dice.OneIn(4) ? Any() : kept));
        }
    }

    private uint Float()
    {
        int format = dice.Next(2), rounding = dice.OneIn(40) ? dice.Next(8) : dice.OneIn(4) ? dice.Next(5) : 7;
        int rd = dice.Next(32), rs1 = dice.Next(32), rs2 = dice.Next(32);
        switch (dice.Next(28))
        {
            case 24:
                return R(0x53, 0, 0x1e << 2 | format, rd, rs1, 1); // fli
            case 25:
                return R(0x53, dice.Next(2, 4), 5 << 2 | format, rd, rs1, rs2); // fminm, fmaxm
            case 26:
                return R(0x53, rounding, 8 << 2 | format, rd, rs1, dice.Next(4, 6)); // fround, froundnx
            case 27:
                return dice.OneIn(3)
                    ? R(0x53, 1, 0x61, Dest(), rs1, 8) // fcvtmod.w.d
                    : R(0x53, dice.Next(4, 6), 0x14 << 2 | format, Dest(), rs1, rs2); // fleq, fltq
            case < 8:
                return R(0x53, rounding, dice.Next(3) << 2 | format, rd, rs1, rs2);
            case < 12:
                return R(0x43 + (dice.Next(4) * 4), rounding, dice.Next(32) << 2 | format, rd, rs1, rs2);
            case 12:
                return R(0x53, rounding, 3 << 2 | format, rd, rs1, rs2);
            case 13:
                return R(0x53, rounding, 0x0b << 2 | format, rd, rs1, 0);
            case < 16:
                return R(0x53, dice.Next(3), 4 << 2 | format, rd, rs1, rs2);
            case 16:
                return R(0x53, dice.Next(2), 5 << 2 | format, rd, rs1, rs2);
            case 17:
                return R(0x53, rounding, 8 << 2 | format, rd, rs1, 1 - format);
            case 18 or 19:
                return R(0x53, dice.Next(3), 0x14 << 2 | format, Dest(), rs1, rs2);
            case 20:
                return R(0x53, rounding, 0x18 << 2 | format, Dest(), rs1, dice.Next(4));
            case 21 or 22:
                return R(0x53, rounding, 0x1a << 2 | format, rd, Any(), dice.Next(4));
            default:
                return dice.OneIn(2)
                    ? R(0x53, dice.Next(2), 0x1c << 2 | format, Dest(), rs1, 0)
                    : R(0x53, 0, 0x1e << 2 | format, rd, Any(), 0);
        }
    }
}
