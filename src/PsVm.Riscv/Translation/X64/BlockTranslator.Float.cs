using PsVm.Riscv.Decoding;
using PsVm.Riscv.FloatingPoint;
using PsVm.Riscv.Mmu;
using static PsVm.Riscv.Translation.X64.Reg;

namespace PsVm.Riscv.Translation.X64;

/// <content>
/// Floating point on the host's unit. Its exceptions gather in MXCSR, which the stubs bring into the state; x86 detects tininess after
/// rounding as RISC-V does, and only the NaN it gives is another.
/// </content>
internal unsafe ref partial struct BlockTranslator
{
    private const byte Xmm0 = 0, Xmm1 = 1, Xmm2 = 2;
    private const byte MoveAll = 0x28, Or = 0x56, FromBits = 0x6e, ToBits = 0x7e;
    public const byte MoveLoad = 0x10, MoveStore = 0x11, DoublePrefix = 0xf2;
    private const byte Sqrt = 0x51, Add = 0x58, Mul = 0x59, Sub = 0x5c, Div = 0x5e;
    private const byte Convert = 0x5a, FromInteger = 0x2a, ToIntegerTruncated = 0x2c, CompareQuiet = 0x2e, CompareSignaling = 0x2f;
    private const byte SinglePrefix = 0xf3, DynamicRounding = 7;
    private const int DirtyStatus = 3;

    private static int FloatOffset => Layout<HartState>.Of(nameof(HartState.F));

    private void MoveFloat(Op* op, int index)
    {
        RequireUnit(op, index);
        bool wide = op->Code is OpCode.Fld or OpCode.Fsd;
        if (op->Code is OpCode.Fsw or OpCode.Fsd)
        {
            byte* missed = Reach(op, index, wide ? 8 : 4, nameof(TlbEntry.Write), out Mem place);
            byte value = Xmm0;
            if (_map.Float(op->Rs2) is { } mapped)
            {
                value = mapped;
            }
            else
            {
                LoadFloat(Xmm0, op->Rs2);
            }

            _code.Sse(Prefix(wide), MoveStore, value, place);
            AddMiss(LateKind.Interpret, missed, op, index);
            return;
        }

        byte* miss = Reach(op, index, wide ? 8 : 4, nameof(TlbEntry.Read), out Mem operand);
        byte target = _map.Float(op->Rd) ?? Xmm0;
        _code.Sse(Prefix(wide), MoveLoad, target, operand);
        if (!wide)
        {
            Box(target);
        }

        StoreFloat(op, wide, target);
        AddMiss(LateKind.Interpret, miss, op, index);
        SetDirty();
    }

    private void ComputeFloat(Op* op, int index)
    {
        RequireUnit(op, index);
        bool wide = op->Code >= OpCode.FaddD;
        OpCode code = wide ? op->Code - (OpCode.FaddD - OpCode.FaddS) : op->Code;
        uint rounding = (uint)op->Immediate & 7;
        bool nearest = rounding is 0 or DynamicRounding;
        bool truncates = rounding == (uint)RoundingMode.TowardZero;
        switch (code)
        {
            case OpCode.FaddS when nearest: Arithmetic(op, index, Add, wide); break;
            case OpCode.FsubS when nearest: Arithmetic(op, index, Sub, wide); break;
            case OpCode.FmulS when nearest: Arithmetic(op, index, Mul, wide); break;
            case OpCode.FdivS when nearest: Arithmetic(op, index, Div, wide); break;
            case OpCode.FsqrtS when nearest: SquareRoot(op, index, wide); break;
            case OpCode.FmaddS when nearest: MultiplyAdd(op, index, 0xb8, wide); break;
            case OpCode.FmsubS when nearest: MultiplyAdd(op, index, 0xba, wide); break;
            case OpCode.FnmsubS when nearest: MultiplyAdd(op, index, 0xbc, wide); break;
            case OpCode.FnmaddS when nearest: MultiplyAdd(op, index, 0xbe, wide); break;
            case OpCode.FsgnjS or OpCode.FsgnjnS or OpCode.FsgnjxS when op->Rs1 == op->Rs2: Sign(op, index, code, wide); break;
            case OpCode.FeqS: Compare(op, index, CompareQuiet, Cond.Equal, wide); break;
            case OpCode.FltS: Compare(op, index, CompareSignaling, Cond.Above, wide); break;
            case OpCode.FleS: Compare(op, index, CompareSignaling, Cond.AboveOrEqual, wide); break;
            case OpCode.FltqS: Compare(op, index, CompareQuiet, Cond.Above, wide); break;
            case OpCode.FleqS: Compare(op, index, CompareQuiet, Cond.AboveOrEqual, wide); break;
            case OpCode.FliS:
                _code.Mov(Rax, wide ? op->Immediate : (long)Float32.Box((uint)op->Immediate));
                StoreFloatBits(op, wide, Rax);
                SetDirty();
                break;
            case OpCode.FcvtSW when nearest || (wide && rounding <= (uint)RoundingMode.NearestMaxMagnitude): // a word is exact in a double
                ConvertInteger(op, index, false, wide);
                break;
            case OpCode.FcvtSL when nearest: ConvertInteger(op, index, true, wide); break;
            case OpCode.FcvtWS when truncates: Truncate(op, index, false, wide); break;
            case OpCode.FcvtLS when truncates: Truncate(op, index, true, wide); break;
            case OpCode.FcvtSD when nearest: ConvertFormat(op, index, wide); break;
            case OpCode.FmvXW: MoveToInteger(op, wide); break;
            case OpCode.FmvWX: MoveFromInteger(op, wide); break;
            default:
                CallInterpreter(op, index);
                SetBoxed(op->Rd, false);
                break;
        }
    }

    // What has to hold.

    private void RequireUnit(Op* op, int index)
    {
        if (!_unitIsOn)
        {
            _unitIsOn = true;
            _code.Op(Alu.Cmp, Field(nameof(HartState.FloatStatus)), 0, wide: false);
            AddLate(LateKind.Rest, _code.Jcc(Cond.Equal), null, op, index);
        }
    }

    private void RequireNearest(Op* op, int index)
    {
        if (!_roundsToNearest && ((uint)op->Immediate & 7) == DynamicRounding)
        {
            _roundsToNearest = true;
            _code.Op(Alu.Cmp, Field(nameof(HartState.FloatRounding)), 0, wide: false);
            AddLate(LateKind.Rest, _code.Jcc(Cond.NotEqual), null, op, index);
        }
    }

    private void SetDirty()
    {
        if (!_unitIsDirty)
        {
            _unitIsDirty = true;
            _code.Mov32(Field(nameof(HartState.FloatStatus)), DirtyStatus);
        }
    }

    /// <summary>Narrow operands that are not boxed are NaNs, which the interpreter's method knows; the jumps go there.</summary>
    private int RequireBoxed(bool wide, params ReadOnlySpan<byte> registers)
    {
        int first = _late.Count;
        if (!wide)
        {
            foreach (byte register in registers)
            {
                if ((_boxed >> register & 1) == 0)
                {
                    _code.Op(Alu.Cmp, Upper(register), -1, wide: false);
                    AddLate(LateKind.Interpret, _code.Jcc(Cond.NotEqual), null, null, 0);
                }
            }
        }

        return first;
    }

    /// <summary>Says where the ways that were opened since go on, now that the operation is complete.</summary>
    private readonly void ComeBackHere(int first, Op* op, int index)
    {
        for (int i = first; i < _late.Count; i++)
        {
            _late[i] = new Late(_late[i].Kind, _late[i].Jump, _code.At, op, index, 0) { Origin = _origin };
        }
    }

    /// <summary>
    /// Whether a register holds a boxed single precision value from here on; a loop's own knowledge holds all through it.
    /// </summary>
    private void SetBoxed(int register, bool boxed) =>
        _boxed = (boxed ? _boxed | 1u << register : _boxed & ~(1u << register)) | (_loop?.Unit.Boxed ?? 0);

    // The operations. A boxed value's upper half stays what it is in the first operand, so results are boxed like it.

    private static byte Prefix(bool wide) => wide ? DoublePrefix : SinglePrefix;

    private static Mem Upper(int register) => FloatSlot(register) with { Offset = FloatSlot(register).Offset + 4 };

    private void Box(byte xmm) => _code.Sse(0, Or, xmm, Field(nameof(HartState.Box)));

    /// <summary>All 64 bits of a guest register.</summary>
    private void LoadFloat(byte to, int register)
    {
        if (_map.Float(register) is { } mapped)
        {
            _code.Sse(0, MoveAll, to, mapped);
        }
        else
        {
            _code.Sse(DoublePrefix, MoveLoad, to, FloatSlot(register));
        }
    }

    /// <summary>An instruction whose second operand is a guest register.</summary>
    private void WithFloat(byte prefix, byte opcode, byte to, int register, bool wide = false)
    {
        if (_map.Float(register) is { } mapped)
        {
            _code.Sse(prefix, opcode, to, mapped, wide);
        }
        else
        {
            _code.Sse(prefix, opcode, to, FloatSlot(register), wide);
        }
    }

    /// <summary>Puts a result, boxed when it is narrow, where the guest register lives.</summary>
    private void StoreFloat(Op* op, bool wide, byte from = Xmm0)
    {
        if (_map.Float(op->Rd) is not { } mapped)
        {
            _code.Sse(DoublePrefix, MoveStore, from, FloatSlot(op->Rd));
        }
        else if (mapped != from)
        {
            _code.Sse(0, MoveAll, mapped, from);
        }

        SetBoxed(op->Rd, !wide);
    }

    private void StoreFloatBits(Op* op, bool wide, Reg bits)
    {
        if (_map.Float(op->Rd) is { } mapped)
        {
            _code.Sse(0x66, FromBits, mapped, (byte)bits, wide: true);
        }
        else
        {
            _code.Mov(FloatSlot(op->Rd), bits);
        }

        SetBoxed(op->Rd, !wide);
    }

    private void Arithmetic(Op* op, int index, byte opcode, bool wide)
    {
        RequireNearest(op, index);
        int first = RequireBoxed(wide, op->Rs1, op->Rs2);
        byte result = Xmm0;
        if (_map.Float(op->Rs1) is { } one && _map.Float(op->Rs2) is { } two)
        {
            result = ResultFloat(op);
            _code.Avx(Prefix(wide), opcode, result, one, two);
        }
        else
        {
            LoadFloat(Xmm0, op->Rs1);
            WithFloat(Prefix(wide), opcode, Xmm0, op->Rs2);
        }

        FinishFloat(op, index, first, wide, LateKind.CanonicalNaN, result);
    }

    private void SquareRoot(Op* op, int index, bool wide)
    {
        RequireNearest(op, index);
        int first = RequireBoxed(wide, op->Rs1);
        LoadFloat(Xmm0, op->Rs1);
        _code.Sse(Prefix(wide), Sqrt, Xmm0, Xmm0);
        FinishFloat(op, index, first, wide, LateKind.CanonicalNaN);
    }

    private void MultiplyAdd(Op* op, int index, byte opcode, bool wide)
    {
        RequireNearest(op, index);
        byte addend = (byte)(op->Immediate >> 3);
        int first = RequireBoxed(wide, op->Rs1, op->Rs2, addend);
        byte result = op->Rd == op->Rs1 || op->Rd == op->Rs2 || op->Rd == addend ? Xmm0 : ResultFloat(op);
        LoadFloat(result, addend);
        _code.Fma(opcode, result, InFloat(op->Rs1, Xmm1), InFloat(op->Rs2, Xmm2), wide);

        // Infinity times zero plus a quiet NaN is invalid on RISC-V only: then the operands are needed once more.
        FinishFloat(op, index, first, wide, LateKind.Interpret, result);
    }

    /// <summary>A host register with the value: the guest register's own, or the scratch register.</summary>
    private byte InFloat(int register, byte scratch)
    {
        if (_map.Float(register) is { } mapped)
        {
            return mapped;
        }

        LoadFloat(scratch, register);
        return scratch;
    }

    private void ConvertFormat(Op* op, int index, bool wide)
    {
        RequireNearest(op, index);
        int first = RequireBoxed(!wide, op->Rs1); // the source has the other format
        BoxNothing();
        WithFloat(Prefix(!wide), Convert, Xmm0, op->Rs1);
        FinishFloat(op, index, first, wide, LateKind.CanonicalNaN);
    }

    private void ConvertInteger(Op* op, int index, bool fromLong, bool wide)
    {
        RequireNearest(op, index);
        BoxNothing();
        Read(Rax, op->Rs1);
        _code.Sse(Prefix(wide), FromInteger, Xmm0, (byte)Rax, wide: fromLong);
        StoreFloat(op, wide);
        SetDirty();
    }

    /// <summary>What is then put into the lower half of xmm0 alone is boxed.</summary>
    private void BoxNothing() => _code.Sse(DoublePrefix, MoveLoad, Xmm0, Field(nameof(HartState.Box)));

    /// <summary>The host register to compute a result in: the guest register's own, or the scratch register.</summary>
    private readonly byte ResultFloat(Op* op) => _map.Float(op->Rd) ?? Xmm0;

    private void FinishFloat(Op* op, int index, int first, bool wide, LateKind nan, byte result = Xmm0)
    {
        _code.Sse(wide ? (byte)0x66 : (byte)0, CompareQuiet, result, result);
        AddLate(nan, _code.Jcc(Cond.Parity), null, null, 0);
        StoreFloat(op, wide, result);
        ComeBackHere(first, op, index);
        SetDirty();
    }

    private void SetCanonicalNaN(Op* op)
    {
        bool wide = op->Code >= OpCode.FaddD;
        _code.Mov(Rax, wide ? 0x7ff8_0000_0000_0000 : unchecked((long)0xffff_ffff_7fc0_0000));
        StoreFloatBits(op, wide, Rax);
    }

    private void Sign(Op* op, int index, OpCode code, bool wide)
    {
        int first = RequireBoxed(wide, op->Rs1);
        if (code == OpCode.FsgnjS)
        {
            StoreFloat(op, wide, InFloat(op->Rs1, Xmm0));
        }
        else
        {
            const byte Reset = 6, Complement = 7;
            WithFloatBits(Rax, op->Rs1);
            _code.Bit(code == OpCode.FsgnjnS ? Complement : Reset, Rax, wide ? 63 : 31);
            StoreFloatBits(op, wide, Rax);
        }

        ComeBackHere(first, op, index);
        SetDirty();
    }

    private void WithFloatBits(Reg to, int register)
    {
        if (_map.Float(register) is { } mapped)
        {
            _code.Sse(0x66, ToBits, mapped, (byte)to, wide: true);
        }
        else
        {
            _code.Mov(to, FloatSlot(register));
        }
    }

    private void Compare(Op* op, int index, byte compare, Cond condition, bool wide)
    {
        // Less and less-or-equal are looked at from the other side, where the flags of an unordered result say no.
        bool equal = condition == Cond.Equal;
        (byte left, byte right) = equal ? (op->Rs1, op->Rs2) : (op->Rs2, op->Rs1);
        int first = RequireBoxed(wide, op->Rs1, op->Rs2);
        WithFloat(wide ? (byte)0x66 : (byte)0, compare, InFloat(left, Xmm0), right);
        _code.Set(condition, Rax);
        if (equal)
        {
            _code.Set(Cond.NoParity, Rcx);
            _code.Op(Alu.And, Rax, Rcx, wide: false);
        }

        if (op->Rd != Op.Sink)
        {
            Reg target = Target(op);
            _code.Extend(target, Rax, 1, signed: false);
            Define(op, target);
        }

        ComeBackHere(first, op, index);
        SetDirty(); // it may have raised a flag
    }

    private void Truncate(Op* op, int index, bool toLong, bool wide)
    {
        int first = RequireBoxed(wide, op->Rs1);
        WithFloat(Prefix(wide), ToIntegerTruncated, (byte)Rax, op->Rs1, wide: toLong);

        // What does not fit, and the least integer, which looks the same, are the interpreter's.
        if (toLong)
        {
            _code.Mov(Rcx, long.MinValue);
            _code.Op(Alu.Cmp, Rax, Rcx);
        }
        else
        {
            _code.Op(Alu.Cmp, Rax, int.MinValue, wide: false);
        }

        AddLate(LateKind.Interpret, _code.Jcc(Cond.Equal), null, null, 0);
        if (op->Rd != Op.Sink)
        {
            if (toLong)
            {
                Define(op, Rax);
            }
            else
            {
                DefineWord(op, Rax);
            }
        }

        ComeBackHere(first, op, index);
        SetDirty();
    }

    private void MoveToInteger(Op* op, bool wide)
    {
        if (op->Rd == Op.Sink)
        {
            return;
        }

        Reg target = Target(op);
        if (_map.Float(op->Rs1) is null)
        {
            _code.Load(target, FloatSlot(op->Rs1), wide ? 8 : 4, signed: true);
        }
        else
        {
            WithFloatBits(target, op->Rs1);
            if (!wide)
            {
                _code.Extend(target, target, 4, signed: true);
            }
        }

        Define(op, target);
    }

    private void MoveFromInteger(Op* op, bool wide)
    {
        Reg source = Use(op->Rs1, Rax);
        if (wide)
        {
            StoreFloatBits(op, wide, source);
        }
        else
        {
            _code.Sse(0x66, FromBits, Xmm0, (byte)source);
            Box(Xmm0);
            StoreFloat(op, wide);
        }

        SetDirty();
    }
}
