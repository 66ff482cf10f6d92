using PsVm.Riscv.Decoding;
using PsVm.Riscv.Mmu;
using PsVm.Riscv.Translation.Units;
using static PsVm.Riscv.Translation.X64.Reg;

namespace PsVm.Riscv.Translation.X64;

/// <content>
/// Runs: operations of a loop's block that are one after another become values (<see cref="ValueRun"/>), which are in the guest's
/// registers' places only where the run ends. Where it is left before, rare code brings them there first.
/// </content>
/// <remarks>
/// Exactness: each access is done at its operation, in the program's order, and what the hart would do instead, a slow access, a fault, a
/// store into code, is done by the other way, which begins with that very operation and with all registers as the guest has them. No C# is
/// called within a run.
/// </remarks>
internal unsafe ref partial struct BlockTranslator
{
    private const int LeastRun = 3;

    // Of a block by itself: shorter ones are not worth the second copy and the time, boots took a quarter longer.
    private const int LeastLongRun = 32;

    /// <summary>Whether no run or group reaches over an operation.</summary>
    public static bool EndsRun(Op* op) => !ValueRun.Has(op->Code);

    /// <summary>The runs of a loop's block, for who wants to see them.</summary>
    public static List<ValueRun> RunsOf(LoopUnit loop, LoopBlock block)
    {
        List<ValueRun> runs = [];
        if (loop.UsesFloats)
        {
            return runs;
        }

        AccessGroups? groups = AccessGroups.Of(block.Ops, &EndsRun);
        for (int first = 0; !Decoder.IsLast(block.Ops[first].Code);)
        {
            int end = EndOfRun(block.Ops, first, loop, block.Origin);
            if (end - first >= LeastRun)
            {
                runs.Add(new ValueRun(block.Ops, first, end, groups, HeldBy(RegisterMap.For(loop)), &Skippable));
            }

            first = Math.Max(end, first + 1);
        }

        return runs;
    }

    private static int EndOfRun(Op* ops, int first, LoopUnit? loop, int origin)
    {
        int end = first;
        while (!EndsRun(ops + end) && !GoesBack(ops + end, loop, origin))
        {
            end += 1 + (ops[end].Code is >= OpCode.Beq and <= OpCode.Bgeu ? Skippable(ops + end) : 0);
        }

        return end;
    }

    /// <summary>Whether a block has a long run that mostly computes.</summary>
    private static bool HasLongRun(Op* ops)
    {
        (int longest, int accesses, int first) = (0, 0, 0);
        int index = 0;
        for (; !Decoder.IsLast(ops[index].Code); index++)
        {
            accesses += AccessGroups.IsAccess(ops[index].Code) ? 1 : 0;
            first = EndsRun(ops + index) ? index + 1 : first;
            longest = Math.Max(longest, index - first);
        }

        return longest >= LeastLongRun && accesses * 4 <= index && !LoopUnit.HasFloats(ops);
    }

    private static uint HeldBy(RegisterMap map)
    {
        uint held = 0;
        foreach (int register in map.Integers)
        {
            held |= 1u << register;
        }

        return held;
    }

    /// <summary>Writes the run that begins at an operation; gives how many operations it has, 0: there is none.</summary>
    private int TryRun(int first)
    {
        int end = EndOfRun(_ops, first, _loop?.Unit, _origin);
        if (end - first < (_loop is null ? LeastLongRun : LeastRun) || first < _notRunUntil)
        {
            return 0;
        }

        (X64Assembler code, int late) = (_code, _late.Count);
        try
        {
            ValueRun run = new(_ops, first, end, _groups, HeldBy(_map), &Skippable);
            _run = new RunState(run, _map, UsesCounters);
            AccessStretch all = new() { First = first, Last = end - 1 };
            OtherWay way = new(all, (nint)_ops, _unitIsOn, _unitIsDirty, _roundsToNearest, _boxed) { Origin = _origin };
            foreach (Value value in run.Values)
            {
                _buffer.Reserve(_code.At);
                (_run.At, _run.Pinned) = (value.At, 0);
                _run.ReleaseDead(after: false);
                if (value.IsNeeded)
                {
                    Write(value, way);
                }
            }

            _run.At = run.Values.Count;
            Move(MovesHome(run.Visible));
            way.Back = (nint)_code.At;
            if (_late.Exists(late => late.Way == way))
            {
                (_otherWays ??= []).Add(way);
            }

            _held = null;
            return end - first;
        }
        catch (RunException)
        {
            _code = code;
            _late.RemoveRange(late, _late.Count - late);
            _notRunUntil = end;
            return 0;
        }
        finally
        {
            (_run, _operands) = (null, null);
        }
    }

    /// <summary>Whether it is a branch back within the loop, whose taken way stands in line.</summary>
    private static bool GoesBack(Op* op, LoopUnit? loop, int origin) =>
        loop is not null
            && op->Code is >= OpCode.Beq and <= OpCode.Bgeu
            && op->Immediate <= op->Offset
            && loop.Find(origin + op->Immediate) is not null;

    /// <summary>Whether the code for a value uses rcx and rdx.</summary>
    private static bool UsesCounters(Value value) => value.Kind switch
    {
        ValueKind.Reach => true,
        ValueKind.Load or ValueKind.Store => value.Group is null,
        ValueKind.Compute => !IsDirect(value),
        _ => false,
    };

    private void Write(Value value, OtherWay way)
    {
        switch (value.Kind)
        {
            case ValueKind.Compute:
                Compute(value);
                break;
            case ValueKind.Select:
                Select(value);
                break;
            case ValueKind.Reach:
                ReachFor(value, way);
                break;
            case ValueKind.Load:
                Load(value, way);
                break;
            case ValueKind.Store:
                Store(value, way);
                break;
            case ValueKind.Exit:
                Exit(value);
                break;
            case ValueKind.Effect when value.Code == OpCode.Fence:
                _code.Mfence();
                break;
            case ValueKind.Effect:
                Pause();
                break;
        }
    }

    /// <summary>Looks into the TLB; where it has no entry, the rest of the run is done in the other way.</summary>
    private void ProbeFor(Value value, int size, bool stores, OtherWay way)
    {
        Reg address = InRegister(value.A!);
        List<RunMove> moves = MovesHome(value.Visible!);
        byte* miss = Probe(address, (int)value.Immediate, size, stores ? nameof(TlbEntry.Write) : nameof(TlbEntry.Read));
        _late.Add(
            new Late(LateKind.RunMiss, miss, null, _ops + value.Index, value.Index, 0) { Origin = _origin, Moves = moves, Way = way });
    }

    private void ReachFor(Value value, OtherWay way)
    {
        ProbeFor(value, value.Group!.Bytes, value.Group.Stores, way);
        _code.Lea(ResultOver(value), new Mem(Rax, 0, Rdx));
    }

    private void Load(Value value, OtherWay way)
    {
        (int size, bool signed) = LoadShape(value.Code);
        Mem operand = new(Rax, 0, Rdx);
        if (value.Group is null)
        {
            ProbeFor(value, size, stores: false, way);
        }
        else
        {
            operand = new Mem(InRegister(value.A!), (int)value.Immediate);
        }

        if (value.LastUse > value.At)
        {
            _code.Load(ResultOver(value), operand, size, signed);
        }
    }

    private void Store(Value value, OtherWay way)
    {
        Value stored = value.B!;
        Reg? held = stored.Kind == ValueKind.Constant || IsBestInMemory(stored) ? null : InRegister(stored);
        Mem operand = new(Rax, 0, Rdx);
        Reg scratch = Rcx;
        if (value.Group is null)
        {
            ProbeFor(value, StoreSize(value.Code), stores: true, way);
        }
        else
        {
            (operand, scratch) = (new Mem(InRegister(value.A!), (int)value.Immediate), Rax);
        }

        if (held is null)
        {
            Fetch(scratch, stored);
        }

        _code.Mov(operand, held ?? scratch, StoreSize(value.Code));
    }

    private void Exit(Value value)
    {
        Prepare(value.A!, mayBeNumber: false);
        Prepare(value.B!, mayBeNumber: true);
        List<RunMove> moves = MovesHome(value.Visible!);
        CompareOperands(value);
        Op* op = _ops + value.Index;
        byte* taken = _code.Jcc(ConditionOf(value.Code));
        _late.Add(new Late(LateKind.RunExit, taken, null, op, value.Index + 1, op->Immediate) { Origin = _origin, Moves = moves });
    }

    private void Select(Value value)
    {
        Prepare(value.A!, mayBeNumber: false);
        Prepare(value.B!, mayBeNumber: true);
        Reg taken = InRegister(value.Taken!);
        bool isWordOnly = _run!.IsWordOnly(value.Taken!) || _run.IsWordOnly(value.Otherwise!);
        (Reg a, Reg? b) = (_run.RegisterOf(value.A!)!.Value, _run.RegisterOf(value.B!));
        Reg result = ResultFrom(value, value.Otherwise!);
        CompareOperands(value, a, b);
        Cond condition = ConditionOf(value.Code);
        _code.Cmov(condition, result, taken);
        _code.Set(condition, Rax);
        _run.SetWordOnly(value, isWordOnly);
        UncountIf(value.Skipped);
    }

    private void CompareOperands(Value value) => CompareOperands(value, _run!.RegisterOf(value.A!)!.Value, _run.RegisterOf(value.B!));

    private void CompareOperands(Value value, Reg a, Reg? b)
    {
        bool wide = !value.ComparesWords;
        if (b is { } register)
        {
            _code.Op(Alu.Cmp, a, register, wide);
        }
        else if (value.B!.Kind != ValueKind.Constant)
        {
            _code.Op(Alu.Cmp, a, _run!.PlaceOf(value.B)!.Value, wide);
        }
        else if (value.B.Immediate == 0)
        {
            _code.Test(a, a, wide);
        }
        else
        {
            _code.Op(Alu.Cmp, a, (int)value.B.Immediate, wide);
        }
    }
}
