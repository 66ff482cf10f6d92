using PsVm.Riscv.Decoding;
using PsVm.Riscv.Memory;
using PsVm.Riscv.Translation.Units;
using static PsVm.Riscv.Translation.X64.Reg;

namespace PsVm.Riscv.Translation.X64;

/// <summary>
/// Turns decoded blocks into host code, one by one or as a loop. Between units of code nine guest registers live in host registers and
/// the others in the state, near rbp, so units can jump to each other without moving anything; a loop has a map of its own inside.
/// What is rare (slow accesses, traps, side exits) stands after the straight line.
/// </summary>
/// <remarks>
/// rbp: state + <see cref="StateBias"/>. r14: the TLB for data. r15: instructions retired. rax, rcx, rdx, xmm0 to xmm2: scratch.
/// Code is written to a buffer first, and may be moved from there by multiples of 16 bytes.
/// </remarks>
internal unsafe ref partial struct BlockTranslator
{
    /// <summary>
    /// rbp points into the state, so that its first fields and all integer registers but the last few are within a one-byte offset.
    /// </summary>
    public const int StateBias = 128;

    private static readonly int s_integers = Layout<HartState>.Of(nameof(HartState.X));

    private const int PageMask = (int)PhysicalMemory.PageSize - 1;

    private readonly Stubs _stubs;
    private readonly TranslationBuffer _buffer;
    private readonly List<Late> _late;
    private readonly RegisterMap _map;
    private X64Assembler _code;

    // The block in hand, and the loop that it is part of, with the block that comes next in it.
    private Op* _ops;
    private LoopCode? _loop;
    private LoopBlock? _next;

    // Where the page begins that the code in hand is of, counted from the first page of the loop; and the block of the loop.
    private int _origin;
    private LoopBlock? _block;

    // The floating point unit's state cannot change within a block, since CSR instructions end it: each is looked at once.
    private bool _unitIsOn, _unitIsDirty, _roundsToNearest;

    // Floating point registers, as bits, that hold a boxed single precision value for certain.
    private uint _boxed;

    // The block's groups of accesses, those whose host address is in the state since rdx is needed meanwhile, and the one that rdx has.
    private AccessGroups? _groups;
    private HashSet<AccessGroup>? _kept;
    private AccessGroup? _held;

    // What is to be done without groups, whether that is being written now, and which; and rare ways that it shares.
    private List<OtherWay>? _otherWays;
    private bool _oneByOne;
    private OtherWay? _way;
    private Dictionary<nint, nint>? _sideExits, _faults;

    // The run in hand, and where the operands of its value are while that is computed as if it were an operation of its own.
    private RunState? _run;
    private Reg?[]? _operands;
    private int _notRunUntil;

    // Floating point needs its registers and rounding as they are found: where there is any, all is done operation by operation.
    private bool _hasRuns;

    private BlockTranslator(Stubs stubs, TranslationBuffer buffer, RegisterMap map)
    {
        _stubs = stubs;
        _buffer = buffer;
        _map = map;
        _late = buffer.Late;
        _code = new X64Assembler(buffer.Start);
    }

    /// <summary>Where the state keeps a guest register.</summary>
    public static Mem Slot(int register) => new(Rbp, s_integers + (register * 8) - StateBias);

    /// <summary>Where the state keeps a guest's floating point register.</summary>
    public static Mem FloatSlot(int register) => new(Rbp, FloatOffset + (register * 8) - StateBias);

    /// <summary>A field of the state.</summary>
    public static Mem Field(string name) => new(Rbp, Layout<HartState>.Of(name) - StateBias);

    /// <summary>A field of the context that the state has of its mode.</summary>
    public static Mem ContextField(string name) => Field(nameof(HartState.Context)).Plus(Layout<HartContext>.Of(name));

    /// <summary>Translates a block; gives the length of the code, or 0 where its first operation is left to the interpreter.</summary>
    public static int TranslateBlock(Stubs stubs, Op* ops, TranslationBuffer buffer)
    {
        buffer.Clear();
        if (Waits(ops->Code) || ops->Code == OpCode.End)
        {
            return 0;
        }

        var translator = new BlockTranslator(stubs, buffer, RegisterMap.Canonical);
        translator._code.PatchableNop();
        translator.Block(ops);
        translator.RareWays();
        return (int)(translator._code.At - buffer.Start);
    }

    private void Block(Op* ops)
    {
        _ops = ops;
        _unitIsOn = _roundsToNearest = _loop is not null;
        _unitIsDirty = false;
        _boxed = _loop?.Unit.Boxed ?? 0;
        _notRunUntil = 0;
        _hasRuns = _loop is null ? HasLongRun(ops) : !_loop.Unit.UsesFloats;
        FindGroups();
        Operations(_ops, null);
    }

    /// <summary>Writes operations.</summary>
    /// <param name="op">The first.</param>
    /// <param name="last">The last; null: that which ends the block.</param>
    private void Operations(Op* op, Op* last)
    {
        for (; last is null || op <= last; op++)
        {
            _buffer.Reserve(_code.At);
            int index = (int)(op - _ops);
            BeginOther(index);
            if (_hasRuns && !_oneByOne && TryRun(index) is > 0 and var length)
            {
                op += length - 1;
                continue;
            }

            switch (op->Code)
            {
                case OpCode.End:
                    Jump(op->Offset, op->Offset - 1, index, isLast: true);
                    return;
                case >= OpCode.Wfi and <= OpCode.WrsSto:
                    LeaveMidBlock(op, index);
                    return;
                case >= OpCode.Csrrw and <= OpCode.Csrrci:
                    AccessCsr(op, index);
                    return;
                case > OpCode.Csrrci:
                    CallSystem(op, index);
                    return;
                case OpCode.Jal:
                    Link(op, Rax);
                    Jump(op->Immediate, op->Offset, index + 1, isLast: true);
                    return;
                case OpCode.Jalr:
                    JumpIndirect(op, index + 1);
                    return;
                case >= OpCode.Beq and <= OpCode.Bgeu:
                    op = Branch(op, index);
                    break;
                case >= OpCode.Lb and <= OpCode.Lwu:
                    Load(op, index);
                    break;
                case >= OpCode.Sb and <= OpCode.Sd:
                    Store(op, index);
                    break;
                case OpCode.Fence:
                    _code.Mfence();
                    break;
                case OpCode.Pause:
                    Pause();
                    break;
                case >= OpCode.Flw and <= OpCode.Fsd:
                    MoveFloat(op, index);
                    break;
                case OpCode.CboZero:
                    ZeroBlock(op, index);
                    break;
                case >= OpCode.LrW and <= OpCode.AmoMaxuD:
                    Atomic(op, index);
                    break;
                case OpCode.Frflags:
                    ReadFloatFlags(op, index);
                    break;
                case OpCode.Fsflags:
                    WriteFloatFlags(op, index);
                    break;
                case >= OpCode.FaddS:
                    ComputeFloat(op, index);
                    break;
                default:
                    if (IsExtension(op))
                    {
                        Extend(op, (64 - (int)op->Immediate) / 8, op[1].Code == OpCode.Srai);
                        op++;
                    }
                    else if (IsAddress(op))
                    {
                        ComputeAddress(op);
                        op++;
                    }
                    else if (op->Rd != Op.Sink)
                    {
                        Compute(op);
                    }

                    break;
            }

            Behind(index);
        }
    }
}
