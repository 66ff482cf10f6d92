using PsVm.Riscv.Decoding;

namespace PsVm.Riscv.Translation.Units;

/// <content>What computes: simpler where more is known.</content>
internal sealed unsafe partial class ValueRun
{
    private Value Compute(Op* op, int index)
    {
        if (op->Code == OpCode.LoadImmediate)
        {
            return Constant(op->Immediate);
        }

        if (op->Code == OpCode.Auipc)
        {
            return New(op->Code, index, null, null, op->Immediate);
        }

        Operands operands = Operands.Of(op);
        bool two = OperandCount(op->Code) == 2;
        (Value a, Value? b) = (Operand(op->Rs1), two ? Operand(op->Rs2) : null);
        System.Diagnostics.Debug.Assert(
            operands.Reads == ((op->Rs1 == 0 ? 0 : 1u << op->Rs1) | (two && op->Rs2 != 0 ? 1u << op->Rs2 : 0)), "the operands are those");
        return two ? OfTwo(op->Code, index, a, b!) : OfOne(op->Code, index, a, op->Immediate);
    }

    private static int OperandCount(OpCode code) => code is
        >= OpCode.Addi and <= OpCode.Srai or >= OpCode.Addiw and <= OpCode.Sraiw or OpCode.SlliUw or >= OpCode.SextB and <= OpCode.ZextH
        or OpCode.Rori or OpCode.Roriw or >= OpCode.Clz and <= OpCode.Rev8 or OpCode.Bclri or OpCode.Bexti or OpCode.Binvi or OpCode.Bseti
        ? 1 : 2;

    private Value OfOne(OpCode code, int index, Value a, long immediate)
    {
        if (a.Kind == ValueKind.Constant && Fold(code, a.Immediate, immediate) is { } number)
        {
            return Constant(number);
        }

        switch (code)
        {
            case OpCode.Addi or OpCode.Xori or OpCode.Ori or OpCode.Slli or OpCode.Srli or OpCode.Srai when immediate == 0:
            case OpCode.Addiw or OpCode.Slliw or OpCode.Srliw or OpCode.Sraiw when immediate == 0 && a.IsWord:
                return a;
            case OpCode.Slliw or OpCode.Srliw or OpCode.Sraiw when immediate == 0:
                return New(OpCode.Addiw, index, a, null, 0, isWord: true);
            case OpCode.Addi when a.Code == OpCode.Auipc && a.Kind == ValueKind.Compute:
                return New(OpCode.Auipc, index, null, null, a.Immediate + immediate);
            case OpCode.Srli or OpCode.Srai when a.Code == OpCode.Slli && a.Kind == ValueKind.Compute && a.Immediate == immediate:
                // Shifts left and back extend.
                OpCode? extension = (code, immediate) switch
                {
                    (OpCode.Srli, WordBits) => OpCode.AddUw,
                    (OpCode.Srli, 48) => OpCode.ZextH,
                    (OpCode.Srai, WordBits) => OpCode.Addiw,
                    (OpCode.Srai, 48) => OpCode.SextH,
                    (OpCode.Srai, 56) => OpCode.SextB,
                    _ => null,
                };
                if (extension is { } extend)
                {
                    return New(extend, index, a.A!, extend == OpCode.AddUw ? Constant(0) : null, 0, isWord: extend != OpCode.AddUw);
                }

                break;
        }

        bool isWord = code switch
        {
            >= OpCode.Addiw and <= OpCode.Sraiw or OpCode.Slti or OpCode.Sltiu or OpCode.Roriw => true,
            >= OpCode.SextB and <= OpCode.ZextH => true,
            OpCode.Andi => immediate >= 0 || a.IsWord,
            OpCode.Xori or OpCode.Ori => a.IsWord,
            OpCode.Srli => immediate > WordBits,
            OpCode.Srai => immediate >= WordBits || a.IsWord,
            _ => false,
        };
        return New(code, index, a, null, immediate, isWord);
    }

    private Value OfTwo(OpCode code, int index, Value a, Value b)
    {
        if (a.Kind == ValueKind.Constant && b.Kind == ValueKind.Constant && Fold(code, a.Immediate, b.Immediate) is { } number)
        {
            return Constant(number);
        }

        bool commutes = code is OpCode.Add or OpCode.Addw or OpCode.Xor or OpCode.Or or OpCode.And or OpCode.Mul or OpCode.Mulw;
        if (commutes && a.Kind == ValueKind.Constant)
        {
            (a, b) = (b, a);
        }

        bool byZero = b.Kind == ValueKind.Constant && b.Immediate == 0;
        switch (code)
        {
            case OpCode.Add or OpCode.Xor or OpCode.Or or OpCode.Sub when byZero:
            case OpCode.Addw or OpCode.Subw when byZero && a.IsWord:
                return a;
            case OpCode.Addw or OpCode.Subw when byZero:
                return New(OpCode.Addiw, index, a, null, 0, isWord: true);
            case OpCode.Or or OpCode.Xor or OpCode.Add or OpCode.Addw when (Rotation(index, a, b) ?? Rotation(index, b, a)) is { } rotation
                && (code != OpCode.Addw || rotation.IsWord):
                return Add(rotation);
        }

        bool isWord = code switch
        {
            >= OpCode.Addw and <= OpCode.Sraw or OpCode.Slt or OpCode.Sltu or OpCode.Mulw or >= OpCode.Divw and <= OpCode.Remuw
                or OpCode.Rolw or OpCode.Rorw => true,
            OpCode.And => (a.IsWord && b.IsWord) || (b.Kind == ValueKind.Constant && b.Immediate is >= 0 and <= int.MaxValue),
            OpCode.Or or OpCode.Xor => a.IsWord && b.IsWord,
            _ => false,
        };
        return New(code, index, a, b, 0, isWord);
    }

    /// <summary>The rotation that a shift right and one left of the same value are together; null: they are none.</summary>
    private Value? Rotation(int index, Value right, Value left)
    {
        if (right.Kind != ValueKind.Compute || left.Kind != ValueKind.Compute || right.A != left.A)
        {
            return null;
        }

        OpCode? code = (right.Code, left.Code, right.Immediate + left.Immediate) switch
        {
            (OpCode.Srliw, OpCode.Slliw, WordBits) => OpCode.Roriw, // the left one brings the sign, the right one has none
            (OpCode.Srli, OpCode.Slli, AllBits) => OpCode.Rori,
            _ => null,
        };
        return code is null ? null : new Value
        {
            Kind = ValueKind.Compute, Code = code.Value, Index = index, A = right.A, Immediate = right.Immediate,
            IsWord = code == OpCode.Roriw, At = _values.Count,
        };
    }

    private Value New(OpCode code, int index, Value? a, Value? b, long immediate, bool isWord = false) => Add(new Value
    {
        Kind = ValueKind.Compute, Code = code, Index = index, A = a, B = b, Immediate = immediate, IsWord = isWord,
        IsSmall = isWord && IsSmall(code, a, b, immediate), At = _values.Count,
    });

    private static bool IsSmall(OpCode code, Value? a, Value? b, long immediate) => code switch
    {
        OpCode.Andi => immediate >= 0 || a!.IsSmall,
        OpCode.Xori or OpCode.Ori => immediate >= 0 && a!.IsSmall,
        OpCode.And => a!.IsSmall || b!.IsSmall,
        OpCode.Xor or OpCode.Or => a!.IsSmall && b!.IsSmall,
        OpCode.Srliw => immediate > 0,
        OpCode.Srli => immediate > WordBits,
        OpCode.Slt or OpCode.Sltu or OpCode.Slti or OpCode.Sltiu or OpCode.ZextH => true,
        _ => false,
    };

    private static long? Fold(OpCode code, long a, long b) => code switch
    {
        OpCode.Addi or OpCode.Add => a + b,
        OpCode.Addiw or OpCode.Addw => (int)(a + b),
        OpCode.Sub => a - b,
        OpCode.Subw => (int)(a - b),
        OpCode.Xori or OpCode.Xor => a ^ b,
        OpCode.Ori or OpCode.Or => a | b,
        OpCode.Andi or OpCode.And => a & b,
        OpCode.Slli or OpCode.Sll => a << (int)b,
        OpCode.Srli or OpCode.Srl => (long)((ulong)a >> (int)b),
        OpCode.Srai or OpCode.Sra => a >> (int)b,
        OpCode.Slliw or OpCode.Sllw => (int)a << (int)b,
        OpCode.Srliw or OpCode.Srlw => (int)((uint)a >> (int)b),
        OpCode.Sraiw or OpCode.Sraw => (int)a >> (int)b,
        OpCode.Slti or OpCode.Slt => a < b ? 1 : 0,
        OpCode.Sltiu or OpCode.Sltu => (ulong)a < (ulong)b ? 1 : 0,
        OpCode.Mul => a * b,
        OpCode.Mulw => (int)(a * b),
        _ => null,
    };
}
