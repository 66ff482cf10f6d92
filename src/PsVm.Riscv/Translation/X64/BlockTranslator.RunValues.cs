using PsVm.Riscv.Decoding;
using PsVm.Riscv.Translation.Units;
using static PsVm.Riscv.Translation.X64.Reg;

namespace PsVm.Riscv.Translation.X64;

/// <content>What the values of a run are computed with.</content>
internal unsafe ref partial struct BlockTranslator
{
    private const int FirstOperand = 1, SecondOperand = 2, Result = 3;

    /// <summary>Whether a value has code of its own here; else it is computed as its operation would be.</summary>
    private static bool IsDirect(Value value) => value.Code is
        >= OpCode.Addi and <= OpCode.Sraw or OpCode.Mul or OpCode.Mulw or OpCode.Rori or OpCode.Roriw or >= OpCode.SextB and <= OpCode.ZextH
        || (value.Code == OpCode.AddUw && ValueRun.ReadsWords(value));

    private void Compute(Value value)
    {
        switch (value.Code)
        {
            case OpCode.Addi: AddNumber(value); break;
            case OpCode.Addiw when value.Immediate == 0: SignExtend(value); break;
            case OpCode.Addiw: AddNumber(value); break;
            case OpCode.Xori: WithNumber(value, Alu.Xor); break;
            case OpCode.Ori: WithNumber(value, Alu.Or); break;
            case OpCode.Andi when value.Immediate == byte.MaxValue: Widen(value, 1, signed: false); break;
            case OpCode.Andi: WithNumber(value, Alu.And); break;
            case OpCode.Add: Binary(value, Alu.Add); break;
            case OpCode.Addw: Binary(value, Alu.Add, word: true); break;
            case OpCode.Sub: Binary(value, Alu.Sub); break;
            case OpCode.Subw: Binary(value, Alu.Sub, word: true); break;
            case OpCode.Xor: Binary(value, Alu.Xor); break;
            case OpCode.Or: Binary(value, Alu.Or); break;
            case OpCode.And: Binary(value, Alu.And); break;
            case OpCode.Slli: ShiftByNumber(value, Shift.Shl); break;
            case OpCode.Srli: ShiftByNumber(value, Shift.Shr); break;
            case OpCode.Srai: ShiftByNumber(value, Shift.Sar); break;
            case OpCode.Slliw: ShiftByNumber(value, Shift.Shl, word: true); break;
            case OpCode.Srliw: ShiftByNumber(value, Shift.Shr, word: true); break;
            case OpCode.Sraiw: ShiftByNumber(value, Shift.Sar, word: true); break;
            case OpCode.Sll: ShiftByValue(value, Shift.Shl); break;
            case OpCode.Srl: ShiftByValue(value, Shift.Shr); break;
            case OpCode.Sra: ShiftByValue(value, Shift.Sar); break;
            case OpCode.Sllw: ShiftByValue(value, Shift.Shl, word: true); break;
            case OpCode.Srlw: ShiftByValue(value, Shift.Shr, word: true); break;
            case OpCode.Sraw: ShiftByValue(value, Shift.Sar, word: true); break;
            case OpCode.Rori or OpCode.Roriw: Rotate(value, word: value.Code == OpCode.Roriw); break;
            case OpCode.Slt or OpCode.Slti: Flag(value, Cond.Less); break;
            case OpCode.Sltu or OpCode.Sltiu: Flag(value, Cond.Below); break;
            case OpCode.Mul: Multiply(value); break;
            case OpCode.Mulw: Multiply(value, word: true); break;
            case OpCode.SextB: Widen(value, 1, signed: true); break;
            case OpCode.SextH: Widen(value, 2, signed: true); break;
            case OpCode.ZextH: Widen(value, 2, signed: false); break;
            case OpCode.AddUw when IsDirect(value): Widen(value, 4, signed: false); break;
            case OpCode.Auipc: PageOffset(ResultBeside(value), value.Immediate); break;
            default: AsOperation(value); break;
        }
    }

    /// <summary>Sees to it that an operand can be one of an instruction: in a register, or best left where it is.</summary>
    private void Prepare(Value operand, bool mayBeNumber)
    {
        bool isNumber = operand.Kind == ValueKind.Constant;
        if (isNumber ? !mayBeNumber || operand.Immediate != (int)operand.Immediate : !mayBeNumber || !IsBestInMemory(operand))
        {
            InRegister(operand);
        }
        else if (_run!.RegisterOf(operand) is { } register)
        {
            _run.Pinned |= 1u << (int)register;
        }
    }

    /// <summary>Applies an operand to a register; where it is itself in one, which may have been taken for the result.</summary>
    private void Operate(Alu alu, Reg to, Value operand, Reg? held, bool wide)
    {
        if (held is { } register)
        {
            _code.Op(alu, to, register, wide);
        }
        else if (operand.Kind == ValueKind.Constant)
        {
            _code.Op(alu, to, (int)operand.Immediate, wide);
        }
        else
        {
            _code.Op(alu, to, _run!.PlaceOf(operand)!.Value, wide);
        }
    }

    /// <summary>Ends a value that was computed in 32 bits: extends it, if someone needs that.</summary>
    private void EndWord(Value value, Reg result)
    {
        if (value.IsSmall)
        {
            return; // all of it is there
        }

        if (value.NeedsAll)
        {
            _code.Extend(result, result, 4, signed: true);
        }
        else
        {
            _run!.SetWordOnly(value, isWordOnly: true);
        }
    }

    private readonly bool Dies(Value value) => value.LastUse <= _run!.At;

    private void AddNumber(Value value)
    {
        (bool word, int number) = (value.Code == OpCode.Addiw, (int)value.Immediate);
        bool wide = !word && value.NeedsAll;
        Reg result;
        if (!IsBestInMemory(value.A!) && (!Dies(value.A!) || _run!.HomeOf(value) is not null))
        {
            Reg first = InRegister(value.A!);
            result = ResultOver(value);
            if (result == first)
            {
                _code.Op(Alu.Add, result, number, wide);
            }
            else
            {
                _code.Lea(result, new Mem(first, number), wide);
            }
        }
        else
        {
            result = ResultFrom(value, value.A!);
            _code.Op(Alu.Add, result, number, wide);
        }

        if (!wide)
        {
            EndWord(value, result);
        }
    }

    private void WithNumber(Value value, Alu alu)
    {
        bool clears = alu == Alu.And && value.Immediate >= 0; // all above
        bool wide = value.NeedsAll && !clears;
        Reg result = ResultFrom(value, value.A!);
        _code.Op(alu, result, (int)value.Immediate, wide);
        if (!wide && !clears)
        {
            EndWord(value, result);
        }
    }

    private void Binary(Value value, Alu alu, bool word = false)
    {
        bool wide = !word && value.NeedsAll;
        (Value first, Value second) = (value.A!, value.B!);
        bool commutes = alu != Alu.Sub;
        if (commutes && second.Kind != ValueKind.Constant && !Dies(first) && Dies(second) && _run!.RegisterOf(second) is not null)
        {
            (first, second) = (second, first);
        }

        Prepare(second, mayBeNumber: true);
        Reg? held = _run!.RegisterOf(second);
        Reg result;
        if (alu == Alu.Add && !Dies(first) && !IsBestInMemory(first) && first.Kind != ValueKind.Constant && held is { } added)
        {
            Reg one = InRegister(first);
            result = ResultOver(value);
            _code.Lea(result, new Mem(one, 0, added), wide);
        }
        else
        {
            result = ResultFrom(value, first);
            Operate(alu, result, second, held, wide);
        }

        if (!wide)
        {
            EndWord(value, result);
        }
    }

    private void ShiftByNumber(Value value, Shift shift, bool word = false)
    {
        const int WordBits = 32;
        int count = (int)value.Immediate;
        bool wide = !word && (shift != Shift.Shl || value.NeedsAll || count >= WordBits);
        Reg result = ResultFrom(value, value.A!);
        _code.ShiftBy(shift, result, count, wide);
        if (!wide && shift != Shift.Shr) // else there is no sign, as the count is not 0
        {
            EndWord(value, result);
        }
    }

    private void ShiftByValue(Value value, Shift shift, bool word = false)
    {
        (Reg shifted, Reg count) = (InRegister(value.A!), InRegister(value.B!));
        Reg result = ResultOver(value);
        _code.ShiftBy(shift, result, shifted, count, wide: !word);
        if (word)
        {
            EndWord(value, result);
        }
    }

    private void Rotate(Value value, bool word)
    {
        Reg rotated = InRegister(value.A!);
        Reg result = ResultOver(value);
        _code.Rorx(result, rotated, (int)value.Immediate, wide: !word);
        if (word)
        {
            EndWord(value, result);
        }
    }

    private void Flag(Value value, Cond condition)
    {
        Reg first = InRegister(value.A!);
        if (value.B is null)
        {
            _code.Op(Alu.Cmp, first, (int)value.Immediate, wide: !value.A!.IsWord);
        }
        else
        {
            Prepare(value.B, mayBeNumber: true);
            Operate(Alu.Cmp, first, value.B, _run!.RegisterOf(value.B), wide: !value.ComparesWords);
        }

        _code.Set(condition, Rax);
        _code.Extend(ResultOver(value), Rax, 1, signed: false);
    }

    private void Multiply(Value value, bool word = false)
    {
        bool wide = !word && value.NeedsAll;
        (Value first, Value second) = (value.A!, value.B!);
        if (!Dies(first) && Dies(second))
        {
            (first, second) = (second, first);
        }

        Reg factor = InRegister(second);
        Reg result = ResultFrom(value, first);
        _code.Imul(result, factor, wide);
        if (!wide)
        {
            EndWord(value, result);
        }
    }

    private void SignExtend(Value value)
    {
        if (!value.NeedsAll)
        {
            ResultFrom(value, value.A!);
            _run!.SetWordOnly(value, isWordOnly: true);
        }
        else if (IsBestInMemory(value.A!))
        {
            Mem place = _run!.PlaceOf(value.A!)!.Value;
            _code.Load(ResultBeside(value), place, 4, signed: true);
        }
        else
        {
            Widen(value, 4, signed: true);
        }
    }

    private void Widen(Value value, int size, bool signed)
    {
        Reg source = InRegister(value.A!);
        _code.Extend(ResultOver(value), source, size, signed);
    }

    /// <summary>Computes a value as the operation that it comes from, with its operands in place of the guest's registers.</summary>
    private void AsOperation(Value value)
    {
        Op op = _ops[value.Index];
        (op.Code, op.Rd, op.Rs1, op.Immediate) = (value.Code, Result, 0, value.Immediate);
        Reg?[] operands = new Reg?[Result + 1];
        if (value.A is { } first && !IsZero(first))
        {
            (op.Rs1, operands[FirstOperand]) = (FirstOperand, InRegister(first));
        }

        if (value.B is { } second)
        {
            op.Rs2 = 0;
            if (!IsZero(second))
            {
                (op.Rs2, operands[SecondOperand]) = (SecondOperand, InRegister(second));
            }
        }

        operands[Result] = ResultBeside(value);
        _operands = operands;
        Compute(&op);
        _operands = null;
    }

    private static bool IsZero(Value value) => value.Kind == ValueKind.Constant && value.Immediate == 0;
}
