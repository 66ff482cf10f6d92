using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace PsVm.Riscv.Translation.X64;

/// <summary>Host registers, as encoded.</summary>
internal enum Reg : byte
{
    Rax, Rcx, Rdx, Rbx, Rsp, Rbp, Rsi, Rdi, R8, R9, R10, R11, R12, R13, R14, R15,
}

/// <summary>Two-operand arithmetic, by the number that its opcodes share.</summary>
internal enum Alu : byte
{
    Add = 0, Or = 1, And = 4, Sub = 5, Xor = 6, Cmp = 7,
}

/// <summary>Shifts and rotations, by the number in the opcode's register field.</summary>
internal enum Shift : byte
{
    Rol = 0, Ror = 1, Shl = 4, Shr = 5, Sar = 7,
}

/// <summary>One-operand arithmetic on rdx:rax, and negation, by the number in the opcode's register field.</summary>
internal enum Unary : byte
{
    Not = 2, Neg = 3, Mul = 4, Imul = 5, Div = 6, Idiv = 7,
}

/// <summary>Conditions, as encoded.</summary>
internal enum Cond : byte
{
    Below = 2, AboveOrEqual = 3, Equal = 4, NotEqual = 5, BelowOrEqual = 6, Above = 7, Sign = 8, NotSign = 9, Parity = 10, NoParity = 11,
    Less = 12, GreaterOrEqual = 13, LessOrEqual = 14, Greater = 15,
}

/// <summary>A memory operand: base, index times a scale, and an offset.</summary>
internal readonly record struct Mem(Reg Base, int Offset, Reg? Index = null, byte ScaleLog2 = 0)
{
    /// <summary>The operand so many bytes behind it.</summary>
    public Mem Plus(int bytes) => this with { Offset = Offset + bytes };
}

/// <summary>Encodes the x86-64 instructions that translated code is made of (AMD64 manual, volume 3).</summary>
/// <param name="buffer">Where to write; the caller sees to the room.</param>
internal unsafe struct X64Assembler(byte* buffer)
{
    private byte* _at = buffer;

    /// <summary>Where the next byte goes.</summary>
    public readonly byte* At => _at;

    public void Op(Alu op, Reg to, Reg from, bool wide = true) => Encode(wide, (byte)((byte)op * 8 + 3), to, from);

    public void Op(Alu op, Reg to, Mem from, bool wide = true) => Encode(wide, (byte)((byte)op * 8 + 3), (byte)to, from);

    public void Op(Alu op, Mem to, Reg from, bool wide = true) => Encode(wide, (byte)((byte)op * 8 + 1), (byte)from, to);

    public void Op(Alu op, Reg to, int value, bool wide = true)
    {
        bool small = value == (sbyte)value;
        Encode(wide, small ? (byte)0x83 : (byte)0x81, (Reg)op, to);
        Number(value, small);
    }

    public void Op(Alu op, Mem to, int value, bool wide = true)
    {
        bool small = value == (sbyte)value;
        Encode(wide, small ? (byte)0x83 : (byte)0x81, (byte)op, to);
        Number(value, small);
    }

    public void Mov(Reg to, Reg from, bool wide = true)
    {
        if (to != from || !wide)
        {
            Encode(wide, 0x8b, to, from);
        }
    }

    public void Mov(Reg to, Mem from, bool wide = true) => Encode(wide, 0x8b, (byte)to, from);

    public void Mov(Mem to, Reg from, int size = 8)
    {
        if (size == 2)
        {
            Byte(0x66);
        }

        Encode(size == 8, size == 1 ? (byte)0x88 : (byte)0x89, (byte)from, to, byteRegister: size == 1);
    }

    /// <summary>Stores a sign-extended number in 8 bytes.</summary>
    public void Mov(Mem to, int value)
    {
        Encode(true, 0xc7, 0, to);
        Int(value);
    }

    public void Mov32(Mem to, int value)
    {
        Encode(false, 0xc7, 0, to);
        Int(value);
    }

    public void Mov(Reg to, long value)
    {
        if (value == 0)
        {
            Op(Alu.Xor, to, to, wide: false);
        }
        else if (value == (uint)value)
        {
            Rex(false, 0, 0, (byte)to);
            Byte((byte)(0xb8 | ((byte)to & 7)));
            Int((int)value);
        }
        else if (value == (int)value)
        {
            Encode(true, 0xc7, 0, to);
            Int((int)value);
        }
        else
        {
            Rex(true, 0, 0, (byte)to);
            Byte((byte)(0xb8 | ((byte)to & 7)));
            Unsafe.WriteUnaligned(_at, value);
            _at += 8;
        }
    }

    /// <summary>Loads 1, 2, 4 or 8 bytes and extends them to 64 bits.</summary>
    public void Load(Reg to, Mem from, int size, bool signed)
    {
        switch (size, signed)
        {
            case (1, true): Encode2(true, 0xbe, (byte)to, from); break;
            case (2, true): Encode2(true, 0xbf, (byte)to, from); break;
            case (4, true): Encode(true, 0x63, (byte)to, from); break;
            case (1, false): Encode2(false, 0xb6, (byte)to, from); break;
            case (2, false): Encode2(false, 0xb7, (byte)to, from); break;
            default: Encode(size == 8, 0x8b, (byte)to, from); break;
        }
    }

    /// <summary>Extends the low 1, 2 or 4 bytes of a register to 64 bits.</summary>
    public void Extend(Reg to, Reg from, int size, bool signed)
    {
        switch (size, signed)
        {
            case (1, true): Encode2(true, 0xbe, to, from, byteRegister: true); break;
            case (2, true): Encode2(true, 0xbf, to, from); break;
            case (4, true): Encode(true, 0x63, to, from); break;
            case (1, false): Encode2(false, 0xb6, to, from, byteRegister: true); break;
            case (2, false): Encode2(false, 0xb7, to, from); break;
            default: Mov(to, from, wide: false); break;
        }
    }

    public void Lea(Reg to, Mem from, bool wide = true) => Encode(wide, 0x8d, (byte)to, from);

    public void ShiftBy(Shift op, Reg to, int count, bool wide = true)
    {
        Encode(wide, 0xc1, (Reg)op, to);
        Byte((byte)count);
    }

    /// <summary>Rotates another register right, without flags.</summary>
    public void Rorx(Reg to, Reg from, int count, bool wide = true)
    {
        Vex(3, 3, wide, (byte)to, 0, (byte)from);
        Byte(0xf0);
        Byte((byte)(0xc0 | ((byte)to & 7) << 3 | ((byte)from & 7)));
        Byte((byte)count);
    }

    /// <summary>Shifts another register by a count in any register, without flags.</summary>
    public void ShiftBy(Shift op, Reg to, Reg from, Reg count, bool wide = true)
    {
        byte prefix = op switch { Shift.Shl => 1, Shift.Sar => 2, _ => 3 };
        Vex(2, prefix, wide, (byte)to, (byte)count, (byte)from);
        Byte(0xf7);
        Byte((byte)(0xc0 | ((byte)to & 7) << 3 | ((byte)from & 7)));
    }

    /// <summary>Shifts by cl.</summary>
    public void ShiftByCl(Shift op, Reg to, bool wide = true) => Encode(wide, 0xd3, (Reg)op, to);

    public void Do(Unary op, Reg on, bool wide = true) => Encode(wide, 0xf7, (Reg)op, on);

    public void Imul(Reg to, Reg from, bool wide = true) => Encode2(wide, 0xaf, to, from);

    public void Test(Reg a, Reg b, bool wide = true) => Encode(wide, 0x85, b, a);

    /// <summary>1 or 0 in the low byte.</summary>
    public void Set(Cond condition, Reg to)
    {
        Rex(false, 0, 0, (byte)to, force: to >= Reg.Rsp);
        Byte(0x0f);
        Byte((byte)(0x90 | (byte)condition));
        Byte((byte)(0xc0 | ((byte)to & 7)));
    }

    public void Cmov(Cond condition, Reg to, Reg from) => Encode2(true, (byte)(0x40 | (byte)condition), to, from);

    /// <summary>lzcnt, tzcnt, popcnt.</summary>
    public void Count(byte opcode, Reg to, Reg from, bool wide)
    {
        Byte(0xf3);
        Encode2(wide, opcode, to, from);
    }

    public void Bswap(Reg on)
    {
        Rex(true, 0, 0, (byte)on);
        Byte(0x0f);
        Byte((byte)(0xc8 | ((byte)on & 7)));
    }

    /// <summary>bt (4), bts (5), btr (6), btc (7) with a number.</summary>
    public void Bit(byte op, Reg on, int bit)
    {
        Encode2(true, 0xba, (Reg)op, on);
        Byte((byte)bit);
    }

    /// <summary>bt (4), bts (5), btr (6), btc (7) with the bit in a register, modulo 64.</summary>
    public void Bit(byte op, Reg on, Reg bit) => Encode2(true, (byte)(0x83 | op << 3), bit, on);

    /// <summary>Sets a bit of what begins in memory, by its number, which is not negative.</summary>
    public void SetBit(Mem first, Reg bit) => Encode2(false, 0xab, (byte)bit, first);

    /// <summary>Adds the carry flag.</summary>
    public void AddCarry(Mem to)
    {
        Encode(true, 0x83, 2, to);
        Byte(0);
    }

    /// <summary>An SSE instruction between a register and memory: prefix (0: none), opcode after 0f, xmm register.</summary>
    public void Sse(byte prefix, byte opcode, byte xmm, Mem memory, bool wide = false)
    {
        Prefix(prefix);
        Encode2(wide, opcode, xmm, memory);
    }

    /// <summary>An SSE instruction between two registers, either of which may be an integer one.</summary>
    public void Sse(byte prefix, byte opcode, byte to, byte from, bool wide = false)
    {
        Prefix(prefix);
        Encode2(wide, opcode, (Reg)to, (Reg)from);
    }

    /// <summary>An SSE instruction on a scalar with a result of its own; all above the scalar is the first operand's.</summary>
    /// <param name="prefix">f3: single, f2: double precision.</param>
    /// <param name="opcode">As in SSE.</param>
    /// <param name="to">The result.</param>
    /// <param name="a">The first operand.</param>
    /// <param name="b">The second.</param>
    public void Avx(byte prefix, byte opcode, byte to, byte a, byte b)
    {
        Vex(1, (byte)(prefix == 0xf3 ? 2 : 3), false, to, a, b);
        Byte(opcode);
        Byte((byte)(0xc0 | (to & 7) << 3 | (b & 7)));
    }

    /// <summary>vfmadd231 (b8), vfmsub231 (ba), vfnmadd231 (bc), vfnmsub231 (be), without the scalar bit: to = ±(a * b) ± to.</summary>
    public void Fma(byte opcode, byte to, byte a, byte b, bool wide)
    {
        Vex(2, 1, wide, to, a, b);
        Byte((byte)(opcode | 1));
        Byte((byte)(0xc0 | (to & 7) << 3 | (b & 7)));
    }

    /// <summary>ldmxcsr (2), stmxcsr (3).</summary>
    public void Mxcsr(byte op, Mem memory) => Encode2(false, 0xae, op, memory);

    public void Xchg(Mem memory, Reg register, bool wide) => Encode(wide, 0x87, (byte)register, memory);

    public void LockXadd(Mem memory, Reg register, bool wide)
    {
        Byte(0xf0);
        Encode2(wide, 0xc1, (byte)register, memory);
    }

    public void LockCmpxchg(Mem memory, Reg register, bool wide)
    {
        Byte(0xf0);
        Encode2(wide, 0xb1, (byte)register, memory);
    }

    public void Push(Reg from)
    {
        Rex(false, 0, 0, (byte)from);
        Byte((byte)(0x50 | ((byte)from & 7)));
    }

    public void Pop(Reg to)
    {
        Rex(false, 0, 0, (byte)to);
        Byte((byte)(0x58 | ((byte)to & 7)));
    }

    public void Ret() => Byte(0xc3);

    public void Cqo(bool wide)
    {
        Rex(wide, 0, 0, 0);
        Byte(0x99);
    }

    /// <summary>Does nothing, in five bytes that a jump can take the place of.</summary>
    public void PatchableNop()
    {
        foreach (byte value in (ReadOnlySpan<byte>)[0x0f, 0x1f, 0x44, 0x00, 0x00])
        {
            Byte(value);
        }
    }

    public void Nop() => Byte(0x90);

    public void Pause()
    {
        Byte(0xf3);
        Byte(0x90);
    }

    public void Mfence()
    {
        Byte(0x0f);
        Byte(0xae);
        Byte(0xf0);
    }

    public void CallReg(Reg target) => Encode(false, 0xff, (Reg)2, target);

    public void JmpReg(Reg target) => Encode(false, 0xff, (Reg)4, target);

    public void JmpMem(Mem target) => Encode(false, 0xff, 4, target);

    /// <summary>A jump whose target is set with <see cref="Bind"/>; gives the place to bind.</summary>
    public byte* Jcc(Cond condition)
    {
        Byte(0x0f);
        Byte((byte)(0x80 | (byte)condition));
        Int(0);
        return _at;
    }

    /// <summary>A jump over at most 127 bytes, whose target is set with <see cref="BindShortHere"/>; gives the place to bind.</summary>
    public byte* JccShort(Cond condition)
    {
        Byte((byte)(0x70 | (byte)condition));
        Byte(0);
        return _at;
    }

    /// <summary>A jump whose target is set with <see cref="Bind"/>; gives the place to bind.</summary>
    public byte* Jmp()
    {
        Byte(0xe9);
        Int(0);
        return _at;
    }

    /// <summary>As <see cref="Jmp()"/>, with an aligned target, which can be changed while others run the code.</summary>
    public byte* PatchableJmp()
    {
        const byte Nop = 0x90;
        while (((nint)(_at + 1) & 3) != 0)
        {
            Byte(Nop);
        }

        return Jmp();
    }

    public void Jmp(byte* target) => Bind(Jmp(), target);

    public void Jcc(Cond condition, byte* target) => Bind(Jcc(condition), target);

    /// <summary>A call whose target is set with <see cref="Bind"/>; gives the place to bind.</summary>
    public byte* Call()
    {
        Byte(0xe8);
        Int(0);
        return _at;
    }

    /// <summary>A call of code in the same memory.</summary>
    public void Call(byte* target) => Bind(Call(), target);

    public readonly void BindHere(byte* jumpEnd) => Bind(jumpEnd, _at);

    /// <summary>Points a jump from <see cref="JccShort"/> to here.</summary>
    public readonly void BindShortHere(byte* jumpEnd)
    {
        Debug.Assert(_at - jumpEnd is >= 0 and <= sbyte.MaxValue, "a short jump");
        jumpEnd[-1] = (byte)(_at - jumpEnd);
    }

    /// <summary>Points the jump that ends at one place to another; both lie in the same mapping.</summary>
    public static void Bind(byte* jumpEnd, byte* target) => *(int*)(jumpEnd - 4) = (int)(target - jumpEnd);

    private void Encode(bool wide, byte opcode, Reg register, Reg rm, bool byteRegister = false)
    {
        Rex(wide, (byte)register, 0, (byte)rm, byteRegister && rm >= Reg.Rsp);
        Byte(opcode);
        Byte((byte)(0xc0 | ((byte)register & 7) << 3 | ((byte)rm & 7)));
    }

    private void Encode2(bool wide, byte opcode, Reg register, Reg rm, bool byteRegister = false)
    {
        Rex(wide, (byte)register, 0, (byte)rm, byteRegister && rm >= Reg.Rsp);
        Byte(0x0f);
        Byte(opcode);
        Byte((byte)(0xc0 | ((byte)register & 7) << 3 | ((byte)rm & 7)));
    }

    private void Encode(bool wide, byte opcode, byte register, Mem memory, bool byteRegister = false)
    {
        Rex(wide, register, (byte)(memory.Index ?? 0), (byte)memory.Base, byteRegister && register >= (byte)Reg.Rsp);
        Byte(opcode);
        Operand(register, memory);
    }

    private void Encode2(bool wide, byte opcode, byte register, Mem memory)
    {
        Rex(wide, register, (byte)(memory.Index ?? 0), (byte)memory.Base);
        Byte(0x0f);
        Byte(opcode);
        Operand(register, memory);
    }

    private void Operand(byte register, Mem memory)
    {
        int form = memory.Offset == 0 && ((byte)memory.Base & 7) != 5 ? 0 : memory.Offset == (sbyte)memory.Offset ? 1 : 2;
        bool sib = memory.Index is not null || ((byte)memory.Base & 7) == 4;
        Byte((byte)(form << 6 | (register & 7) << 3 | (sib ? 4 : (byte)memory.Base & 7)));
        if (sib)
        {
            const byte NoIndex = 4;
            int index = memory.Index is { } i ? (byte)i & 7 : NoIndex;
            Byte((byte)(memory.ScaleLog2 << 6 | index << 3 | ((byte)memory.Base & 7)));
        }

        if (form != 0)
        {
            Number(memory.Offset, form == 1);
        }
    }

    private void Rex(bool wide, byte register, byte index, byte rm, bool force = false)
    {
        int rex = (wide ? 8 : 0) | (register >> 3) << 2 | (index >> 3) << 1 | rm >> 3;
        if (rex != 0 || force)
        {
            Byte((byte)(0x40 | rex));
        }
    }

    /// <summary>The three-byte VEX prefix: map (2: 0f38, 3: 0f3a), prefix (1: 66, 2: f3, 3: f2), and the registers.</summary>
    private void Vex(byte map, byte prefix, bool wide, byte register, byte second, byte rm)
    {
        Byte(0xc4);
        Byte((byte)((~register & 8) << 4 | 0x40 | (~rm & 8) << 2 | map));
        Byte((byte)((wide ? 0x80 : 0) | (~second & 15) << 3 | prefix));
    }

    private void Prefix(byte prefix)
    {
        if (prefix != 0)
        {
            Byte(prefix);
        }
    }

    private void Number(int value, bool small)
    {
        if (small)
        {
            Byte((byte)value);
        }
        else
        {
            Int(value);
        }
    }

    private void Byte(byte value) => *_at++ = value;

    private void Int(int value)
    {
        Unsafe.WriteUnaligned(_at, value);
        _at += 4;
    }
}
