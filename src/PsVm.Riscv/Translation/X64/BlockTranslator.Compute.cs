using PsVm.Riscv.Decoding;
using static PsVm.Riscv.Translation.X64.Reg;

namespace PsVm.Riscv.Translation.X64;

/// <content>What follows from registers alone: one operation, or two that belong together.</content>
internal unsafe ref partial struct BlockTranslator
{
    /// <summary>Whether it and the next operation shift left and back by so much that bytes are left, to extend them.</summary>
    private static bool IsExtension(Op* op) =>
        op->Code == OpCode.Slli && op[1].Code is OpCode.Srli or OpCode.Srai && op->Immediate == op[1].Immediate
        && op->Immediate is 32 or 48 or 56 && op->Rd == op[1].Rs1 && op->Rd == op[1].Rd && op->Rd != Op.Sink;

    /// <summary>Whether it and the next operation put a constant or an address into a register in two steps.</summary>
    private static bool IsAddress(Op* op) =>
        op->Code is OpCode.LoadImmediate or OpCode.Auipc && op->Rd != Op.Sink && op->Rd == op[1].Rd && op->Rd == op[1].Rs1
        && (op[1].Code == OpCode.Addi || (op[1].Code == OpCode.Addiw && op->Code == OpCode.LoadImmediate));

    private void ComputeAddress(Op* op)
    {
        long sum = op->Immediate + op[1].Immediate;
        if (op->Code == OpCode.LoadImmediate)
        {
            SetConstant(op->Rd, op[1].Code == OpCode.Addiw ? (int)sum : sum);
        }
        else
        {
            Reg target = Target(op);
            PageOffset(target, sum);
            Define(op, target);
        }
    }

    private void Compute(Op* op)
    {
        int immediate = (int)op->Immediate;
        switch (op->Code)
        {
            case OpCode.LoadImmediate: SetConstant(op->Rd, op->Immediate); break;
            case OpCode.Auipc:
                Reg page = Target(op);
                PageOffset(page, op->Immediate);
                Define(op, page);
                break;
            case OpCode.Addi: AddImmediate(op, immediate); break;
            case OpCode.Addiw: WithImmediate(op, Alu.Add, immediate, word: true); break;
            case OpCode.Xori: WithImmediate(op, Alu.Xor, immediate); break;
            case OpCode.Ori: WithImmediate(op, Alu.Or, immediate); break;
            case OpCode.Andi: WithImmediate(op, Alu.And, immediate); break;
            case OpCode.Slti: CompareImmediate(op, Cond.Less, immediate); break;
            case OpCode.Sltiu: CompareImmediate(op, Cond.Below, immediate); break;
            case OpCode.Slt: Compare(op, Cond.Less); break;
            case OpCode.Sltu: Compare(op, Cond.Below); break;
            case OpCode.Add: BinaryOrCopy(op, Alu.Add); break;
            case OpCode.Sub: Binary(op, Alu.Sub); break;
            case OpCode.Xor: BinaryOrCopy(op, Alu.Xor); break;
            case OpCode.Or: BinaryOrCopy(op, Alu.Or); break;
            case OpCode.And: Binary(op, Alu.And); break;
            case OpCode.Addw: BinaryOrCopy(op, Alu.Add, word: true); break;
            case OpCode.Subw: Binary(op, Alu.Sub, word: true); break;
            case OpCode.Slli: ShiftImmediate(op, Shift.Shl, immediate); break;
            case OpCode.Srli: ShiftImmediate(op, Shift.Shr, immediate); break;
            case OpCode.Srai: ShiftImmediate(op, Shift.Sar, immediate); break;
            case OpCode.Rori: ShiftImmediate(op, Shift.Ror, immediate); break;
            case OpCode.Slliw: ShiftImmediate(op, Shift.Shl, immediate, word: true); break;
            case OpCode.Srliw: ShiftImmediate(op, Shift.Shr, immediate, word: true); break;
            case OpCode.Sraiw: ShiftImmediate(op, Shift.Sar, immediate, word: true); break;
            case OpCode.Roriw: ShiftImmediate(op, Shift.Ror, immediate, word: true); break;
            case OpCode.Sll: ShiftRegister(op, Shift.Shl); break;
            case OpCode.Srl: ShiftRegister(op, Shift.Shr); break;
            case OpCode.Sra: ShiftRegister(op, Shift.Sar); break;
            case OpCode.Rol: RotateRegister(op, Shift.Rol); break;
            case OpCode.Ror: RotateRegister(op, Shift.Ror); break;
            case OpCode.Sllw: ShiftRegister(op, Shift.Shl, word: true); break;
            case OpCode.Srlw: ShiftRegister(op, Shift.Shr, word: true); break;
            case OpCode.Sraw: ShiftRegister(op, Shift.Sar, word: true); break;
            case OpCode.Rolw: RotateRegister(op, Shift.Rol, word: true); break;
            case OpCode.Rorw: RotateRegister(op, Shift.Ror, word: true); break;
            case OpCode.Mul: Multiply(op); break;
            case OpCode.Mulw: Multiply(op, word: true); break;
            case OpCode.Mulh: MultiplyHigh(op, Unary.Imul); break;
            case OpCode.Mulhu: MultiplyHigh(op, Unary.Mul); break;
            case OpCode.Mulhsu: MultiplyHigh(op, Unary.Mul, signedFirst: true); break;
            case OpCode.Div: Divide(op, signed: true, remainder: false); break;
            case OpCode.Divu: Divide(op, signed: false, remainder: false); break;
            case OpCode.Rem: Divide(op, signed: true, remainder: true); break;
            case OpCode.Remu: Divide(op, signed: false, remainder: true); break;
            case OpCode.Divw: Divide(op, signed: true, remainder: false, word: true); break;
            case OpCode.Divuw: Divide(op, signed: false, remainder: false, word: true); break;
            case OpCode.Remw: Divide(op, signed: true, remainder: true, word: true); break;
            case OpCode.Remuw: Divide(op, signed: false, remainder: true, word: true); break;
            case OpCode.Sh1add: ShiftAdd(op, 1); break;
            case OpCode.Sh2add: ShiftAdd(op, 2); break;
            case OpCode.Sh3add: ShiftAdd(op, 3); break;
            case OpCode.AddUw: ShiftAdd(op, 0, zeroExtend: true); break;
            case OpCode.Sh1addUw: ShiftAdd(op, 1, zeroExtend: true); break;
            case OpCode.Sh2addUw: ShiftAdd(op, 2, zeroExtend: true); break;
            case OpCode.Sh3addUw: ShiftAdd(op, 3, zeroExtend: true); break;
            case OpCode.SlliUw:
                Read(Rax, op->Rs1, wide: false);
                _code.Mov(Rax, Rax, wide: false);
                _code.ShiftBy(Shift.Shl, Rax, immediate);
                Define(op, Rax);
                break;
            case OpCode.Andn: Inverted(op, Alu.And); break;
            case OpCode.Orn: Inverted(op, Alu.Or); break;
            case OpCode.Xnor: Inverted(op, Alu.Xor); break;
            case OpCode.Max: Select(op, Cond.Less); break;
            case OpCode.Maxu: Select(op, Cond.Below); break;
            case OpCode.Min: Select(op, Cond.Greater); break;
            case OpCode.Minu: Select(op, Cond.Above); break;
            case OpCode.SextB: Extend(op, 1, signed: true); break;
            case OpCode.SextH: Extend(op, 2, signed: true); break;
            case OpCode.ZextH: Extend(op, 2, signed: false); break;
            case OpCode.Clz: Count(op, 0xbd, wide: true); break;
            case OpCode.Ctz: Count(op, 0xbc, wide: true); break;
            case OpCode.Cpop: Count(op, 0xb8, wide: true); break;
            case OpCode.Clzw: Count(op, 0xbd, wide: false); break;
            case OpCode.Ctzw: Count(op, 0xbc, wide: false); break;
            case OpCode.Cpopw: Count(op, 0xb8, wide: false); break;
            case OpCode.Rev8:
                Read(Rax, op->Rs1);
                _code.Bswap(Rax);
                Define(op, Rax);
                break;
            case OpCode.OrcB: OrCombine(op); break;
            case OpCode.Bset: Bit(op, 5); break;
            case OpCode.Bclr: Bit(op, 6); break;
            case OpCode.Binv: Bit(op, 7); break;
            case OpCode.Bseti: BitImmediate(op, 5); break;
            case OpCode.Bclri: BitImmediate(op, 6); break;
            case OpCode.Binvi: BitImmediate(op, 7); break;
            case OpCode.Bext:
                Read(Rax, op->Rs1);
                Read(Rcx, op->Rs2);
                _code.ShiftByCl(Shift.Shr, Rax);
                _code.Op(Alu.And, Rax, 1, wide: false);
                Define(op, Rax);
                break;
            case OpCode.Bexti:
                Read(Rax, op->Rs1);
                _code.ShiftBy(Shift.Shr, Rax, immediate);
                _code.Op(Alu.And, Rax, 1, wide: false);
                Define(op, Rax);
                break;
            case OpCode.CzeroEqz: ZeroIf(op, Cond.Equal); break;
            case OpCode.CzeroNez: ZeroIf(op, Cond.NotEqual); break;
            default:
                throw new InvalidOperationException($"{op->Code} has no translation");
        }
    }
}
