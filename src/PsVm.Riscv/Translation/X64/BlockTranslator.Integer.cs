using PsVm.Riscv.Decoding;
using static PsVm.Riscv.Translation.X64.Reg;

namespace PsVm.Riscv.Translation.X64;

/// <content>Integer arithmetic.</content>
internal unsafe ref partial struct BlockTranslator
{
    private void Operate(Alu op, Reg to, int register, bool wide = true)
    {
        if (register == 0)
        {
            _code.Op(op, to, 0, wide);
        }
        else if (Mapped(register) is { } mapped)
        {
            _code.Op(op, to, mapped, wide);
        }
        else
        {
            _code.Op(op, to, Slot(register), wide);
        }
    }

    private void AddImmediate(Op* op, int immediate)
    {
        if (op->Rd == op->Rs1 && Mapped(op->Rd) is null)
        {
            _code.Op(Alu.Add, Slot(op->Rd), immediate);
            return;
        }

        Reg target = Target(op);
        if (immediate == 0)
        {
            Copy(op, op->Rs1);
            return;
        }

        if (Mapped(op->Rs1) is { } source && source != target)
        {
            _code.Lea(target, new Mem(source, immediate));
        }
        else
        {
            Read(target, op->Rs1);
            _code.Op(Alu.Add, target, immediate);
        }

        Define(op, target);
    }

    private void WithImmediate(Op* op, Alu alu, int immediate, bool word = false)
    {
        Reg target = Target(op);
        if (word && immediate == 0)
        {
            _code.Extend(target, Use(op->Rs1, Rax), 4, signed: true);
            Define(op, target);
            return;
        }

        Read(target, op->Rs1, wide: !word);
        _code.Op(alu, target, immediate, wide: !word);
        if (word)
        {
            _code.Extend(target, target, 4, signed: true);
        }

        Define(op, target);
    }

    /// <summary>Puts a guest register's value into the one that an operation writes.</summary>
    private void Copy(Op* op, int from, bool word = false)
    {
        if (word)
        {
            Reg target = Target(op);
            _code.Extend(target, Use(from, Rax), 4, signed: true);
            Define(op, target);
        }
        else if (Mapped(op->Rd) is { } mapped)
        {
            Read(mapped, from);
        }
        else
        {
            _code.Mov(Slot(op->Rd), Use(from, Rax));
        }
    }

    /// <summary>An operation of which one operand may be x0, with which it copies the other.</summary>
    private void BinaryOrCopy(Op* op, Alu alu, bool word = false)
    {
        if (op->Rs1 == 0 || op->Rs2 == 0)
        {
            Copy(op, op->Rs1 == 0 ? op->Rs2 : op->Rs1, word);
        }
        else if (alu == Alu.Add && !word && Mapped(op->Rs1) is { } first && Mapped(op->Rs2) is { } second
            && Mapped(op->Rd) is { } target && target != first && target != second)
        {
            _code.Lea(target, new Mem(first, 0, second));
        }
        else
        {
            Binary(op, alu, word);
        }
    }

    private void Binary(Op* op, Alu alu, bool word = false)
    {
        (byte first, byte second) = (op->Rs1, op->Rs2);
        Reg target = Target(op);
        if (Mapped(second) == target && first != second)
        {
            if (alu == Alu.Sub)
            {
                _code.Do(Unary.Neg, target, wide: !word);
                alu = Alu.Add;
            }

            (first, second) = (second, first);
        }

        Read(target, first, wide: !word);
        Operate(alu, target, second, wide: !word);
        if (word)
        {
            _code.Extend(target, target, 4, signed: true);
        }

        Define(op, target);
    }

    private void Compare(Op* op, Cond condition)
    {
        Reg first = Use(op->Rs1, Rcx);
        Operate(Alu.Cmp, first, op->Rs2);
        SetFlag(op, condition);
    }

    private void CompareImmediate(Op* op, Cond condition, int immediate)
    {
        _code.Op(Alu.Cmp, Use(op->Rs1, Rcx), immediate);
        SetFlag(op, condition);
    }

    private void SetFlag(Op* op, Cond condition)
    {
        _code.Set(condition, Rax);
        Reg target = Target(op);
        _code.Extend(target, Rax, 1, signed: false);
        Define(op, target);
    }

    private void ShiftImmediate(Op* op, Shift shift, int count, bool word = false)
    {
        Reg target = Target(op);
        Read(target, op->Rs1, wide: !word);
        if (count != 0)
        {
            _code.ShiftBy(shift, target, count, wide: !word);
        }

        if (word && !(shift == Shift.Shr && count != 0)) // then the sign is 0
        {
            _code.Extend(target, target, 4, signed: true);
        }

        Define(op, target);
    }

    private void ShiftRegister(Op* op, Shift shift, bool word = false)
    {
        Reg target = Target(op);
        _code.ShiftBy(shift, target, Use(op->Rs1, Rax), Use(op->Rs2, Rcx), wide: !word);
        if (word)
        {
            _code.Extend(target, target, 4, signed: true);
        }

        Define(op, target);
    }

    private void RotateRegister(Op* op, Shift rotation, bool word = false)
    {
        Read(Rcx, op->Rs2);
        Read(Rax, op->Rs1, wide: !word);
        _code.ShiftByCl(rotation, Rax, wide: !word);
        if (word)
        {
            DefineWord(op, Rax);
        }
        else
        {
            Define(op, Rax);
        }
    }

    private void Multiply(Op* op, bool word = false)
    {
        Read(Rax, op->Rs1, wide: !word);
        _code.Imul(Rax, Use(op->Rs2, Rcx), wide: !word);
        if (word)
        {
            DefineWord(op, Rax);
        }
        else
        {
            Define(op, Rax);
        }
    }

    private void MultiplyHigh(Op* op, Unary multiply, bool signedFirst = false)
    {
        Read(Rax, op->Rs1);
        Reg second = Use(op->Rs2, Rcx);
        _code.Do(multiply, second);
        if (signedFirst)
        {
            // The first factor was taken 2^64 too large when it is negative.
            Read(Rax, op->Rs1);
            _code.ShiftBy(Shift.Sar, Rax, 63);
            _code.Op(Alu.And, Rax, second);
            _code.Op(Alu.Sub, Rdx, Rax);
        }

        Define(op, Rdx);
    }

    private void Divide(Op* op, bool signed, bool remainder, bool word = false)
    {
        bool wide = !word;
        Read(Rcx, op->Rs2, wide);
        Read(Rax, op->Rs1, wide);
        _code.Test(Rcx, Rcx, wide);
        byte* byZero = _code.Jcc(Cond.Equal);
        byte* byMinusOne = null;
        if (signed)
        {
            _code.Op(Alu.Cmp, Rcx, -1, wide);
            byMinusOne = _code.Jcc(Cond.Equal);
            _code.Cqo(wide);
        }
        else
        {
            _code.Mov(Rdx, 0);
        }

        _code.Do(signed ? Unary.Idiv : Unary.Div, Rcx, wide);
        byte* done = _code.Jmp();
        byte* negated = null;
        if (signed)
        {
            _code.BindHere(byMinusOne);
            _code.Do(Unary.Neg, Rax, wide);
            _code.Mov(Rdx, 0);
            negated = _code.Jmp();
        }

        _code.BindHere(byZero);
        if (remainder)
        {
            _code.Mov(Rdx, Rax, wide);
        }
        else
        {
            _code.Mov(Rax, -1);
        }

        _code.BindHere(done);
        if (signed)
        {
            _code.BindHere(negated);
        }

        Reg result = remainder ? Rdx : Rax;
        if (word)
        {
            DefineWord(op, result);
        }
        else
        {
            Define(op, result);
        }
    }

    private void ShiftAdd(Op* op, byte shift, bool zeroExtend = false)
    {
        Read(Rax, op->Rs1, wide: !zeroExtend);
        if (zeroExtend)
        {
            _code.Mov(Rax, Rax, wide: false);
        }

        Reg target = Target(op);
        _code.Lea(target, new Mem(Use(op->Rs2, Rcx), 0, Rax, shift));
        Define(op, target);
    }

    private void Inverted(Op* op, Alu alu)
    {
        Read(Rax, op->Rs2);
        _code.Do(Unary.Not, Rax);
        Operate(alu, Rax, op->Rs1);
        Define(op, Rax);
    }

    private void Select(Op* op, Cond takeSecond)
    {
        Read(Rax, op->Rs1);
        Reg second = Use(op->Rs2, Rcx);
        _code.Op(Alu.Cmp, Rax, second);
        _code.Cmov(takeSecond, Rax, second);
        Define(op, Rax);
    }

    private void ZeroIf(Op* op, Cond secondIs)
    {
        Read(Rax, op->Rs1);
        Reg second = Use(op->Rs2, Rcx);
        _code.Mov(Rdx, 0);
        _code.Test(second, second);
        _code.Cmov(secondIs, Rax, Rdx);
        Define(op, Rax);
    }

    private void Extend(Op* op, int size, bool signed)
    {
        Reg target = Target(op);
        _code.Extend(target, Use(op->Rs1, Rax), size, signed);
        Define(op, target);
    }

    private void Count(Op* op, byte opcode, bool wide)
    {
        Reg target = Target(op);
        _code.Count(opcode, target, Use(op->Rs1, Rax), wide);
        Define(op, target);
    }

    private void Bit(Op* op, byte action)
    {
        Read(Rax, op->Rs1);
        _code.Bit(action, Rax, Use(op->Rs2, Rcx));
        Define(op, Rax);
    }

    private void BitImmediate(Op* op, byte action)
    {
        Read(Rax, op->Rs1);
        _code.Bit(action, Rax, (int)op->Immediate);
        Define(op, Rax);
    }

    private void OrCombine(Op* op)
    {
        const long Low = 0x0101010101010101;
        Read(Rax, op->Rs1);
        foreach (int shift in (ReadOnlySpan<int>)[4, 2, 1])
        {
            _code.Mov(Rcx, Rax);
            _code.ShiftBy(Shift.Shr, Rcx, shift);
            _code.Mov(Rdx, Low * ((1 << shift) - 1));
            _code.Op(Alu.And, Rcx, Rdx);
            _code.Op(Alu.Or, Rax, Rcx);
        }

        _code.Mov(Rdx, Low);
        _code.Op(Alu.And, Rax, Rdx);
        _code.Mov(Rcx, Rax);
        _code.ShiftBy(Shift.Shl, Rcx, 8);
        _code.Op(Alu.Sub, Rcx, Rax);
        Define(op, Rcx);
    }
}
