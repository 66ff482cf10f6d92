using PsVm.Riscv.Decoding;
using static PsVm.Riscv.Translation.X64.Reg;

namespace PsVm.Riscv.Translation.X64;

/// <content>What stands after the straight line.</content>
internal unsafe ref partial struct BlockTranslator
{
    internal enum LateKind : byte
    {
        /// <summary>A load or store that the TLB does not answer.</summary>
        SlowAccess,

        /// <summary>An operation that the interpreter's method does after all.</summary>
        Interpret,

        /// <summary>The rest of the block is the interpreter's.</summary>
        Rest,

        /// <summary>A system instruction that is the interpreter's after all.</summary>
        System,

        /// <summary>A NaN, which becomes the canonical one.</summary>
        CanonicalNaN,

        /// <summary>The taken way of a conditional branch.</summary>
        SideExit,

        /// <summary>The limit is reached.</summary>
        Leave,

        /// <summary>A jump within the page, until its target has a translation.</summary>
        Chain,

        /// <summary>An operation that failed.</summary>
        Fault,

        /// <summary>The taken way of a conditional branch of a run.</summary>
        RunExit,

        /// <summary>An access of a run that the TLB does not answer: what is left of the run is done otherwise.</summary>
        RunMiss,
    }

    private void RareWays()
    {
        (_sideExits, _faults) = ([], []);
        int next = 0;
        do
        {
            while (next < _late.Count)
            {
                _buffer.Reserve(_code.At);
                RareWay(_late[next++]);
            }
        }
        while (OtherWays());
    }

    private void RareWay(Late late)
    {
        _code.BindHere(late.Jump);
        _origin = late.Origin;
        switch (late.Kind)
        {
            case LateKind.SlowAccess:
                SlowAccess(late);
                break;
            case LateKind.Interpret:
                CallInterpreter(late.Op, late.Index);
                ComeBack(late);
                break;
            case LateKind.Rest:
                LeaveMidBlock(late.Op, late.Index);
                break;
            case LateKind.System:
                CallSystem(late.Op, late.Index);
                break;
            case LateKind.CanonicalNaN:
                SetCanonicalNaN(late.Op);
                _code.Jmp(late.Back);
                break;
            case LateKind.SideExit:
                _sideExits!.TryAdd((nint)late.Op, (nint)_code.At);
                Jump(late.Target, late.Op->Offset, late.Index, isLast: false);
                break;
            case LateKind.RunExit:
                Move(late.Moves!);
                _sideExits!.TryAdd((nint)late.Op, (nint)_code.At);
                Jump(late.Target, late.Op->Offset, late.Index, isLast: false);
                break;
            case LateKind.RunMiss:
                Move(late.Moves!);
                late.Way!.Jumps.Add((late.Index, (nint)_code.Jmp()));
                break;
            case LateKind.Leave:
                ToCanonical();
                if (IsInPage(late.Target))
                {
                    _code.Mov(Rax, late.Target);
                    JumpOut(_stubs.LeaveInPage);
                }
                else
                {
                    PageOffset(Rax, late.Target);
                    JumpOut(_stubs.LeaveAtLimit);
                }

                break;
            case LateKind.Chain:
                _buffer.Jumps.Add(((int)(late.Jump - _buffer.Start), _origin + (int)late.Target));
                _code.Mov(Rax, late.Target);
                JumpOut(_stubs.GoOnInPage);
                break;
            case LateKind.Fault:
                _faults!.TryAdd((nint)late.Op, (nint)_code.At);
                ToCanonical();
                _code.Mov(Rcx, Stubs.Place(late.Op->Offset, late.Index));
                JumpOut(_stubs.Fault);
                break;
        }
    }

    /// <summary>Has the hart leave at the next look at its limit, once it has paused often.</summary>
    private void Pause()
    {
        _code.Pause();
        _code.Op(Alu.Sub, Field(nameof(HartState.Pauses)), 1, wide: false);
        byte* goOn = _code.Jcc(Cond.NotEqual);
        _code.Op(Alu.And, Field(nameof(HartState.Limit)), 0);
        _code.BindHere(goOn);
    }

    /// <summary>Goes on after a rare way.</summary>
    private void ComeBack(Late late)
    {
        if (EndsAfterStoreIntoCode(late.Op))
        {
            _code.Op(Alu.Cmp, Field(nameof(HartState.Limit)), 0);
            GoOn(late, Cond.NotEqual);
            LeaveMidBlock(late.Op + 1, late.Index + 1);
        }
        else
        {
            GoOn(late);
        }
    }

    /// <summary>
    /// Whether an operation may store into the code it is in, which is told by a limit of 0, and what follows would not notice: a loop
    /// looks at its limit only where it goes back, and a branch that is done without a jump does not look. Then the interpreter ends the
    /// block, and finds what is there now.
    /// </summary>
    private readonly bool EndsAfterStoreIntoCode(Op* op) => Stores(op->Code) && (_loop is not null || SkipsLater(op));

    /// <summary>Whether a branch that is done without a jump follows in the block.</summary>
    private static bool SkipsLater(Op* op)
    {
        for (op++; !Decoder.IsLast(op->Code); op++)
        {
            if (op->Code is >= OpCode.Beq and <= OpCode.Bgeu && Skippable(op) != 0)
            {
                return true;
            }
        }

        return false;
    }

    private static bool Stores(OpCode code) =>
        code is >= OpCode.Sb and <= OpCode.Sd or OpCode.Fsw or OpCode.Fsd or OpCode.CboZero or >= OpCode.LrW and <= OpCode.AmoMaxuD;

    /// <summary>Whether the hart may have to leave its thread then, which translated code does not decide.</summary>
    private static bool Waits(OpCode code) => code is >= OpCode.Wfi and <= OpCode.WrsSto;

    private readonly void AddLate(LateKind kind, byte* jump, byte* back, Op* op, int index, long target = 0) =>
        _late.Add(new Late(kind, jump, back, op, index, target) { Origin = _origin });

    /// <summary>Jumps to a stub, wherever this code will be.</summary>
    private void JumpOut(byte* stub) => _buffer.BindLater(_code.Jmp(), stub);

    /// <summary>Calls a stub, wherever this code will be, or a routine of the loop's own.</summary>
    private void CallOut(byte* routine)
    {
        if (_buffer.Contains(routine))
        {
            _code.Call(routine);
        }
        else
        {
            _buffer.BindLater(_code.Call(), routine);
        }
    }

    /// <summary>
    /// A rare way, to be written after the straight line: what it is, the jump that leads there, where it comes back, its operation,
    /// how many of the block's instructions have retired then, and where it goes.
    /// </summary>
    public readonly struct Late(LateKind kind, byte* jump, byte* back, Op* op, int index, long target)
    {
        internal LateKind Kind { get; } = kind;

        public byte* Jump { get; } = jump;

        public byte* Back { get; } = back;

        public Op* Op { get; } = op;

        public int Index { get; } = index;

        public long Target { get; } = target;

        /// <summary>Where its page begins.</summary>
        public int Origin { get; init; }

        /// <summary>What has to be moved first, where a run is left.</summary>
        public List<RunMove>? Moves { get; init; }

        /// <summary>Where the rest of the run is done.</summary>
        public OtherWay? Way { get; init; }
    }
}
