using PsVm.Riscv.Csr;
using PsVm.Riscv.FloatingPoint;

namespace PsVm.Riscv.Decoding;

/// <summary>
/// Decodes the extensions of <see cref="IsaExtensions"/> and the privileged instructions (unprivileged manual, chapter "RV32/64G
/// Instruction Set Listings" and those of the extensions).
/// </summary>
internal static class Decoder
{
    private static readonly OpCode[] Branches =
        [OpCode.Beq, OpCode.Bne, OpCode.Illegal, OpCode.Illegal, OpCode.Blt, OpCode.Bge, OpCode.Bltu, OpCode.Bgeu];

    private static readonly OpCode[] Loads =
        [OpCode.Lb, OpCode.Lh, OpCode.Lw, OpCode.Ld, OpCode.Lbu, OpCode.Lhu, OpCode.Lwu, OpCode.Illegal];

    private static readonly OpCode[] Stores = [OpCode.Sb, OpCode.Sh, OpCode.Sw, OpCode.Sd];

    private static readonly OpCode[] Csrs =
        [OpCode.Illegal, OpCode.Csrrw, OpCode.Csrrs, OpCode.Csrrc, OpCode.Illegal, OpCode.Csrrwi, OpCode.Csrrsi, OpCode.Csrrci];

    /// <summary>Whether nothing follows the operation in its block.</summary>
    public static bool EndsBlock(OpCode code) => code is OpCode.Jal or OpCode.Jalr or >= OpCode.Csrrw;

    /// <summary>Whether nothing follows it in a decoded block.</summary>
    public static bool IsLast(OpCode code) => code == OpCode.End || EndsBlock(code);

    /// <summary>Whether the low half-word begins a 32-bit instruction.</summary>
    public static bool IsFull(uint bits) => (bits & 3) == 3;

    /// <summary>Decodes one instruction.</summary>
    /// <param name="bits">The instruction; for a compressed one the upper half is ignored.</param>
    /// <param name="pageOffset">Its offset in the page.</param>
    /// <param name="isa">The extensions that the hart has; instructions of others are illegal.</param>
    public static Op Decode(uint bits, int pageOffset, IsaExtensions isa)
    {
        bool full = IsFull(bits);
        Op op = Decode32(full ? bits : CompressedDecoder.Expand(bits & 0xffff), pageOffset);
        op.Code = (Needs(op.Code) & ~isa) == 0 ? op.Code : OpCode.Illegal;
        op.Offset = (ushort)pageOffset;
        op.Length = (byte)(full ? 4 : 2);
        return op;
    }

    /// <summary>
    /// The extension of an operation, of those that a hart can be without; prefetches are ORI to x0, and PAUSE is a FENCE, without theirs.
    /// </summary>
    private static IsaExtensions Needs(OpCode code) => code switch
    {
        OpCode.CzeroEqz or OpCode.CzeroNez => IsaExtensions.Zicond,
        OpCode.CboZero => IsaExtensions.Zicboz,
        >= OpCode.CboInval and <= OpCode.CboFlush => IsaExtensions.Zicbom,
        OpCode.WrsNto or OpCode.WrsSto => IsaExtensions.Zawrs,
        >= OpCode.FliS and <= OpCode.FcvtmodWS or >= OpCode.FliD and <= OpCode.FcvtmodWD => IsaExtensions.Zfa,
        _ => IsaExtensions.None,
    };

    private static Op Decode32(uint bits, int pageOffset)
    {
        uint rd = (bits >> 7) & 31;
        uint funct3 = (bits >> 12) & 7;
        uint funct7 = bits >> 25;
        long immediateI = (int)bits >> 20;
        var op = new Op
        {
            Rd = rd == 0 ? Op.Sink : (byte)rd,
            Rs1 = (byte)((bits >> 15) & 31),
            Rs2 = (byte)((bits >> 20) & 31),
        };
        switch (bits & 0x7f)
        {
            case 0x03:
                op.Code = Loads[funct3];
                op.Immediate = immediateI;
                break;
            case 0x07:
                op.Code = funct3 switch { 2 => OpCode.Flw, 3 => OpCode.Fld, _ => OpCode.Illegal };
                op.Immediate = immediateI;
                op.Rd = (byte)rd;
                break;
            case 0x0f:
                op.Code = DecodeFence(bits, rd, funct3);
                break;
            case 0x13:
                DecodeImmediate(bits, funct3, ref op);
                break;
            case 0x17:
                op.Code = OpCode.Auipc;
                op.Immediate = (int)(bits & 0xfffff000) + (long)pageOffset;
                break;
            case 0x1b:
                DecodeImmediateWord(bits, funct3, funct7, ref op);
                break;
            case 0x23:
                op.Code = funct3 < 4 ? Stores[funct3] : OpCode.Illegal;
                op.Immediate = ImmediateS(bits);
                break;
            case 0x27:
                op.Code = funct3 switch { 2 => OpCode.Fsw, 3 => OpCode.Fsd, _ => OpCode.Illegal };
                op.Immediate = ImmediateS(bits);
                break;
            case 0x2f:
                op.Code = DecodeAtomic(bits, funct3);
                break;
            case 0x33:
                op.Code = DecodeRegister(funct3, funct7);
                break;
            case 0x37:
                op.Code = OpCode.LoadImmediate;
                op.Immediate = (int)(bits & 0xfffff000);
                break;
            case 0x3b:
                op.Code = DecodeRegisterWord(funct3, funct7, op.Rs2);
                break;
            case 0x43 or 0x47 or 0x4b or 0x4f or 0x53:
                DecodeFloat(bits, rd, funct3, ref op);
                break;
            case 0x63:
                op.Code = Branches[funct3];
                op.Immediate = ImmediateB(bits) + pageOffset;
                break;
            case 0x67:
                op.Code = funct3 == 0 ? OpCode.Jalr : OpCode.Illegal;
                op.Immediate = immediateI;
                break;
            case 0x6f:
                op.Code = OpCode.Jal;
                op.Immediate = ImmediateJ(bits) + pageOffset;
                break;
            case 0x73:
                op.Code = funct3 == 0 ? DecodePrivileged(bits) : DecodeCsr(bits, op);
                op.Immediate = funct3 == 0 ? 0 : bits;
                break;
            default:
                op.Code = OpCode.Illegal;
                break;
        }

        return op;
    }

    /// <summary>
    /// A CSR instruction. Compilers have comparisons raise no flags by reading those before and writing them back behind, so these two end
    /// no block.
    /// </summary>
    private static OpCode DecodeCsr(uint bits, Op op) => (Csrs[bits >> 12 & 7], (int)(bits >> 20)) switch
    {
        (OpCode.Csrrs, CsrNumber.Fflags) when op.Rs1 == 0 => OpCode.Frflags,
        (OpCode.Csrrw, CsrNumber.Fflags) when op.Rd == Op.Sink => OpCode.Fsflags,
        var (code, _) => code,
    };

    private static OpCode DecodeFence(uint bits, uint rd, uint funct3) => (funct3, bits >> 20) switch
    {
        (0, _) => bits == 0x0100000f ? OpCode.Pause : OpCode.Fence, // FENCE W, 0 orders nothing: a hint to any hart
        (1, _) => OpCode.FenceI,
        (2, 0) when rd == 0 => OpCode.CboInval,
        (2, 1) when rd == 0 => OpCode.CboClean,
        (2, 2) when rd == 0 => OpCode.CboFlush,
        (2, 4) when rd == 0 => OpCode.CboZero,
        _ => OpCode.Illegal,
    };

    private static void DecodeImmediate(uint bits, uint funct3, ref Op op)
    {
        op.Immediate = (int)bits >> 20;
        int shift = (int)(bits >> 20) & 63;
        uint funct6 = bits >> 26;
        switch (funct3)
        {
            case 0: op.Code = op.Rs1 == 0 ? OpCode.LoadImmediate : OpCode.Addi; return;
            case 2: op.Code = OpCode.Slti; return;
            case 3: op.Code = OpCode.Sltiu; return;
            case 4: op.Code = OpCode.Xori; return;
            case 6: op.Code = OpCode.Ori; return;
            case 7: op.Code = OpCode.Andi; return;
            case 1:
                op.Code = (bits >> 20) switch
                {
                    0x600 => OpCode.Clz,
                    0x601 => OpCode.Ctz,
                    0x602 => OpCode.Cpop,
                    0x604 => OpCode.SextB,
                    0x605 => OpCode.SextH,
                    _ => funct6 switch
                    {
                        0x00 => OpCode.Slli,
                        0x0a => OpCode.Bseti,
                        0x12 => OpCode.Bclri,
                        0x1a => OpCode.Binvi,
                        _ => OpCode.Illegal,
                    },
                };
                break;
            default:
                op.Code = (bits >> 20) switch
                {
                    0x287 => OpCode.OrcB,
                    0x6b8 => OpCode.Rev8,
                    _ => funct6 switch
                    {
                        0x00 => OpCode.Srli,
                        0x10 => OpCode.Srai,
                        0x12 => OpCode.Bexti,
                        0x18 => OpCode.Rori,
                        _ => OpCode.Illegal,
                    },
                };
                break;
        }

        op.Immediate = shift;
    }

    private static void DecodeImmediateWord(uint bits, uint funct3, uint funct7, ref Op op)
    {
        op.Code = (funct3, funct7) switch
        {
            (0, _) => OpCode.Addiw,
            (1, 0x00) => OpCode.Slliw,
            (1, 0x04 or 0x05) => OpCode.SlliUw,
            (1, 0x30) => op.Rs2 switch { 0 => OpCode.Clzw, 1 => OpCode.Ctzw, 2 => OpCode.Cpopw, _ => OpCode.Illegal },
            (5, 0x00) => OpCode.Srliw,
            (5, 0x20) => OpCode.Sraiw,
            (5, 0x30) => OpCode.Roriw,
            _ => OpCode.Illegal,
        };
        op.Immediate = op.Code switch
        {
            OpCode.Addiw => (int)bits >> 20,
            OpCode.SlliUw => (bits >> 20) & 63,
            _ => op.Rs2,
        };
    }

    private static OpCode DecodeRegister(uint funct3, uint funct7) => (funct7, funct3) switch
    {
        (0x00, 0) => OpCode.Add,
        (0x00, 1) => OpCode.Sll,
        (0x00, 2) => OpCode.Slt,
        (0x00, 3) => OpCode.Sltu,
        (0x00, 4) => OpCode.Xor,
        (0x00, 5) => OpCode.Srl,
        (0x00, 6) => OpCode.Or,
        (0x00, 7) => OpCode.And,
        (0x20, 0) => OpCode.Sub,
        (0x20, 5) => OpCode.Sra,
        (0x20, 4) => OpCode.Xnor,
        (0x20, 6) => OpCode.Orn,
        (0x20, 7) => OpCode.Andn,
        (0x01, 0) => OpCode.Mul,
        (0x01, 1) => OpCode.Mulh,
        (0x01, 2) => OpCode.Mulhsu,
        (0x01, 3) => OpCode.Mulhu,
        (0x01, 4) => OpCode.Div,
        (0x01, 5) => OpCode.Divu,
        (0x01, 6) => OpCode.Rem,
        (0x01, 7) => OpCode.Remu,
        (0x05, 4) => OpCode.Min,
        (0x05, 5) => OpCode.Minu,
        (0x05, 6) => OpCode.Max,
        (0x05, 7) => OpCode.Maxu,
        (0x07, 5) => OpCode.CzeroEqz,
        (0x07, 7) => OpCode.CzeroNez,
        (0x10, 2) => OpCode.Sh1add,
        (0x10, 4) => OpCode.Sh2add,
        (0x10, 6) => OpCode.Sh3add,
        (0x14, 1) => OpCode.Bset,
        (0x24, 1) => OpCode.Bclr,
        (0x24, 5) => OpCode.Bext,
        (0x34, 1) => OpCode.Binv,
        (0x30, 1) => OpCode.Rol,
        (0x30, 5) => OpCode.Ror,
        _ => OpCode.Illegal,
    };

    private static OpCode DecodeRegisterWord(uint funct3, uint funct7, byte rs2) => (funct7, funct3) switch
    {
        (0x00, 0) => OpCode.Addw,
        (0x00, 1) => OpCode.Sllw,
        (0x00, 5) => OpCode.Srlw,
        (0x20, 0) => OpCode.Subw,
        (0x20, 5) => OpCode.Sraw,
        (0x01, 0) => OpCode.Mulw,
        (0x01, 4) => OpCode.Divw,
        (0x01, 5) => OpCode.Divuw,
        (0x01, 6) => OpCode.Remw,
        (0x01, 7) => OpCode.Remuw,
        (0x04, 0) => OpCode.AddUw,
        (0x04, 4) when rs2 == 0 => OpCode.ZextH,
        (0x10, 2) => OpCode.Sh1addUw,
        (0x10, 4) => OpCode.Sh2addUw,
        (0x10, 6) => OpCode.Sh3addUw,
        (0x30, 1) => OpCode.Rolw,
        (0x30, 5) => OpCode.Rorw,
        _ => OpCode.Illegal,
    };

    private static OpCode DecodeAtomic(uint bits, uint funct3)
    {
        if (funct3 is not (2 or 3))
        {
            return OpCode.Illegal;
        }

        OpCode word = (bits >> 27) switch
        {
            0x02 when ((bits >> 20) & 31) == 0 => OpCode.LrW,
            0x03 => OpCode.ScW,
            0x01 => OpCode.AmoSwapW,
            0x00 => OpCode.AmoAddW,
            0x04 => OpCode.AmoXorW,
            0x0c => OpCode.AmoAndW,
            0x08 => OpCode.AmoOrW,
            0x10 => OpCode.AmoMinW,
            0x14 => OpCode.AmoMaxW,
            0x18 => OpCode.AmoMinuW,
            0x1c => OpCode.AmoMaxuW,
            _ => OpCode.Illegal,
        };
        return word == OpCode.Illegal || funct3 == 2 ? word : word + (OpCode.LrD - OpCode.LrW);
    }

    private static OpCode DecodePrivileged(uint bits)
    {
        if ((bits & 0xfe007fff) == 0x12000073)
        {
            return OpCode.SfenceVma;
        }

        return bits switch
        {
            0x00000073 => OpCode.Ecall,
            0x00100073 => OpCode.Ebreak,
            0x10200073 => OpCode.Sret,
            0x30200073 => OpCode.Mret,
            0x10500073 => OpCode.Wfi,
            0x00d00073 => OpCode.WrsNto,
            0x01d00073 => OpCode.WrsSto,
            _ => OpCode.Illegal,
        };
    }

    private static void DecodeFloat(uint bits, uint rd, uint funct3, ref Op op)
    {
        uint format = (bits >> 25) & 3;
        if (format > 1)
        {
            op.Code = OpCode.Illegal;
            return;
        }

        OpCode code = (bits & 0x7f) switch
        {
            0x43 => OpCode.FmaddS,
            0x47 => OpCode.FmsubS,
            0x4b => OpCode.FnmsubS,
            0x4f => OpCode.FnmaddS,
            _ => DecodeFloatOperation(bits >> 27, funct3, op.Rs2, format),
        };
        bool toInteger = code is OpCode.FeqS or OpCode.FltS or OpCode.FleS or OpCode.FclassS or OpCode.FmvXW
            or (>= OpCode.FcvtWS and <= OpCode.FcvtLuS) or OpCode.FleqS or OpCode.FltqS or OpCode.FcvtmodWS;
        op.Rd = toInteger ? op.Rd : (byte)rd;
        op.Immediate = code == OpCode.FliS ? (long)FloatConstants.Bits(op.Rs1, wide: format == 1) : funct3 | (bits >> 27) << 3;
        op.Code = code == OpCode.Illegal || format == 0 ? code : code + (OpCode.FaddD - OpCode.FaddS);
    }

    private static OpCode DecodeFloatOperation(uint funct5, uint funct3, byte rs2, uint format) => (funct5, funct3) switch
    {
        (0x00, _) => OpCode.FaddS,
        (0x01, _) => OpCode.FsubS,
        (0x02, _) => OpCode.FmulS,
        (0x03, _) => OpCode.FdivS,
        (0x0b, _) when rs2 == 0 => OpCode.FsqrtS,
        (0x04, 0) => OpCode.FsgnjS,
        (0x04, 1) => OpCode.FsgnjnS,
        (0x04, 2) => OpCode.FsgnjxS,
        (0x05, 0) => OpCode.FminS,
        (0x05, 1) => OpCode.FmaxS,
        (0x05, 2) => OpCode.FminmS,
        (0x05, 3) => OpCode.FmaxmS,
        (0x08, _) when rs2 == 1 - format => OpCode.FcvtSD,
        (0x08, _) when rs2 == 4 => OpCode.FroundS,
        (0x08, _) when rs2 == 5 => OpCode.FroundnxS,
        (0x14, 2) => OpCode.FeqS,
        (0x14, 1) => OpCode.FltS,
        (0x14, 0) => OpCode.FleS,
        (0x14, 4) => OpCode.FleqS,
        (0x14, 5) => OpCode.FltqS,
        (0x18, _) when rs2 < 4 => OpCode.FcvtWS + rs2,
        (0x18, 1) when rs2 == 8 && format == 1 => OpCode.FcvtmodWS,
        (0x1a, _) when rs2 < 4 => OpCode.FcvtSW + rs2,
        (0x1c, 0) when rs2 == 0 => OpCode.FmvXW,
        (0x1c, 1) when rs2 == 0 => OpCode.FclassS,
        (0x1e, 0) when rs2 == 0 => OpCode.FmvWX,
        (0x1e, 0) when rs2 == 1 => OpCode.FliS,
        _ => OpCode.Illegal,
    };

    private static long ImmediateS(uint bits) => ((int)bits >> 25 << 5) | (int)((bits >> 7) & 31);

    private static long ImmediateB(uint bits) =>
        ((int)bits >> 31 << 12) | (int)((bits >> 7 & 1) << 11 | (bits >> 25 & 0x3f) << 5 | (bits >> 8 & 15) << 1);

    private static long ImmediateJ(uint bits) =>
        ((int)bits >> 31 << 20) | (int)((bits >> 12 & 0xff) << 12 | (bits >> 20 & 1) << 11 | (bits >> 21 & 0x3ff) << 1);
}
