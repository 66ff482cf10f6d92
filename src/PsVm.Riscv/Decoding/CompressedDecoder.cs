namespace PsVm.Riscv.Decoding;

/// <summary>Expands 16-bit instructions to their 32-bit equals (unprivileged manual, chapter "C", RV64C tables).</summary>
internal static class CompressedDecoder
{
    /// <summary>The 32-bit equal of a 16-bit instruction; 0, which is illegal, where there is none.</summary>
    public static uint Expand(uint c)
    {
        uint funct3 = (c >> 13) & 7;
        uint rd = (c >> 7) & 31, rs2 = (c >> 2) & 31;
        uint rdShort = ((c >> 2) & 7) + 8, rs1Short = ((c >> 7) & 7) + 8;
        switch ((c & 3, funct3))
        {
            case (0, 0): // c.addi4spn
                uint wide = Bits(c, 11, 2) << 4 | Bits(c, 7, 4) << 6 | Bits(c, 6, 1) << 2 | Bits(c, 5, 1) << 3;
                return wide == 0 ? 0 : Immediate(0x13, 0, rdShort, 2, (int)wide);
            case (0, 1): return Immediate(0x07, 3, rdShort, rs1Short, DoubleOffset(c)); // c.fld
            case (0, 2): return Immediate(0x03, 2, rdShort, rs1Short, WordOffset(c)); // c.lw
            case (0, 3): return Immediate(0x03, 3, rdShort, rs1Short, DoubleOffset(c)); // c.ld
            case (0, 5): return Store(0x27, 3, rs1Short, rdShort, DoubleOffset(c)); // c.fsd
            case (0, 6): return Store(0x23, 2, rs1Short, rdShort, WordOffset(c)); // c.sw
            case (0, 7): return Store(0x23, 3, rs1Short, rdShort, DoubleOffset(c)); // c.sd

            case (1, 0): return Immediate(0x13, 0, rd, rd, Signed6(c)); // c.addi, c.nop
            case (1, 1): return rd == 0 ? 0 : Immediate(0x1b, 0, rd, rd, Signed6(c)); // c.addiw
            case (1, 2): return Immediate(0x13, 0, rd, 0, Signed6(c)); // c.li
            case (1, 3) when rd == 2: // c.addi16sp
                int step = SignExtend(
                    Bits(c, 12, 1) << 9 | Bits(c, 6, 1) << 4 | Bits(c, 5, 1) << 6 | Bits(c, 3, 2) << 7 | Bits(c, 2, 1) << 5, 10);
                return step == 0 ? 0 : Immediate(0x13, 0, 2, 2, step);
            case (1, 3): return Signed6(c) == 0 ? 0 : (uint)(Signed6(c) << 12) | rd << 7 | 0x37; // c.lui
            case (1, 4): return Arithmetic(c, rs1Short, rdShort);
            case (1, 5): return Jump(JumpOffset(c)); // c.j
            case (1, 6): return Branch(0, rs1Short, BranchOffset(c)); // c.beqz
            case (1, 7): return Branch(1, rs1Short, BranchOffset(c)); // c.bnez

            case (2, 0): return Immediate(0x13, 1, rd, rd, (int)Unsigned6(c)); // c.slli
            case (2, 1): return Immediate(0x07, 3, rd, 2, DoubleStackOffset(c)); // c.fldsp
            case (2, 2): // c.lwsp
                return rd == 0 ? 0 : Immediate(0x03, 2, rd, 2, (int)(Bits(c, 12, 1) << 5 | Bits(c, 4, 3) << 2 | Bits(c, 2, 2) << 6));
            case (2, 3): return rd == 0 ? 0 : Immediate(0x03, 3, rd, 2, DoubleStackOffset(c)); // c.ldsp
            case (2, 4): return JumpOrMove(c, rd, rs2);
            case (2, 5): return Store(0x27, 3, 2, rs2, (int)(Bits(c, 10, 3) << 3 | Bits(c, 7, 3) << 6)); // c.fsdsp
            case (2, 6): return Store(0x23, 2, 2, rs2, (int)(Bits(c, 9, 4) << 2 | Bits(c, 7, 2) << 6)); // c.swsp
            case (2, 7): return Store(0x23, 3, 2, rs2, (int)(Bits(c, 10, 3) << 3 | Bits(c, 7, 3) << 6)); // c.sdsp
            default: return 0;
        }
    }

    private static uint Arithmetic(uint c, uint rd, uint rs2)
    {
        switch (Bits(c, 10, 2))
        {
            case 0: return Immediate(0x13, 5, rd, rd, (int)Unsigned6(c)); // c.srli
            case 1: return Immediate(0x13, 5, rd, rd, (int)(Unsigned6(c) | 0x400)); // c.srai
            case 2: return Immediate(0x13, 7, rd, rd, Signed6(c)); // c.andi
        }

        return (Bits(c, 12, 1) << 2 | Bits(c, 5, 2)) switch
        {
            0 => Register(0x33, 0, 0x20, rd, rd, rs2), // c.sub
            1 => Register(0x33, 4, 0, rd, rd, rs2), // c.xor
            2 => Register(0x33, 6, 0, rd, rd, rs2), // c.or
            3 => Register(0x33, 7, 0, rd, rd, rs2), // c.and
            4 => Register(0x3b, 0, 0x20, rd, rd, rs2), // c.subw
            5 => Register(0x3b, 0, 0, rd, rd, rs2), // c.addw
            _ => 0,
        };
    }

    private static uint JumpOrMove(uint c, uint rd, uint rs2) => (Bits(c, 12, 1), rd, rs2) switch
    {
        (0, 0, 0) => 0,
        (0, _, 0) => Immediate(0x67, 0, 0, rd, 0), // c.jr
        (0, _, _) => Register(0x33, 0, 0, rd, 0, rs2), // c.mv
        (_, 0, 0) => 0x00100073, // c.ebreak
        (_, _, 0) => Immediate(0x67, 0, 1, rd, 0), // c.jalr
        _ => Register(0x33, 0, 0, rd, rd, rs2), // c.add
    };

    private static uint Bits(uint value, int low, int count) => (value >> low) & ((1u << count) - 1);

    private static int SignExtend(uint value, int bits) => (int)(value << (32 - bits)) >> (32 - bits);

    private static uint Unsigned6(uint c) => Bits(c, 12, 1) << 5 | Bits(c, 2, 5);

    private static int Signed6(uint c) => SignExtend(Unsigned6(c), 6);

    private static int WordOffset(uint c) => (int)(Bits(c, 10, 3) << 3 | Bits(c, 6, 1) << 2 | Bits(c, 5, 1) << 6);

    private static int DoubleOffset(uint c) => (int)(Bits(c, 10, 3) << 3 | Bits(c, 5, 2) << 6);

    private static int DoubleStackOffset(uint c) => (int)(Bits(c, 12, 1) << 5 | Bits(c, 5, 2) << 3 | Bits(c, 2, 3) << 6);

    private static int JumpOffset(uint c) => SignExtend(
        Bits(c, 12, 1) << 11 | Bits(c, 11, 1) << 4 | Bits(c, 9, 2) << 8 | Bits(c, 8, 1) << 10 | Bits(c, 7, 1) << 6
        | Bits(c, 6, 1) << 7 | Bits(c, 3, 3) << 1 | Bits(c, 2, 1) << 5, 12);

    private static int BranchOffset(uint c) => SignExtend(
        Bits(c, 12, 1) << 8 | Bits(c, 10, 2) << 3 | Bits(c, 5, 2) << 6 | Bits(c, 3, 2) << 1 | Bits(c, 2, 1) << 5, 9);

    private static uint Immediate(uint opcode, uint funct3, uint rd, uint rs1, int immediate) =>
        (uint)immediate << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode;

    private static uint Store(uint opcode, uint funct3, uint rs1, uint rs2, int offset) =>
        (uint)(offset >> 5) << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | (uint)(offset & 31) << 7 | opcode;

    private static uint Register(uint opcode, uint funct3, uint funct7, uint rd, uint rs1, uint rs2) =>
        funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode;

    private static uint Branch(uint funct3, uint rs1, int offset) =>
        Bits((uint)offset, 12, 1) << 31 | Bits((uint)offset, 5, 6) << 25 | rs1 << 15 | funct3 << 12
        | Bits((uint)offset, 1, 4) << 8 | Bits((uint)offset, 11, 1) << 7 | 0x63;

    private static uint Jump(int offset) =>
        Bits((uint)offset, 20, 1) << 31 | Bits((uint)offset, 1, 10) << 21 | Bits((uint)offset, 11, 1) << 20
        | Bits((uint)offset, 12, 8) << 12 | 0x6f;
}
