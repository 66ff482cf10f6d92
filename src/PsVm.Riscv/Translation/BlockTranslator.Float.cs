using PsVm.Riscv.Decoding;
using PsVm.Riscv.FloatingPoint;
using PsVm.Riscv.Mmu;
using static PsVm.Riscv.Translation.Reg;

namespace PsVm.Riscv.Translation;

/// <content>
/// Floating point on the host's unit. Its exceptions gather in MXCSR, which the stubs bring into the state; x86 detects tininess after
/// rounding as RISC-V does, and only the NaN it gives is another.
/// </content>
internal unsafe ref partial struct BlockTranslator
{
    private const byte Xmm0 = 0, Xmm1 = 1, Xmm2 = 2;
    private const byte MoveLoad = 0x10, MoveStore = 0x11, Sqrt = 0x51, Add = 0x58, Mul = 0x59, Sub = 0x5c, Div = 0x5e;
    private const byte Convert = 0x5a, FromInteger = 0x2a, ToIntegerTruncated = 0x2c, CompareQuiet = 0x2e, CompareSignaling = 0x2f;
    private const byte DoublePrefix = 0xf2, SinglePrefix = 0xf3, DynamicRounding = 7;
    private const int DirtyStatus = 3;

    private static Mem FloatSlot(int register) => new(Rbp, FloatOffset + (register * 8) - StateBias);

    private static int FloatOffset => (int)System.Runtime.InteropServices.Marshal.OffsetOf<HartState>(nameof(HartState.F));

    private void MoveFloat(Op* op, int index)
    {
        RequireUnit(index);
        int size = op->Code is OpCode.Flw or OpCode.Fsw ? 4 : 8;
        if (op->Code is OpCode.Fsw or OpCode.Fsd)
        {
            byte* missed = Probe(op, size, nameof(TlbEntry.Write));
            _code.Mov(Rcx, FloatSlot(op->Rs2));
            _code.Mov(new Mem(Rax, 0, Rdx), Rcx, size);
            _late.Add(new Late(LateKind.Interpret, missed, _code.At, index, 0));
            return;
        }

        byte* miss = Probe(op, size, nameof(TlbEntry.Read));
        _code.Load(Rax, new Mem(Rax, 0, Rdx), size, signed: false);
        _code.Mov(FloatSlot(op->Rd), Rax);
        if (size == 4)
        {
            Box(op->Rd);
        }

        byte* done = _code.At;
        _late.Add(new Late(LateKind.Interpret, miss, done, index, 0));
        SetDirty();
    }

    private void ComputeFloat(Op* op, int index)
    {
        RequireUnit(index);
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
            case OpCode.FcvtSW when nearest || (wide && rounding <= (uint)RoundingMode.NearestMaxMagnitude): // a word is exact in a double
                ConvertInteger(op, index, false, wide);
                break;
            case OpCode.FcvtSL when nearest: ConvertInteger(op, index, true, wide); break;
            case OpCode.FcvtWS when truncates: Truncate(op, index, false, wide); break;
            case OpCode.FcvtLS when truncates: Truncate(op, index, true, wide); break;
            case OpCode.FcvtSD when nearest: ConvertFormat(op, index, wide); break;
            case OpCode.FmvXW: MoveToInteger(op, wide); break;
            case OpCode.FmvWX: MoveFromInteger(op, wide); break;
            default: CallInterpreter(op, index); break;
        }
    }

    // What has to hold.

    private void RequireUnit(int index)
    {
        if (!_unitIsOn)
        {
            _unitIsOn = true;
            _code.Op(Alu.Cmp, Field(nameof(HartState.FloatStatus)), 0, wide: false);
            _late.Add(new Late(LateKind.Rest, _code.Jcc(Cond.Equal), null, index, 0));
        }
    }

    private void RequireNearest(Op* op, int index)
    {
        if (!_roundsToNearest && ((uint)op->Immediate & 7) == DynamicRounding)
        {
            _roundsToNearest = true;
            _code.Op(Alu.Cmp, Field(nameof(HartState.FloatRounding)), 0, wide: false);
            _late.Add(new Late(LateKind.Rest, _code.Jcc(Cond.NotEqual), null, index, 0));
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
                _code.Op(Alu.Cmp, Upper(register), -1, wide: false);
                _late.Add(new Late(LateKind.Interpret, _code.Jcc(Cond.NotEqual), null, 0, 0));
            }
        }

        return first;
    }

    /// <summary>Says where the ways that were opened since go on, now that the operation is complete.</summary>
    private readonly void ComeBackHere(int first, int index)
    {
        for (int i = first; i < _late.Count; i++)
        {
            _late[i] = new Late(_late[i].Kind, _late[i].Jump, _code.At, index, 0);
        }
    }

    // The operations.

    private static byte Prefix(bool wide) => wide ? DoublePrefix : SinglePrefix;

    private static Mem Upper(int register) => FloatSlot(register) with { Offset = FloatSlot(register).Offset + 4 };

    private void Box(int register) => _code.Mov32(Upper(register), -1);

    private void Arithmetic(Op* op, int index, byte opcode, bool wide)
    {
        RequireNearest(op, index);
        int first = RequireBoxed(wide, op->Rs1, op->Rs2);
        _code.Sse(Prefix(wide), MoveLoad, Xmm0, FloatSlot(op->Rs1));
        _code.Sse(Prefix(wide), opcode, Xmm0, FloatSlot(op->Rs2));
        FinishFloat(op, index, first, wide, LateKind.CanonicalNaN);
    }

    private void SquareRoot(Op* op, int index, bool wide)
    {
        RequireNearest(op, index);
        int first = RequireBoxed(wide, op->Rs1);
        _code.Sse(Prefix(wide), Sqrt, Xmm0, FloatSlot(op->Rs1));
        FinishFloat(op, index, first, wide, LateKind.CanonicalNaN);
    }

    private void MultiplyAdd(Op* op, int index, byte opcode, bool wide)
    {
        RequireNearest(op, index);
        byte addend = (byte)(op->Immediate >> 3);
        int first = RequireBoxed(wide, op->Rs1, op->Rs2, addend);
        _code.Sse(Prefix(wide), MoveLoad, Xmm0, FloatSlot(addend));
        _code.Sse(Prefix(wide), MoveLoad, Xmm1, FloatSlot(op->Rs1));
        _code.Sse(Prefix(wide), MoveLoad, Xmm2, FloatSlot(op->Rs2));
        _code.Fma(opcode, Xmm0, Xmm1, Xmm2, wide);

        // Infinity times zero plus a quiet NaN is invalid on RISC-V only.
        FinishFloat(op, index, first, wide, LateKind.Interpret);
    }

    private void ConvertFormat(Op* op, int index, bool wide)
    {
        RequireNearest(op, index);
        int first = RequireBoxed(!wide, op->Rs1); // the source has the other format
        _code.Sse(Prefix(!wide), Convert, Xmm0, FloatSlot(op->Rs1));
        FinishFloat(op, index, first, wide, LateKind.CanonicalNaN);
    }

    private void ConvertInteger(Op* op, int index, bool fromLong, bool wide)
    {
        RequireNearest(op, index);
        Read(Rax, op->Rs1);
        _code.Sse(Prefix(wide), FromInteger, Xmm0, (byte)Rax, wide: fromLong);
        StoreFloat(op, wide);
        SetDirty();
    }

    private void FinishFloat(Op* op, int index, int first, bool wide, LateKind nan)
    {
        _code.Sse(wide ? (byte)0x66 : (byte)0, CompareQuiet, Xmm0, Xmm0);
        _late.Add(new Late(nan, _code.Jcc(Cond.Parity), null, 0, 0));
        StoreFloat(op, wide);
        ComeBackHere(first, index);
        SetDirty();
    }

    private void StoreFloat(Op* op, bool wide)
    {
        _code.Sse(Prefix(wide), MoveStore, Xmm0, FloatSlot(op->Rd));
        if (!wide)
        {
            Box(op->Rd);
        }
    }

    private void SetCanonicalNaN(Op* op)
    {
        bool wide = op->Code >= OpCode.FaddD;
        _code.Mov(Rax, wide ? 0x7ff8_0000_0000_0000 : unchecked((long)0xffff_ffff_7fc0_0000));
        _code.Mov(FloatSlot(op->Rd), Rax);
    }

    private void Sign(Op* op, int index, OpCode code, bool wide)
    {
        int first = RequireBoxed(wide, op->Rs1);
        byte bit = (byte)(wide ? 63 : 31);
        _code.Mov(Rax, FloatSlot(op->Rs1));
        if (code != OpCode.FsgnjS)
        {
            const byte Reset = 6, Complement = 7;
            _code.Bit(code == OpCode.FsgnjnS ? Complement : Reset, Rax, bit);
        }

        _code.Mov(FloatSlot(op->Rd), Rax);
        ComeBackHere(first, index);
        SetDirty();
    }

    private void Compare(Op* op, int index, byte compare, Cond condition, bool wide)
    {
        // Less and less-or-equal are looked at from the other side, where the flags of an unordered result say no.
        bool equal = condition == Cond.Equal;
        (byte left, byte right) = equal ? (op->Rs1, op->Rs2) : (op->Rs2, op->Rs1);
        int first = RequireBoxed(wide, op->Rs1, op->Rs2);
        _code.Sse(Prefix(wide), MoveLoad, Xmm0, FloatSlot(left));
        _code.Sse(wide ? (byte)0x66 : (byte)0, compare, Xmm0, FloatSlot(right));
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

        ComeBackHere(first, index);
        SetDirty(); // it may have raised a flag
    }

    private void Truncate(Op* op, int index, bool toLong, bool wide)
    {
        int first = RequireBoxed(wide, op->Rs1);
        _code.Sse(Prefix(wide), ToIntegerTruncated, (byte)Rax, FloatSlot(op->Rs1), wide: toLong);

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

        _late.Add(new Late(LateKind.Interpret, _code.Jcc(Cond.Equal), null, 0, 0));
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

        ComeBackHere(first, index);
        SetDirty();
    }

    private void MoveToInteger(Op* op, bool wide)
    {
        if (op->Rd != Op.Sink)
        {
            Reg target = Target(op);
            _code.Load(target, FloatSlot(op->Rs1), wide ? 8 : 4, signed: true);
            Define(op, target);
        }
    }

    private void MoveFromInteger(Op* op, bool wide)
    {
        Read(Rax, op->Rs1);
        _code.Mov(FloatSlot(op->Rd), Rax);
        if (!wide)
        {
            Box(op->Rd);
        }

        SetDirty();
    }
}
