using PsVm.Riscv.Decoding;
using PsVm.Riscv.Translation.Units;
using static PsVm.Riscv.Translation.X64.Reg;

namespace PsVm.Riscv.Translation.X64;

/// <content>Where a unit goes on, and counting what has retired.</content>
internal unsafe ref partial struct BlockTranslator
{
    private const int ReturnAddress = 1;

    private void Link(Op* op, Reg scratch)
    {
        if (op->Rd != Op.Sink)
        {
            Reg target = Mapped(op->Rd) ?? scratch;
            PageOffset(target, op->Offset + op->Length);
            Define(op, target);
        }
    }

    /// <summary>A conditional branch; gives the last operation that is done with it.</summary>
    private Op* Branch(Op* op, int index)
    {
        Cond condition = ConditionOf(op->Code);
        int skipped = Skippable(op);
        if (skipped != 0)
        {
            DoUnless(condition, op, skipped);
            return op + skipped;
        }

        Compare(op->Rs1, op->Rs2);
        if (op->Immediate <= op->Offset && _loop?.Unit.Find(_origin + op->Immediate) is not null)
        {
            // Most probably taken: the jump back stands in line.
            byte* notTaken = _code.Jcc((Cond)((byte)condition ^ 1));
            Jump(op->Immediate, op->Offset, index + 1, isLast: false);
            _code.BindHere(notTaken);
        }
        else
        {
            ExitIf(condition, op, index);
        }

        return op;
    }

    private static Cond ConditionOf(OpCode code) => code switch
    {
        OpCode.Beq => Cond.Equal,
        OpCode.Bne => Cond.NotEqual,
        OpCode.Blt => Cond.Less,
        OpCode.Bge => Cond.GreaterOrEqual,
        OpCode.Bltu => Cond.Below,
        _ => Cond.AboveOrEqual,
    };

    private void Compare(int register, int other)
    {
        Reg first = Use(register, Rax);
        if (other == 0)
        {
            _code.Test(first, first); // compares with 0: no carry, no overflow
        }
        else
        {
            Operate(Alu.Cmp, first, other);
        }
    }

    /// <summary>
    /// How many operations a branch skips, when they only compute one register, so that it is cheaper to do them always and to take their
    /// result back than to branch; else 0.
    /// </summary>
    private static int Skippable(Op* branch)
    {
        const int Most = AccessGroups.MostSkipped;
        byte register = branch[1].Rd;
        for (int i = 1; i <= Most + 1; i++)
        {
            Op* op = branch + i;
            if (op->Offset == branch->Immediate)
            {
                return i - 1;
            }

            if (op->Rd != register || register == Op.Sink || !(op->Code is >= OpCode.LoadImmediate and <= OpCode.Sraw
                or >= OpCode.Sh1add and <= OpCode.SlliUw or OpCode.Andn or OpCode.Orn or OpCode.Xnor
                or >= OpCode.SextB and <= OpCode.ZextH))
            {
                return 0;
            }
        }

        return 0;
    }

    /// <summary>Does the operations after a branch, and takes back what they did when it is taken.</summary>
    private void DoUnless(Cond taken, Op* branch, int skipped)
    {
        Op* first = branch + 1;
        Reg? mapped = Mapped(first->Rd);
        Read(Rdx, first->Rd); // none of them uses rdx
        for (int i = 0; i < skipped; i++)
        {
            Compute(first + i);
        }

        (byte left, byte right) = (branch->Rs1, branch->Rs2);
        Reg one = left == first->Rd ? Rdx : Use(left, Rax);
        if (right == first->Rd)
        {
            _code.Op(Alu.Cmp, one, Rdx);
        }
        else
        {
            Operate(Alu.Cmp, one, right);
        }

        Reg result = mapped ?? Rcx;
        if (mapped is null)
        {
            _code.Mov(Rcx, Slot(first->Rd));
        }

        _code.Cmov(taken, result, Rdx);
        _code.Set(taken, Rax);
        Define(first, result);
        UncountIf(skipped);
    }

    /// <summary>What is skipped does not count, where al is 1.</summary>
    private void UncountIf(int skipped)
    {
        _code.Extend(Rax, Rax, 1, signed: false);
        if (skipped == 3)
        {
            _code.Lea(Rax, new Mem(Rax, 0, Rax, 1));
        }
        else if (skipped != 1)
        {
            _code.ShiftBy(Shift.Shl, Rax, skipped / 2, wide: false);
        }

        Uncount(Rax);
    }

    private void Uncount(Reg retired)
    {
        if (_map.HasMoreHosts)
        {
            _code.Op(Alu.Sub, Field(nameof(HartState.Retired)), retired);
        }
        else
        {
            _code.Op(Alu.Sub, R15, retired);
        }
    }

    private void Count(int retired)
    {
        if (retired == 0)
        {
            return;
        }

        if (_map.HasMoreHosts)
        {
            _code.Op(Alu.Add, Field(nameof(HartState.Retired)), retired);
        }
        else
        {
            _code.Op(Alu.Add, R15, retired);
        }
    }

    /// <summary>Counts what has retired; gives the jump away when that reaches the limit. Keeps rax.</summary>
    private byte* CountRetired(int retired)
    {
        CompareRetired(retired);
        return _code.Jcc(Cond.AboveOrEqual);
    }

    /// <summary>Counts what has retired, and compares that with the limit. Keeps rax.</summary>
    private void CompareRetired(int retired)
    {
        Count(retired);
        Reg count = R15;
        if (_map.HasMoreHosts)
        {
            count = Rdx;
            _code.Mov(Rdx, Field(nameof(HartState.Retired)));
        }

        _code.Op(Alu.Cmp, count, Field(nameof(HartState.Limit)));
    }

    private void Jump(long target, int from, int retired, bool isLast)
    {
        if (_loop is null)
        {
            JumpOfBlock(target, retired);
            return;
        }

        LoopBlock? inside = _loop.Unit.Find(_origin + target);
        if (inside is not null && target > from)
        {
            Count(retired); // the limit is looked at where the loop goes back
        }
        else
        {
            AddLate(LateKind.Leave, CountRetired(retired), null, null, 0, target);
        }

        if (inside is not null)
        {
            if (inside.Origin != _origin)
            {
                _code.Op(Alu.Add, Field(nameof(HartState.PageBase)), inside.Origin - _origin);
            }

            if (!isLast || inside != _next)
            {
                _loop.Jump(inside, ref _code);
            }

            return;
        }

        ToCanonical();
        if (IsInPage(target))
        {
            AddLate(LateKind.Chain, _code.PatchableJmp(), null, null, 0, target);
        }
        else
        {
            PageOffset(Rax, target);
            JumpOut(_stubs.Lookup);
        }
    }

    /// <summary>
    /// A jump of a block that is a unit by itself: where it is not bound yet, and where the limit is reached, it goes one way.
    /// </summary>
    private void JumpOfBlock(long target, int retired)
    {
        if (!IsInPage(target))
        {
            PageOffset(Rax, target);
            _buffer.BindLater(CountRetired(retired), _stubs.LeaveAtLimit);
            JumpOut(_stubs.Lookup);
            return;
        }

        CompareRetired(retired);
        byte* leave = _code.JccShort(Cond.AboveOrEqual);
        if (target == _ops->Offset)
        {
            _code.Jmp(_buffer.Start);
        }
        else
        {
            byte* jump = _code.PatchableJmp();
            _code.BindHere(jump);
            _buffer.Jumps.Add(((int)(jump - _buffer.Start), (int)target));
        }

        _code.BindShortHere(leave);
        _code.Mov(Rax, target);
        JumpOut(_stubs.GoOnInPage);
    }

    private static bool IsInPage(long target) => target is >= 0 and <= PageMask;

    private void JumpIndirect(Op* op, int retired)
    {
        if (LoopBlock.TargetOf(_ops, op) is { } target && _loop?.Unit.Find(_origin + target) is not null)
        {
            Link(op, Rax);
            Jump(target, op->Offset, retired, isLast: true);
            return;
        }

        Reg source = Use(op->Rs1, Rax);
        _code.Lea(Rax, new Mem(source, (int)op->Immediate));
        _code.Op(Alu.And, Rax, -2);
        Link(op, Rcx);
        ReturnInside(op, retired);
        byte* leave = CountRetired(retired);
        ToCanonical();
        if (op->Rs1 == ReturnAddress && op->Rd == Op.Sink)
        {
            // One place for all of them does not cost the host's branch predictor anything, as it does for jumps by tables, and makes code
            // small.
            JumpOut(_stubs.Lookup);
        }
        else
        {
            Stubs.EmitLookup(ref _code);
            JumpOut(_stubs.FindInPage);
        }

        if (_loop is null)
        {
            _buffer.BindLater(leave, _stubs.LeaveAtLimit);
            return;
        }

        _code.BindHere(leave);
        ToCanonical();
        JumpOut(_stubs.LeaveAtLimit);
    }

    /// <summary>Goes on in the loop where a return, to the address in rax, is to one of the calls in it.</summary>
    private void ReturnInside(Op* op, int retired)
    {
        if (_block is not { ReturnsTo: { Count: > 0 } sites })
        {
            return;
        }

        _code.Mov(Rcx, Rax);
        _code.Op(Alu.Sub, Rcx, Field(nameof(HartState.PageBase)));
        foreach (int site in sites)
        {
            _code.Op(Alu.Cmp, Rcx, site - _origin);
            byte* other = _code.Jcc(Cond.NotEqual);
            Jump(site - _origin, op->Offset, retired, isLast: false);
            _code.BindHere(other);
        }
    }

    /// <summary>
    /// A system instruction is the interpreter's, which is called for it, but for what stubs do of traps; then it goes on where that says.
    /// </summary>
    private void CallSystem(Op* op, int retired)
    {
        Count(retired);
        ToCanonical();
        long next = op->Offset + op->Length;
        if (op->Code <= OpCode.Csrrci && next <= PageMask)
        {
            _code.Mov(Rcx, (long)op);
            CallOut(_stubs.System);
            _buffer.BindLater(_code.Jcc(Cond.Equal), _stubs.LeaveAtPc);
            AddLate(LateKind.Chain, _code.PatchableJmp(), null, null, 0, next);
            return;
        }

        if (op->Code == OpCode.Ecall)
        {
            PageOffset(Rax, op->Offset);
        }

        _code.Mov(Rcx, (long)op);
        JumpOut(op->Code switch
        {
            OpCode.Ecall => _stubs.EnvironmentCall,
            OpCode.Sret => _stubs.Return,
            _ => _stubs.SystemJump,
        });
    }

    /// <summary>Leaves the rest of the block, from an operation on, to the interpreter.</summary>
    private void LeaveMidBlock(Op* op, int retired)
    {
        Count(retired);
        ToCanonical();
        PageOffset(Rax, op->Offset);
        if (op->Code == OpCode.End)
        {
            JumpOut(_stubs.LeaveAtLimit); // it may lie in the next page, which the interpreter would take for the block's
            return;
        }

        _code.Mov(Rcx, (long)op);
        JumpOut(_stubs.LeaveMidBlock);
    }
}
