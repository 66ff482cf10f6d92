using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.Interpreter;
using static PsVm.Riscv.Translation.Reg;

namespace PsVm.Riscv.Translation;

/// <summary>The code that all translated blocks share: the way in, the ways out, and calls of what is written in C#.</summary>
internal sealed unsafe class Stubs
{
    private static readonly Reg[] CalleeSaved = [Rbx, Rbp, R12, R13, R14, R15];
    private static readonly int[] MappedRegisters = [.. Enumerable.Range(1, 31).Where(r => BlockTranslator.Mapped(r) is not null)];

    private readonly CodeMemory _memory;

    public Stubs(CodeMemory memory)
    {
        _memory = memory;
        Enter = (delegate* unmanaged<HartState*, byte*, ulong, void>)memory.Executable(Emit((ref X64Assembler code) =>
        {
            foreach (Reg register in CalleeSaved)
            {
                code.Push(register);
            }

            code.Op(Alu.Sub, Rsp, 8);
            code.Lea(Rbp, new Mem(Rdi, BlockTranslator.StateBias));
            code.Mov(Rax, Rsi);
            code.Mov(R15, Rdx);
            code.Mov(R14, BlockTranslator.Field(nameof(HartState.DataTlb)));
            ClearHostFlags(ref code);
            Fill(ref code);
            code.JmpReg(Rax);
        }));
        byte* leave = Emit((ref X64Assembler code) =>
        {
            Spill(ref code);
            KeepHostFlags(ref code);
            code.Op(Alu.Add, Rsp, 8);
            foreach (Reg register in CalleeSaved.Reverse())
            {
                code.Pop(register);
            }

            code.Ret();
        });
        LeaveToChain = Emit((ref X64Assembler code) =>
        {
            code.Mov(BlockTranslator.Field(nameof(HartState.ChainFrom)), Rcx);
            code.Mov(BlockTranslator.Field(nameof(HartState.Pc)), Rax);
            code.Jmp(leave);
        });
        LeaveAtRax = Emit((ref X64Assembler code) =>
        {
            code.Mov(BlockTranslator.Field(nameof(HartState.Pc)), Rax);
            code.Jmp(leave);
        });
        LeaveMidBlock = Emit((ref X64Assembler code) =>
        {
            code.Mov(BlockTranslator.Field(nameof(HartState.CodeExit)), (int)CodeExit.MidBlock);
            code.Mov(BlockTranslator.Field(nameof(HartState.NextOp)), Rcx);
            code.Jmp(LeaveAtRax);
        });
        NotTranslated = memory.Executable(LeaveAtRax);
        Fault = Emit((ref X64Assembler code) =>
        {
            code.Op(Alu.Add, BlockTranslator.Field(nameof(HartState.Retired)), Rcx);
            code.Mov(BlockTranslator.Field(nameof(HartState.Pc)), Rax);
            code.Mov(BlockTranslator.Field(nameof(HartState.CodeExit)), (int)CodeExit.Fault);
            code.Jmp(leave);
        });
        Lookup = Emit((ref X64Assembler code) =>
        {
            EmitLookup(ref code);
            code.Jmp(LeaveAtRax);
        });
        delegate* unmanaged<HartState*, ulong, int, byte> load = &LoadSlowly;
        delegate* unmanaged<HartState*, ulong, int, ulong, byte> store = &StoreSlowly;
        delegate* unmanaged<HartState*, Op*, byte> interpret = &InterpretOne;
        SlowLoad = EmitCall((nint)load, (ref X64Assembler code) =>
        {
            code.Mov(Rsi, Rax);
            code.Mov(Rdx, Rcx);
        });
        SlowStore = EmitCall((nint)store, (ref X64Assembler code) =>
        {
            code.Mov(Rsi, Rax);
            code.Mov(Rax, Rcx);
            code.Mov(Rcx, Rdx);
            code.Mov(Rdx, Rax);
        });
        Interpret = EmitCall((nint)interpret, (ref X64Assembler code) => code.Mov(Rsi, Rcx));
    }

    private delegate void Body(ref X64Assembler code);

    /// <summary>Runs translated code: state, code, virtual address of its page.</summary>
    public delegate* unmanaged<HartState*, byte*, ulong, void> Enter { get; }

    /// <summary>Goes back to the run loop; pc is in rax. Its address as others jump to it (executable).</summary>
    public byte* NotTranslated { get; }

    // Where blocks jump to; addresses in the writable mapping, as all code is bound.
    public byte* LeaveAtRax { get; }

    public byte* LeaveMidBlock { get; }

    public byte* LeaveToChain { get; }

    public byte* Lookup { get; }

    public byte* Fault { get; }

    public byte* SlowLoad { get; }

    public byte* SlowStore { get; }

    public byte* Interpret { get; }

    public byte* Executable(byte* written) => _memory.Executable(written);

    /// <summary>Jumps to the block at the address in rax when the jump table knows it; else falls through.</summary>
    public static void EmitLookup(ref X64Assembler code)
    {
        const int EntryShift = 5;
        code.Mov(Rcx, Rax, wide: false);
        code.ShiftBy(Shift.Shl, Rcx, EntryShift - 1, wide: false);
        code.Op(Alu.And, Rcx, (int)BlockCache.JumpMask << EntryShift, wide: false);
        code.Op(Alu.Add, Rcx, BlockTranslator.Field(nameof(HartState.Jumps)));
        code.Op(Alu.Cmp, Rax, new Mem(Rcx, (int)Marshal.OffsetOf<JumpEntry>(nameof(JumpEntry.Address))));
        byte* miss = code.Jcc(Cond.NotEqual);
        code.Mov(R15, Rax);
        code.Op(Alu.And, R15, -(int)PhysicalMemory.PageSize);
        code.JmpMem(new Mem(Rcx, (int)Marshal.OffsetOf<JumpEntry>(nameof(JumpEntry.Code))));
        code.BindHere(miss);
    }

    /// <summary>From here on MXCSR collects the exceptions of guest instructions; it rounds to nearest even and traps nothing.</summary>
    private static void ClearHostFlags(ref X64Assembler code)
    {
        const int AllMasked = 0x1f80;
        code.Mov32(BlockTranslator.Field(nameof(HartState.Mxcsr)), AllMasked);
        code.Mxcsr(2, BlockTranslator.Field(nameof(HartState.Mxcsr)));
    }

    /// <summary>Adds what MXCSR collected to the state's host flags, before C# code raises its own. Uses rcx.</summary>
    private static void KeepHostFlags(ref X64Assembler code)
    {
        code.Mxcsr(3, BlockTranslator.Field(nameof(HartState.Mxcsr)));
        code.Mov(Rcx, BlockTranslator.Field(nameof(HartState.Mxcsr)), wide: false);
        code.Op(Alu.Or, BlockTranslator.Field(nameof(HartState.HostFlags)), Rcx, wide: false);
    }

    private static void Spill(ref X64Assembler code)
    {
        foreach (int register in MappedRegisters)
        {
            code.Mov(BlockTranslator.Slot(register), BlockTranslator.Mapped(register)!.Value);
        }
    }

    private static void Fill(ref X64Assembler code)
    {
        foreach (int register in MappedRegisters)
        {
            code.Mov(BlockTranslator.Mapped(register)!.Value, BlockTranslator.Slot(register));
        }
    }

    private byte* Emit(Body body)
    {
        byte* start = _memory.Next;
        var code = new X64Assembler(start);
        body(ref code);
        _memory.Keep((nuint)(code.At - start));
        return start;
    }

    /// <summary>Calls a C# method; all guest registers are in the state while it runs.</summary>
    private byte* EmitCall(nint method, Body arguments) => Emit((ref X64Assembler code) =>
    {
        Spill(ref code);
        arguments(ref code);
        code.Op(Alu.Sub, Rsp, 24);
        code.Mov(new Mem(Rsp, 0), Rcx);
        KeepHostFlags(ref code);
        code.Mov(Rcx, new Mem(Rsp, 0));
        code.Lea(Rdi, new Mem(Rbp, -BlockTranslator.StateBias));
        code.Mov(Rax, method);
        code.CallReg(Rax);
        code.Op(Alu.Add, Rsp, 24);
        code.Extend(Rax, Rax, 1, signed: false);
        ClearHostFlags(ref code);
        Fill(ref code);
        code.Ret();
    });

    private static Hart HartOf(HartState* state) => Unsafe.As<Hart>(GCHandle.FromIntPtr(state->Hart).Target!);

    [UnmanagedCallersOnly]
    private static byte LoadSlowly(HartState* state, ulong address, int size)
    {
        Hart hart = HartOf(state);
        try
        {
            return hart.Mmu.Load(address, size) ? (byte)1 : (byte)0;
        }
        catch (Exception failure)
        {
            return Failed(hart, failure);
        }
    }

    [UnmanagedCallersOnly]
    private static byte StoreSlowly(HartState* state, ulong address, int size, ulong value)
    {
        Hart hart = HartOf(state);
        try
        {
            return hart.Mmu.Store(address, value, size) ? (byte)1 : (byte)0;
        }
        catch (Exception failure)
        {
            return Failed(hart, failure);
        }
    }

    [UnmanagedCallersOnly]
    private static byte InterpretOne(HartState* state, Op* op)
    {
        Hart hart = HartOf(state);
        try
        {
            return BlockInterpreter.ExecuteOne(hart, op) ? (byte)1 : (byte)0;
        }
        catch (Exception failure)
        {
            return Failed(hart, failure);
        }
    }

    /// <summary>An exception cannot pass through translated code: the hart throws it on the other side.</summary>
    private static byte Failed(Hart hart, Exception failure)
    {
        hart.Failure = failure;
        return 0;
    }
}
