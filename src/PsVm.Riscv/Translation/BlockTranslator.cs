using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.Memory;
using PsVm.Riscv.Mmu;
using static PsVm.Riscv.Translation.Reg;

namespace PsVm.Riscv.Translation;

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
    /// <summary>rbp points into the state, so that all integer registers are within a one-byte offset.</summary>
    public const int StateBias = 128;

    private const int PageMask = (int)PhysicalMemory.PageSize - 1;

    private readonly Stubs _stubs;
    private readonly TranslationBuffer _buffer;
    private readonly List<Late> _late;
    private readonly RegisterMap _map;
    private X64Assembler _code;

    // The block in hand, and the loop that it is part of, with the block that comes next in it.
    private Op* _ops;
    private LoopUnit? _loop;
    private LoopBlock? _next;

    // The floating point unit's state cannot change within a block, since CSR instructions end it: each is looked at once.
    private bool _unitIsOn, _unitIsDirty, _roundsToNearest;

    // Floating point registers, as bits, that hold a boxed single precision value for certain.
    private uint _boxed;

    private BlockTranslator(Stubs stubs, TranslationBuffer buffer, RegisterMap map)
    {
        _stubs = stubs;
        _buffer = buffer;
        _map = map;
        _late = buffer.Late;
        _code = new X64Assembler(buffer.Start);
    }

    internal enum LateKind : byte
    {
        /// <summary>A load or store that the TLB does not answer.</summary>
        SlowAccess,

        /// <summary>An operation that the interpreter's method does after all.</summary>
        Interpret,

        /// <summary>The rest of the block is the interpreter's.</summary>
        Rest,

        /// <summary>A NaN, which becomes the canonical one.</summary>
        CanonicalNaN,

        /// <summary>The taken way of a conditional branch.</summary>
        SideExit,

        /// <summary>The limit is reached.</summary>
        Leave,

        /// <summary>A jump within the page that is not patched yet.</summary>
        Chain,

        /// <summary>An operation that failed.</summary>
        Fault,
    }

    /// <summary>Whether this host can run translated code.</summary>
    public static bool IsSupported =>
        OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64
        && Lzcnt.X64.IsSupported && Bmi1.X64.IsSupported && Bmi2.X64.IsSupported && Popcnt.X64.IsSupported && Fma.IsSupported;

    /// <summary>Where the state keeps a guest register.</summary>
    public static Mem Slot(int register) => new(Rbp, (register * 8) - StateBias);

    /// <summary>Where the state keeps a guest's floating point register.</summary>
    public static Mem FloatSlot(int register) => new(Rbp, FloatOffset + (register * 8) - StateBias);

    /// <summary>A field of the state.</summary>
    public static Mem Field(string name) => new(Rbp, (int)Marshal.OffsetOf<HartState>(name) - StateBias);

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
        _boxed = _loop?.Boxed ?? 0;
        StraightLine();
    }

    private void StraightLine()
    {
        for (Op* op = _ops; ; op++)
        {
            _buffer.Reserve(_code.At);
            int index = (int)(op - _ops);
            switch (op->Code)
            {
                case OpCode.End:
                    Jump(op->Offset, op->Offset - 1, index, isLast: true);
                    return;
                case >= OpCode.Wfi and <= OpCode.WrsSto:
                    LeaveMidBlock(op, index);
                    return;
                case >= OpCode.Csrrw:
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
        }
    }

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
            case OpCode.Add: Binary(op, Alu.Add, commutes: true); break;
            case OpCode.Sub: Binary(op, Alu.Sub, commutes: false); break;
            case OpCode.Xor: Binary(op, Alu.Xor, commutes: true); break;
            case OpCode.Or: Binary(op, Alu.Or, commutes: true); break;
            case OpCode.And: Binary(op, Alu.And, commutes: true); break;
            case OpCode.Addw: Binary(op, Alu.Add, commutes: true, word: true); break;
            case OpCode.Subw: Binary(op, Alu.Sub, commutes: false, word: true); break;
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

    // Reading and writing guest registers.

    private readonly Reg? Mapped(int register) => _map.Integer(register);

    /// <summary>A host register with the value: the guest register's own, or the scratch register.</summary>
    private Reg Use(int register, Reg scratch)
    {
        if (Mapped(register) is { } mapped)
        {
            return mapped;
        }

        Read(scratch, register);
        return scratch;
    }

    private void Read(Reg to, int register, bool wide = true)
    {
        if (register == 0)
        {
            _code.Mov(to, 0);
        }
        else if (Mapped(register) is { } mapped)
        {
            if (mapped != to)
            {
                _code.Mov(to, mapped, wide);
            }
        }
        else
        {
            _code.Mov(to, Slot(register), wide);
        }
    }

    /// <summary>The register to compute a result in.</summary>
    private readonly Reg Target(Op* op) => Mapped(op->Rd) ?? Rax;

    /// <summary>Puts a result where the guest register lives.</summary>
    private void Define(Op* op, Reg value)
    {
        if (Mapped(op->Rd) is { } mapped)
        {
            _code.Mov(mapped, value);
        }
        else
        {
            _code.Mov(Slot(op->Rd), value);
        }
    }

    private void DefineWord(Op* op, Reg value)
    {
        Reg target = Target(op);
        _code.Extend(target, value, 4, signed: true);
        Define(op, target);
    }

    private void SetConstant(int register, long value)
    {
        if (Mapped(register) is { } mapped)
        {
            _code.Mov(mapped, value);
        }
        else if (value == (int)value)
        {
            _code.Mov(Slot(register), (int)value);
        }
        else
        {
            _code.Mov(Rax, value);
            _code.Mov(Slot(register), Rax);
        }
    }

    /// <summary>An address relative to the page that the code is in. Uses rcx when it is far away.</summary>
    private void PageOffset(Reg to, long offset)
    {
        _code.Mov(to, Field(nameof(HartState.PageBase)));
        if (offset == (int)offset)
        {
            if (offset != 0)
            {
                _code.Op(Alu.Add, to, (int)offset);
            }
        }
        else
        {
            _code.Mov(Rcx, offset);
            _code.Op(Alu.Add, to, Rcx);
        }
    }

    // Arithmetic.

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
        if (Mapped(op->Rs1) is { } source && source != target)
        {
            _code.Lea(target, new Mem(source, immediate));
        }
        else
        {
            Read(target, op->Rs1);
            if (immediate != 0)
            {
                _code.Op(Alu.Add, target, immediate);
            }
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

    private void Binary(Op* op, Alu alu, bool commutes, bool word = false)
    {
        (byte first, byte second) = (op->Rs1, op->Rs2);
        Reg target = Target(op);
        if (Mapped(second) == target && first != second)
        {
            if (commutes)
            {
                (first, second) = (second, first);
            }
            else
            {
                target = Rax;
            }
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

    // Memory.

    /// <summary>
    /// Leaves the address in rax and the entry's addend in rdx; jumps away when the TLB has no entry. An access that crosses a page
    /// finds none, since its last byte lies on another.
    /// </summary>
    private byte* Probe(Op* op, int size, string tag, bool aligned = false)
    {
        const int EntryShift = 5;
        Reg address = Use(op->Rs1, Rax);
        if (aligned || op->Immediate == 0)
        {
            _code.Mov(Rax, address); // atomics have no offset
        }
        else
        {
            _code.Lea(Rax, new Mem(address, (int)op->Immediate));
        }

        _code.Rorx(Rcx, Rax, PhysicalMemory.PageShift - EntryShift, wide: false);
        _code.Op(Alu.And, Rcx, (Tlb.Size - 1) << EntryShift, wide: false);
        if (size == 1 || aligned)
        {
            _code.Mov(Rdx, Rax);
        }
        else
        {
            _code.Lea(Rdx, new Mem(Rax, size - 1));
        }

        _code.Op(Alu.And, Rdx, aligned ? ~PageMask | (size - 1) : ~PageMask);
        Mem entry = new(R14, 0, Rcx);
        if (_map.HasMoreHosts)
        {
            _code.Op(Alu.Add, Rcx, Field(nameof(HartState.DataTlb)));
            entry = new Mem(Rcx, 0);
        }

        _code.Op(Alu.Cmp, Rdx, entry with { Offset = (int)Marshal.OffsetOf<TlbEntry>(tag) });
        byte* miss = _code.Jcc(Cond.NotEqual);
        _code.Mov(Rdx, entry with { Offset = (int)Marshal.OffsetOf<TlbEntry>(nameof(TlbEntry.Addend)) });
        return miss;
    }

    private static (int Size, bool Signed) LoadShape(OpCode code) => code switch
    {
        OpCode.Lb => (1, true),
        OpCode.Lh => (2, true),
        OpCode.Lw => (4, true),
        OpCode.Ld => (8, false),
        OpCode.Lbu => (1, false),
        OpCode.Lhu => (2, false),
        _ => (4, false),
    };

    private static int StoreSize(OpCode code) => 1 << (code - OpCode.Sb);

    private void Load(Op* op, int index)
    {
        (int size, bool signed) = LoadShape(op->Code);
        byte* miss = Probe(op, size, nameof(TlbEntry.Read));
        Reg target = Mapped(op->Rd) ?? Rax;
        _code.Load(target, new Mem(Rax, 0, Rdx), size, signed);
        if (op->Rd != Op.Sink)
        {
            Define(op, target);
        }

        AddLate(LateKind.SlowAccess, miss, _code.At, op, index);
    }

    private void Store(Op* op, int index)
    {
        int size = StoreSize(op->Code);
        byte* miss = Probe(op, size, nameof(TlbEntry.Write));
        if (Mapped(op->Rs2) is { } value)
        {
            _code.Mov(new Mem(Rax, 0, Rdx), value, size);
        }
        else
        {
            Read(Rcx, op->Rs2);
            _code.Mov(new Mem(Rax, 0, Rdx), Rcx, size);
        }

        AddLate(LateKind.SlowAccess, miss, _code.At, op, index);
    }

    private void ZeroBlock(Op* op, int index)
    {
        const byte Xor = 0x57;
        const int VectorSize = 16;
        _code.Op(Alu.Cmp, Field(nameof(HartState.MayZeroBlocks)), 0, wide: false);
        byte* disabled = _code.Jcc(Cond.Equal);
        byte* miss = Probe(op, 1, nameof(TlbEntry.Write));
        _code.Op(Alu.And, Rax, -IsaProfile.CacheBlockSize);
        _code.Sse(0, Xor, Xmm0, Xmm0);
        for (int offset = 0; offset < IsaProfile.CacheBlockSize; offset += VectorSize)
        {
            _code.Sse(0, MoveStore, Xmm0, new Mem(Rax, offset, Rdx));
        }

        AddLate(LateKind.Interpret, disabled, _code.At, op, index);
        AddLate(LateKind.Interpret, miss, _code.At, op, index);
    }

    /// <summary>Anything that is not worth code of its own: the interpreter's method does it.</summary>
    private void CallInterpreter(Op* op, int index)
    {
        _code.Mov(Rcx, (long)op);
        CallOut(_loop is null ? _stubs.Interpret : _loop.Interpret);
        _code.Test(Rax, Rax, wide: false);
        AddLate(LateKind.Fault, _code.Jcc(Cond.Equal), null, op, index);
    }

    // Control flow.

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
        Cond condition = op->Code switch
        {
            OpCode.Beq => Cond.Equal,
            OpCode.Bne => Cond.NotEqual,
            OpCode.Blt => Cond.Less,
            OpCode.Bge => Cond.GreaterOrEqual,
            OpCode.Bltu => Cond.Below,
            _ => Cond.AboveOrEqual,
        };
        int skipped = Skippable(op);
        if (skipped != 0)
        {
            DoUnless(condition, op, skipped);
            return op + skipped;
        }

        Compare(op->Rs1, op->Rs2);
        if (op->Immediate <= op->Offset && _loop?.Find(op->Immediate) is not null)
        {
            // Most probably taken: the jump back stands in line.
            byte* notTaken = _code.Jcc((Cond)((byte)condition ^ 1));
            Jump(op->Immediate, op->Offset, index + 1, isLast: false);
            _code.BindHere(notTaken);
        }
        else
        {
            AddLate(LateKind.SideExit, _code.Jcc(condition), null, op, index + 1, op->Immediate);
        }

        return op;
    }

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
        const int Most = 4;
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

        // What is skipped does not count.
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
        Count(retired);
        Reg count = R15;
        if (_map.HasMoreHosts)
        {
            count = Rdx;
            _code.Mov(Rdx, Field(nameof(HartState.Retired)));
        }

        _code.Op(Alu.Cmp, count, Field(nameof(HartState.Limit)));
        return _code.Jcc(Cond.AboveOrEqual);
    }

    private void Jump(long target, int from, int retired, bool isLast)
    {
        LoopBlock? inside = _loop?.Find(target);
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
            if (!isLast || inside != _next)
            {
                inside.Jump(ref _code);
            }

            return;
        }

        ToCanonical();
        if (_loop is null && target == _ops->Offset)
        {
            _code.Jmp(_buffer.Start);
        }
        else if (target is >= 0 and <= PageMask)
        {
            AddLate(LateKind.Chain, _code.PatchableJmp(), null, null, 0, target);
        }
        else
        {
            PageOffset(Rax, target);
            JumpOut(_stubs.Lookup);
        }
    }

    private void JumpIndirect(Op* op, int retired)
    {
        Reg source = Use(op->Rs1, Rax);
        _code.Lea(Rax, new Mem(source, (int)op->Immediate));
        _code.Op(Alu.And, Rax, -2);
        Link(op, Rcx);
        byte* leave = CountRetired(retired);
        ToCanonical();
        Stubs.EmitLookup(ref _code);
        JumpOut(_stubs.LeaveUnknown);
        _code.BindHere(leave);
        ToCanonical();
        JumpOut(_stubs.LeaveAtLimit);
    }

    /// <summary>A system instruction is the interpreter's, which is called for it; then it goes on where that says.</summary>
    private void CallSystem(Op* op, int retired)
    {
        Count(retired);
        ToCanonical();
        _code.Mov(Rcx, (long)op);
        CallOut(_stubs.System);
        _buffer.BindLater(_code.Jcc(Cond.Equal), _stubs.LeaveAtPc);
        long next = op->Offset + op->Length;
        if (op->Code <= OpCode.Csrrci && next <= PageMask)
        {
            AddLate(LateKind.Chain, _code.PatchableJmp(), null, null, 0, next);
        }
        else
        {
            _code.Mov(Rax, Field(nameof(HartState.Pc)));
            JumpOut(_stubs.Lookup);
        }
    }

    /// <summary>Leaves the rest of the block, from an operation on, to the interpreter.</summary>
    private void LeaveMidBlock(Op* op, int retired)
    {
        Count(retired);
        ToCanonical();
        PageOffset(Rax, op->Offset);
        _code.Mov(Rcx, (long)op);
        JumpOut(_stubs.LeaveMidBlock);
    }

    private void RareWays()
    {
        for (int i = 0; i < _late.Count; i++)
        {
            _buffer.Reserve(_code.At);
            Late late = _late[i];
            _code.BindHere(late.Jump);
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
                case LateKind.CanonicalNaN:
                    SetCanonicalNaN(late.Op);
                    _code.Jmp(late.Back);
                    break;
                case LateKind.SideExit:
                    Jump(late.Target, late.Op->Offset, late.Index, isLast: false);
                    break;
                case LateKind.Leave:
                    ToCanonical();
                    PageOffset(Rax, late.Target);
                    JumpOut(_stubs.LeaveAtLimit);
                    break;
                case LateKind.Chain:
                    PageOffset(Rax, late.Target);
                    _code.LeaCode(Rcx, late.Jump);
                    _code.Mov(Field(nameof(HartState.ChainPage)), BlockHeader.Of(_ops)->Page);
                    JumpOut(_stubs.LeaveToChain);
                    break;
                case LateKind.Fault:
                    ToCanonical();
                    PageOffset(Rax, late.Op->Offset);
                    _code.Mov(Rcx, late.Index);
                    JumpOut(_stubs.Fault);
                    break;
            }
        }
    }

    private void SlowAccess(Late late)
    {
        Op* op = late.Op;
        bool load = op->Code <= OpCode.Lwu;
        (int size, bool signed) = load ? LoadShape(op->Code) : (StoreSize(op->Code), false);
        _code.Mov(Rcx, size);
        if (!load)
        {
            Read(Rdx, op->Rs2);
        }

        CallOut(_loop is null ? (load ? _stubs.SlowLoad : _stubs.SlowStore) : (load ? _loop.SlowLoad : _loop.SlowStore));
        _code.Test(Rax, Rax, wide: false);
        AddLate(LateKind.Fault, _code.Jcc(Cond.Equal), null, op, late.Index);
        if (load && op->Rd != Op.Sink)
        {
            Reg target = Target(op);
            _code.Load(target, Field(nameof(HartState.LoadValue)), size, signed);
            Define(op, target);
        }

        ComeBack(late);
    }

    /// <summary>Goes on after a rare way.</summary>
    private void ComeBack(Late late)
    {
        if (EndsAfterStoreIntoCode(late.Op))
        {
            _code.Op(Alu.Cmp, Field(nameof(HartState.Limit)), 0);
            _code.Jcc(Cond.NotEqual, late.Back);
            LeaveMidBlock(late.Op + 1, late.Index + 1);
        }
        else
        {
            _code.Jmp(late.Back);
        }
    }

    /// <summary>
    /// Whether an operation may store into the code it is in, which is told by a limit of 0, and what follows would not notice: a loop looks
    /// at its limit only where it goes back, and a branch that is done without a jump does not look. Then the interpreter ends the block, and
    /// finds what is there now.
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
        _late.Add(new Late(kind, jump, back, op, index, target));

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
    }
}
