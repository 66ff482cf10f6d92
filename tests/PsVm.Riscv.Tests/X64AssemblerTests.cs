using Iced.Intel;
using PsVm.Riscv.Translation.X64;

namespace PsVm.Riscv.Tests;

/// <summary>What the encoder writes, as an independent disassembler reads it.</summary>
public unsafe class X64AssemblerTests
{
    private static readonly Reg[] Registers = Enum.GetValues<Reg>();

    private delegate void Emit(ref X64Assembler code);

    [Fact]
    public void RegisterForms() => ForPairs(CheckRegisterForms);

    [Fact]
    public void MemoryForms() => ForPairs(CheckMemoryForms);

    [Fact]
    public void OneRegisterForms()
    {
        foreach (Reg register in Registers)
        {
            string name = Name(register);
            Check($"add {name},5", (ref X64Assembler code) => code.Op(Alu.Add, register, 5));
            Check($"and {name},0FFFFFFFFFFFFF000h", (ref X64Assembler code) => code.Op(Alu.And, register, -4096));
            Check($"xor {Name(register, 4)},{Name(register, 4)}", (ref X64Assembler code) => code.Mov(register, 0));
            Check($"mov {Name(register, 4)},80000000h", (ref X64Assembler code) => code.Mov(register, 0x8000_0000));
            Check($"mov {name},0FFFFFFFFFFFFFFFFh", (ref X64Assembler code) => code.Mov(register, -1));
            Check($"mov {name},123456789ABCDEFh", (ref X64Assembler code) => code.Mov(register, 0x0123_4567_89ab_cdef));
            Check($"sar {name},17h", (ref X64Assembler code) => code.ShiftBy(Shift.Sar, register, 23));
            Check($"rol {Name(register, 4)},cl", (ref X64Assembler code) => code.ShiftByCl(Shift.Rol, register, wide: false));
            Check($"idiv {name}", (ref X64Assembler code) => code.Do(Unary.Idiv, register));
            Check($"neg {Name(register, 4)}", (ref X64Assembler code) => code.Do(Unary.Neg, register, wide: false));
            Check($"setb {Name(register, 1)}", (ref X64Assembler code) => code.Set(Cond.Below, register));
            Check($"bswap {name}", (ref X64Assembler code) => code.Bswap(register));
            Check($"btr {name},2Ah", (ref X64Assembler code) => code.Bit(6, register, 42));
            Check($"push {name}", (ref X64Assembler code) => code.Push(register));
            Check($"pop {name}", (ref X64Assembler code) => code.Pop(register));
            Check($"call {name}", (ref X64Assembler code) => code.CallReg(register));
            Check($"jmp {name}", (ref X64Assembler code) => code.JmpReg(register));
        }

        Check("cqo", (ref X64Assembler code) => code.Cqo(true));
        Check("cdq", (ref X64Assembler code) => code.Cqo(false));
        Check("mfence", (ref X64Assembler code) => code.Mfence());
        Check("ret", (ref X64Assembler code) => code.Ret());
        Check("nop [rax+rax]", (ref X64Assembler code) => code.PatchableNop());
    }

    [Fact]
    public void FloatingPointForms()
    {
        var slot = new Mem(Reg.Rbp, 0x150);
        Check("movsd xmm0,[rbp+150h]", (ref X64Assembler code) => code.Sse(0xf2, 0x10, 0, slot));
        Check("movss [rbp+150h],xmm1", (ref X64Assembler code) => code.Sse(0xf3, 0x11, 1, slot));
        Check("addsd xmm0,[rbp+150h]", (ref X64Assembler code) => code.Sse(0xf2, 0x58, 0, slot));
        Check("sqrtss xmm0,[rbp+150h]", (ref X64Assembler code) => code.Sse(0xf3, 0x51, 0, slot));
        Check("cvtsd2ss xmm0,[rbp+150h]", (ref X64Assembler code) => code.Sse(0xf2, 0x5a, 0, slot));
        Check("cvttsd2si rax,[rbp+150h]", (ref X64Assembler code) => code.Sse(0xf2, 0x2c, 0, slot, wide: true));
        Check("cvtsi2sd xmm0,rax", (ref X64Assembler code) => code.Sse(0xf2, 0x2a, 0, 0, wide: true));
        Check("cvtsi2ss xmm0,eax", (ref X64Assembler code) => code.Sse(0xf3, 0x2a, 0, 0));
        Check("ucomisd xmm0,xmm0", (ref X64Assembler code) => code.Sse(0x66, 0x2e, 0, 0));
        Check("comiss xmm0,[rbp+150h]", (ref X64Assembler code) => code.Sse(0, 0x2f, 0, slot));
        Check("vfmadd231sd xmm0,xmm1,xmm2", (ref X64Assembler code) => code.Fma(0xb8, 0, 1, 2, wide: true));
        Check("vfmsub231ss xmm0,xmm1,xmm2", (ref X64Assembler code) => code.Fma(0xba, 0, 1, 2, wide: false));
        Check("vfnmadd231sd xmm0,xmm1,xmm2", (ref X64Assembler code) => code.Fma(0xbc, 0, 1, 2, wide: true));
        Check("vfnmsub231sd xmm0,xmm1,xmm2", (ref X64Assembler code) => code.Fma(0xbe, 0, 1, 2, wide: true));
        Check("vfmadd231sd xmm3,xmm12,xmm15", (ref X64Assembler code) => code.Fma(0xb8, 3, 12, 15, wide: true));
        Check("vfmadd231ss xmm12,xmm3,xmm0", (ref X64Assembler code) => code.Fma(0xb8, 12, 3, 0, wide: false));
        Check("vaddsd xmm9,xmm3,xmm14", (ref X64Assembler code) => code.Avx(0xf2, 0x58, 9, 3, 14));
        Check("vmulss xmm3,xmm12,xmm4", (ref X64Assembler code) => code.Avx(0xf3, 0x59, 3, 12, 4));
        Check("addsd xmm9,xmm14", (ref X64Assembler code) => code.Sse(0xf2, 0x58, 9, 14));
        Check("movsd xmm15,[rbp+150h]", (ref X64Assembler code) => code.Sse(0xf2, 0x10, 15, slot));
        Check("movaps xmm8,xmm1", (ref X64Assembler code) => code.Sse(0, 0x28, 8, 1));
        Check("orps xmm8,[rbp+150h]", (ref X64Assembler code) => code.Sse(0, 0x56, 8, slot));
        Check("movq xmm8,r9", (ref X64Assembler code) => code.Sse(0x66, 0x6e, 8, 9, wide: true));
        Check("movq r9,xmm8", (ref X64Assembler code) => code.Sse(0x66, 0x7e, 8, 9, wide: true));
        Check("movd r9d,xmm8", (ref X64Assembler code) => code.Sse(0x66, 0x7e, 8, 9));
        Check("ldmxcsr [rbp+150h]", (ref X64Assembler code) => code.Mxcsr(2, slot));
        Check("stmxcsr [rbp+150h]", (ref X64Assembler code) => code.Mxcsr(3, slot));
    }

    [Fact]
    public void AtomicForms()
    {
        var indexed = new Mem(Reg.Rax, 0, Reg.Rdx);
        Check("xchg [rax+rdx],rcx", (ref X64Assembler code) => code.Xchg(indexed, Reg.Rcx, wide: true));
        Check("lock xadd [rax+rdx],ecx", (ref X64Assembler code) => code.LockXadd(indexed, Reg.Rcx, wide: false));
        Check("lock cmpxchg [rdx],rcx", (ref X64Assembler code) => code.LockCmpxchg(new Mem(Reg.Rdx, 0), Reg.Rcx, wide: true));
    }

    [Fact]
    public void JumpsReachTheirTargets()
    {
        byte* buffer = stackalloc byte[64];
        var code = new X64Assembler(buffer);
        byte* forward = code.Jcc(Cond.Above);
        code.Ret();
        code.BindHere(forward);
        byte* here = code.At;
        code.Jmp(here);
        var decoder = Decoder.Create(64, new ByteArrayCodeReader(new ReadOnlySpan<byte>(buffer, 64).ToArray()), 0);
        Assert.Equal((ulong)(here - buffer), decoder.Decode().NearBranchTarget);
        decoder.Decode();
        Assert.Equal((ulong)(here - buffer), decoder.Decode().NearBranchTarget);
    }

    private static void ForPairs(Action<Reg, Reg> check)
    {
        foreach (Reg a in Registers)
        {
            foreach (Reg b in Registers)
            {
                check(a, b);
            }
        }
    }

    private static void CheckRegisterForms(Reg a, Reg b)
    {
        string x = Name(a), y = Name(b), x32 = Name(a, 4), y32 = Name(b, 4);
        foreach (Alu alu in Enum.GetValues<Alu>())
        {
            string name = alu.ToString().ToLowerInvariant();
            Check($"{name} {x},{y}", (ref X64Assembler code) => code.Op(alu, a, b));
            Check($"{name} {x32},{y32}", (ref X64Assembler code) => code.Op(alu, a, b, wide: false));
        }

        Check($"rorx {x},{y},7", (ref X64Assembler code) => code.Rorx(a, b, 7));
        Check($"rorx {x32},{y32},7", (ref X64Assembler code) => code.Rorx(a, b, 7, wide: false));
        Check($"shlx {x},{y},{x}", (ref X64Assembler code) => code.ShiftBy(Shift.Shl, a, b, a));
        Check($"shrx {x32},{x32},{y32}", (ref X64Assembler code) => code.ShiftBy(Shift.Shr, a, a, b, wide: false));
        Check($"sarx {x},{y},{y}", (ref X64Assembler code) => code.ShiftBy(Shift.Sar, a, b, b));
        if (a != b)
        {
            Check($"mov {x},{y}", (ref X64Assembler code) => code.Mov(a, b));
        }

        Check($"mov {x32},{y32}", (ref X64Assembler code) => code.Mov(a, b, wide: false));
        Check($"imul {x},{y}", (ref X64Assembler code) => code.Imul(a, b));
        Check($"test {x},{y}", (ref X64Assembler code) => code.Test(a, b));
        Check($"movsxd {x},{y32}", (ref X64Assembler code) => code.Extend(a, b, 4, signed: true));
        Check($"movsx {x},{Name(b, 2)}", (ref X64Assembler code) => code.Extend(a, b, 2, signed: true));
        Check($"movsx {x},{Name(b, 1)}", (ref X64Assembler code) => code.Extend(a, b, 1, signed: true));
        Check($"movzx {x32},{Name(b, 2)}", (ref X64Assembler code) => code.Extend(a, b, 2, signed: false));
        Check($"movzx {x32},{Name(b, 1)}", (ref X64Assembler code) => code.Extend(a, b, 1, signed: false));
        Check($"cmovl {x},{y}", (ref X64Assembler code) => code.Cmov(Cond.Less, a, b));
        Check($"lzcnt {x},{y}", (ref X64Assembler code) => code.Count(0xbd, a, b, wide: true));
        Check($"tzcnt {x32},{y32}", (ref X64Assembler code) => code.Count(0xbc, a, b, wide: false));
        Check($"popcnt {x},{y}", (ref X64Assembler code) => code.Count(0xb8, a, b, wide: true));
        Check($"bts {x},{y}", (ref X64Assembler code) => code.Bit(5, a, b));
        Check($"btc {x},{y}", (ref X64Assembler code) => code.Bit(7, a, b));
    }

    private static void CheckMemoryForms(Reg register, Reg @base)
    {
        foreach ((int offset, string text) in new[] { (0, ""), (8, "+8"), (-128, "-80h"), (0x12345, "+12345h") })
        {
            string memory = $"[{Name(@base)}{text}]";
            Check($"mov {Name(register)},{memory}", (ref X64Assembler code) => code.Mov(register, new Mem(@base, offset)));
            Check($"mov {memory},{Name(register)}", (ref X64Assembler code) => code.Mov(new Mem(@base, offset), register));
            Check($"mov {memory},{Name(register, 4)}", (ref X64Assembler code) => code.Mov(new Mem(@base, offset), register, 4));
            Check($"mov {memory},{Name(register, 2)}", (ref X64Assembler code) => code.Mov(new Mem(@base, offset), register, 2));
            Check($"mov {memory},{Name(register, 1)}", (ref X64Assembler code) => code.Mov(new Mem(@base, offset), register, 1));
            Check($"lea {Name(register)},{memory}", (ref X64Assembler code) => code.Lea(register, new Mem(@base, offset)));
            Check($"add {Name(register)},{memory}", (ref X64Assembler code) => code.Op(Alu.Add, register, new Mem(@base, offset)));
            Check($"sub {memory},{Name(register)}", (ref X64Assembler code) => code.Op(Alu.Sub, new Mem(@base, offset), register));
            Check(
                $"movsx {Name(register)},byte ptr {memory}",
                (ref X64Assembler code) => code.Load(register, new Mem(@base, offset), 1, true));
            Check(
                $"movzx {Name(register, 4)},word ptr {memory}",
                (ref X64Assembler code) => code.Load(register, new Mem(@base, offset), 2, false));
            Check($"movsxd {Name(register)},{memory}", (ref X64Assembler code) => code.Load(register, new Mem(@base, offset), 4, true));
            Check($"cmp qword ptr {memory},7", (ref X64Assembler code) => code.Op(Alu.Cmp, new Mem(@base, offset), 7));
            Check($"mov qword ptr {memory},0FFFFFFFFFFFFFFFEh", (ref X64Assembler code) => code.Mov(new Mem(@base, offset), -2));
            Check($"bts {memory},{Name(register, 4)}", (ref X64Assembler code) => code.SetBit(new Mem(@base, offset), register));
            Check($"adc qword ptr {memory},0", (ref X64Assembler code) => code.AddCarry(new Mem(@base, offset)));
            if (@base != Reg.Rsp && register != Reg.Rsp)
            {
                string indexed = $"[{Name(@base)}+{Name(register)}*4{text}]";
                Check($"lea rax,{indexed}", (ref X64Assembler code) => code.Lea(Reg.Rax, new Mem(@base, offset, register, 2)));
            }
        }
    }

    private static string Name(Reg register, int size = 8)
    {
        string[] names = size switch
        {
            1 => ["al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil"],
            2 => ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"],
            4 => ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"],
            _ => ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"],
        };
        string suffix = size switch { 1 => "b", 2 => "w", 4 => "d", _ => "" };
        return register < Reg.R8 ? names[(int)register] : $"r{(int)register}{suffix}";
    }

    private static void Check(string expected, Emit emit)
    {
        byte* buffer = stackalloc byte[32];
        var code = new X64Assembler(buffer);
        emit(ref code);
        int length = (int)(code.At - buffer);
        var decoder = Decoder.Create(64, new ByteArrayCodeReader(new ReadOnlySpan<byte>(buffer, length).ToArray()));
        decoder.Decode(out Instruction instruction);
        var text = new StringOutput();
        new IntelFormatter(new FormatterOptions { HexSuffix = "h", HexPrefix = "" }).Format(instruction, text);
        Assert.Equal((expected, length), (text.ToString(), instruction.Length));
    }
}
