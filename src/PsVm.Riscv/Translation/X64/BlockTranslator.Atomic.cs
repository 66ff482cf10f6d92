using PsVm.Riscv.Decoding;
using PsVm.Riscv.Mmu;
using static PsVm.Riscv.Translation.X64.Reg;

namespace PsVm.Riscv.Translation.X64;

/// <content>The frequent atomics, as the host's own; the others are the interpreter's.</content>
internal unsafe ref partial struct BlockTranslator
{
    private void Atomic(Op* op, int index)
    {
        bool wide = op->Code >= OpCode.LrD;
        switch (wide ? op->Code - (OpCode.LrD - OpCode.LrW) : op->Code)
        {
            case OpCode.LrW: LoadReserved(op, index, wide); break;
            case OpCode.ScW: StoreConditional(op, index, wide); break;
            case OpCode.AmoSwapW or OpCode.AmoAddW: ExchangeOrAdd(op, index, wide); break;
            default:
                CallInterpreter(op, index);
                if (EndsAfterStoreIntoCode(op))
                {
                    _code.Op(Alu.Cmp, Field(nameof(HartState.Limit)), 0);
                    AddLate(LateKind.Rest, _code.Jcc(Cond.Equal), null, op + 1, index + 1);
                }

                break;
        }
    }

    private void LoadReserved(Op* op, int index, bool wide)
    {
        byte* miss = Probe(op, wide ? 8 : 4, nameof(TlbEntry.Read), aligned: true);
        _code.Op(Alu.Add, Rax, Rdx);
        _code.Mov(Field(nameof(HartState.ReservedHost)), Rax);
        _code.Load(Rax, new Mem(Rax, 0), wide ? 8 : 4, signed: true);
        _code.Mov(Field(nameof(HartState.ReservedValue)), Rax);
        DefineUnlessZero(op, Rax);
        AddLate(LateKind.Interpret, miss, _code.At, op, index);
    }

    private void StoreConditional(Op* op, int index, bool wide)
    {
        byte* miss = Probe(op, wide ? 8 : 4, nameof(TlbEntry.Write), aligned: true);
        _code.Op(Alu.Add, Rdx, Rax);
        _code.Op(Alu.Cmp, Rdx, Field(nameof(HartState.ReservedHost)));
        byte* lost = _code.Jcc(Cond.NotEqual); // and not equal is what fails
        _code.Mov(Rax, Field(nameof(HartState.ReservedValue)));
        Read(Rcx, op->Rs2);
        _code.LockCmpxchg(new Mem(Rdx, 0), Rcx, wide);
        _code.BindHere(lost);
        _code.Set(Cond.NotEqual, Rax);
        _code.Extend(Rax, Rax, 1, signed: false);
        _code.Mov(Field(nameof(HartState.ReservedHost)), 0);
        DefineUnlessZero(op, Rax);
        AddLate(LateKind.Interpret, miss, _code.At, op, index);
    }

    private void ExchangeOrAdd(Op* op, int index, bool wide)
    {
        byte* miss = Probe(op, wide ? 8 : 4, nameof(TlbEntry.Write), aligned: true);
        Read(Rcx, op->Rs2);
        Mem operand = new(Rax, 0, Rdx);
        if (op->Code is OpCode.AmoSwapW or OpCode.AmoSwapD)
        {
            _code.Xchg(operand, Rcx, wide);
        }
        else
        {
            _code.LockXadd(operand, Rcx, wide);
        }

        if (!wide)
        {
            _code.Extend(Rcx, Rcx, 4, signed: true);
        }

        DefineUnlessZero(op, Rcx);
        AddLate(LateKind.Interpret, miss, _code.At, op, index);
    }

    private void DefineUnlessZero(Op* op, Reg value)
    {
        if (op->Rd != Op.Sink)
        {
            Define(op, value);
        }
    }
}
