using PsVm.Riscv.Csr;
using PsVm.Riscv.Decoding;
using static PsVm.Riscv.Translation.X64.Reg;

namespace PsVm.Riscv.Translation.X64;

/// <content>
/// The CSRs that supervisors read and write at each trap, in line: sscratch, sepc, scause, stval, and of sstatus what changes nothing but
/// itself, FS, and which TLB data accesses use. All else of them, and all other modes, is the interpreter's.
/// </content>
internal unsafe ref partial struct BlockTranslator
{
    /// <summary>A CSR instruction; the block ends behind it.</summary>
    private void AccessCsr(Op* op, int index)
    {
        int number = (int)((ulong)op->Immediate >> 20);
        string? field = number switch
        {
            CsrNumber.Sscratch => nameof(HartState.Sscratch),
            CsrNumber.Sepc => nameof(HartState.Sepc),
            CsrNumber.Scause => nameof(HartState.Scause),
            CsrNumber.Stval => nameof(HartState.Stval),
            _ => null,
        };
        if ((field is null && number != CsrNumber.Sstatus) || _loop is not null)
        {
            CallSystem(op, index);
            return;
        }

        _code.Op(Alu.Cmp, ContextField(nameof(HartContext.Mode)), (int)PrivilegeMode.Supervisor, wide: false);
        AddLate(LateKind.System, _code.Jcc(Cond.NotEqual), null, op, index);
        if (field is null)
        {
            ReadStatus();
        }
        else
        {
            _code.Mov(Rax, Field(field));
        }

        if (ComputeCsr(op))
        {
            if (field is null)
            {
                WriteStatus(op, index);
            }
            else
            {
                if (number == CsrNumber.Sepc)
                {
                    _code.Op(Alu.And, Rcx, -2);
                }

                _code.Mov(Field(field), Rcx);
            }
        }

        if (op->Rd != Op.Sink)
        {
            Define(op, Rax);
        }

        Jump(op->Offset + op->Length, op->Offset, index + 1, isLast: true);
    }

    /// <summary>What the instruction writes, in rcx, of what the CSR holds, in rax; false: it writes nothing.</summary>
    private bool ComputeCsr(Op* op)
    {
        bool immediate = op->Code >= OpCode.Csrrwi;
        OpCode kind = immediate ? op->Code - (OpCode.Csrrwi - OpCode.Csrrw) : op->Code;
        if (kind != OpCode.Csrrw && op->Rs1 == 0)
        {
            return false;
        }

        if (immediate)
        {
            _code.Mov(Rcx, op->Rs1);
        }
        else
        {
            Read(Rcx, op->Rs1);
        }

        switch (kind)
        {
            case OpCode.Csrrs:
                _code.Op(Alu.Or, Rcx, Rax);
                break;
            case OpCode.Csrrc:
                _code.Do(Unary.Not, Rcx);
                _code.Op(Alu.And, Rcx, Rax);
                break;
        }

        return true;
    }

    /// <summary>sstatus in rax. Uses rcx and rdx.</summary>
    private void ReadStatus()
    {
        const byte SetBit = 5;
        const int UserXlenIs64 = 33, Dirty = 63;
        _code.Mov(Rax, Field(nameof(HartState.Status)));
        _code.Op(Alu.And, Rax, (int)CsrFile.SupervisorStatus, wide: false);
        _code.Bit(SetBit, Rax, UserXlenIs64);
        _code.Mov(Rcx, Field(nameof(HartState.FloatStatus)), wide: false);
        _code.Mov(Rdx, Rcx, wide: false);
        _code.ShiftBy(Shift.Shl, Rdx, CsrFile.FsShift, wide: false);
        _code.Op(Alu.Or, Rax, Rdx);

        // SD: FS is 3.
        _code.Op(Alu.Add, Rcx, 1, wide: false);
        _code.ShiftBy(Shift.Shr, Rcx, 2, wide: false);
        _code.ShiftBy(Shift.Shl, Rcx, Dirty);
        _code.Op(Alu.Or, Rax, Rcx);
    }

    /// <summary>
    /// Writes rcx to sstatus, unless it changes MXR, which translations go by, or sets SIE while an interrupt may be due. Keeps rax.
    /// </summary>
    private void WriteStatus(Op* op, int index)
    {
        const byte TestBit = 4;
        Mem status = Field(nameof(HartState.Status));
        _code.Mov(Rdx, Field(nameof(HartState.InterruptDue)), wide: false);
        _code.Op(Alu.And, Rdx, Rcx, wide: false);
        _code.Op(Alu.Or, Rdx, (int)CsrFile.Mxr, wide: false);
        _code.Op(Alu.Xor, Rcx, status);
        _code.Test(Rdx, Rcx);
        AddLate(LateKind.System, _code.Jcc(Cond.NotEqual), null, op, index);

        // FS is not kept with the other bits, which are 0 there: what has changed is what is written.
        _code.Mov(Rdx, Rcx, wide: false);
        _code.ShiftBy(Shift.Shr, Rdx, CsrFile.FsShift, wide: false);
        _code.Op(Alu.And, Rdx, 3, wide: false);
        _code.Mov(Field(nameof(HartState.FloatStatus)), Rdx, size: 4);
        _code.Op(Alu.And, Rcx, (int)CsrFile.SupervisorStatus, wide: false);
        _code.Op(Alu.Xor, status, Rcx);

        _code.Mov(Rdx, status);
        _code.Mov(R14, Field(nameof(HartState.SupervisorTlb)));
        _code.Mov(Rcx, Field(nameof(HartState.UserMemoryTlb)));
        _code.Bit(TestBit, Rdx, CsrFile.SumShift);
        _code.Cmov(Cond.Below, R14, Rcx);
        _code.Mov(ContextField(nameof(HartContext.DataTlb)), R14);
    }
}
