using PsVm.Riscv.Memory;
using PsVm.Riscv.Mmu;
using PsVm.Riscv.Translation.Cache;
using static PsVm.Riscv.Translation.X64.Reg;

namespace PsVm.Riscv.Translation.X64;

/// <summary>The code that all translated blocks share: the way in, the ways out, and calls of what is written in C#.</summary>
internal sealed unsafe partial class Stubs
{
    private static readonly Reg[] CalleeSaved = [Rbx, Rbp, R12, R13, R14, R15];
    private readonly CodeMemory _memory;

    /// <exception cref="InvalidOperationException">The memory has no room.</exception>
    public Stubs(CodeMemory memory)
    {
        _memory = memory;
        Enter = (delegate* unmanaged<HartState*, byte*, void>)memory.Executable(Emit((ref X64Assembler code) =>
        {
            foreach (Reg register in CalleeSaved)
            {
                code.Push(register);
            }

            code.Op(Alu.Sub, Rsp, 8);
            code.Lea(Rbp, new Mem(Rdi, BlockTranslator.StateBias));
            code.Mov(Rax, Rsi);
            code.Mov(R14, BlockTranslator.ContextField(nameof(HartContext.DataTlb)));
            code.Mov(R15, BlockTranslator.Field(nameof(HartState.Retired)));
            ClearHostFlags(ref code);
            Fill(ref code, RegisterMap.Canonical);
            code.JmpReg(Rax);
        }));
        byte* leave = Emit((ref X64Assembler code) =>
        {
            Spill(ref code, RegisterMap.Canonical);
            code.Mov(BlockTranslator.Field(nameof(HartState.Retired)), R15);
            KeepHostFlags(ref code);
            code.Op(Alu.Add, Rsp, 8);
            foreach (Reg register in CalleeSaved.Reverse())
            {
                code.Pop(register);
            }

            code.Ret();
        });
        byte* EmitLeave(CodeExit exit) => Emit((ref X64Assembler code) =>
        {
            code.Mov(BlockTranslator.Field(nameof(HartState.Pc)), Rax);
            code.Mov(BlockTranslator.Field(nameof(HartState.CodeExit)), (int)exit);
            code.Jmp(leave);
        });
        LeaveAtLimit = EmitLeave(CodeExit.Limit);
        LeaveUnknown = EmitLeave(CodeExit.UnknownTarget);
        byte* leaveUntranslated = EmitLeave(CodeExit.NotTranslated);
        NotTranslated = memory.Executable(leaveUntranslated);
        FindInPage = Emit((ref X64Assembler code) => EmitFindInPage(ref code, leaveUntranslated));
        byte* leaveMidBlock = EmitLeave(CodeExit.MidBlock);
        byte* leaveAtFault = EmitLeave(CodeExit.Fault);
        LeaveMidBlock = Emit((ref X64Assembler code) =>
        {
            code.Mov(BlockTranslator.Field(nameof(HartState.NextOp)), Rcx);
            code.Jmp(leaveMidBlock);
        });
        Lookup = Emit((ref X64Assembler code) =>
        {
            EmitLookup(ref code);
            code.Jmp(FindInPage);
        });
        byte* enterTrap = Emit(EmitEnterTrap);
        Fault = Emit((ref X64Assembler code) =>
        {
            EmitPlace(ref code);
            EmitFault(ref code, leaveAtFault, enterTrap);
        });
        LeaveInPage = Emit((ref X64Assembler code) =>
        {
            code.Op(Alu.Add, Rax, BlockTranslator.Field(nameof(HartState.PageBase)));
            code.Jmp(LeaveAtLimit);
        });
        GoOnInPage = Emit((ref X64Assembler code) =>
        {
            code.Op(Alu.Add, Rax, BlockTranslator.Field(nameof(HartState.PageBase)));
            GoOn(ref code);
        });
        ProbeLoad = Emit((ref X64Assembler code) => EmitProbe(ref code, nameof(TlbEntry.Read)));
        ProbeStore = Emit((ref X64Assembler code) => EmitProbe(ref code, nameof(TlbEntry.Write)));
        RecallLoad = Emit(EmitRecallLoad);
        RecallStore = Emit(EmitRecallStore);
        byte* load = Emit((ref X64Assembler code) =>
        {
            code.Call(RecallLoad);
            EmitReturnIfDone(ref code);
            EmitSlowLoad(ref code, RegisterMap.Canonical);
        });
        byte* store = Emit((ref X64Assembler code) =>
        {
            code.Call(RecallStore);
            EmitReturnIfDone(ref code);
            EmitSlowStore(ref code, RegisterMap.Canonical);
        });
        SlowLoad = Emit((ref X64Assembler code) => EmitFailing(ref code, load));
        SlowStore = Emit((ref X64Assembler code) => EmitFailing(ref code, store));
        Interpret = Emit((ref X64Assembler code) => EmitInterpret(ref code, RegisterMap.Canonical));
        byte* callSystem = Emit((ref X64Assembler code) =>
            EmitCall(ref code, RegisterMap.Canonical, (nint)HostCalls.System, (ref X64Assembler code) => code.Mov(Rsi, Rcx)));
        System = Emit((ref X64Assembler code) =>
        {
            code.Op(Alu.Sub, Rsp, 8);
            code.Call(callSystem);
            code.Op(Alu.Add, Rsp, 8);
            code.Mov(R14, BlockTranslator.ContextField(nameof(HartContext.DataTlb)));
            code.Mov(R15, BlockTranslator.Field(nameof(HartState.Retired)));
            code.Test(Rax, Rax, wide: false);
            code.Ret();
        });
        LeaveAtPc = Emit((ref X64Assembler code) =>
        {
            code.Mov(BlockTranslator.Field(nameof(HartState.CodeExit)), (int)CodeExit.Limit);
            code.Jmp(leave);
        });
        SystemJump = Emit((ref X64Assembler code) =>
        {
            code.Call(System);
            code.Jcc(Cond.Equal, LeaveAtPc);
            code.Mov(Rax, BlockTranslator.Field(nameof(HartState.Pc)));
            code.Jmp(Lookup);
        });
        Return = Emit((ref X64Assembler code) => EmitReturn(ref code, SystemJump));
        EnvironmentCall = Emit((ref X64Assembler code) => EmitEnvironmentCall(ref code, SystemJump, enterTrap));
    }

    private delegate void Body(ref X64Assembler code);

    private delegate void BodyForSize(ref X64Assembler code, int size);

    /// <summary>Runs translated code: state, code.</summary>
    public delegate* unmanaged<HartState*, byte*, void> Enter { get; }

    /// <summary>Goes back to the run loop, pc in rax: a block without translation. Its address as others jump to it (executable).</summary>
    public byte* NotTranslated { get; }

    // Where units of code jump to, and what they call; addresses in the writable mapping, as all code is bound.
    public byte* LeaveAtLimit { get; }

    public byte* LeaveUnknown { get; }

    public byte* LeaveMidBlock { get; }

    public byte* Lookup { get; }

    /// <summary>
    /// Jumps to the block at the address in rax, which the jump table does not know, when its page is known; else leaves.
    /// </summary>
    public byte* FindInPage { get; }

    /// <summary>An operation that failed, as the state tells: its <see cref="Place"/> in rcx.</summary>
    public byte* Fault { get; }

    /// <summary>Leaves at an offset in the page, in rax.</summary>
    public byte* LeaveInPage { get; }

    /// <summary>Goes on at an offset in the page, in rax, or leaves there where the limit is reached.</summary>
    public byte* GoOnInPage { get; }

    public byte* ProbeLoad { get; }

    public byte* ProbeStore { get; }

    /// <summary>
    /// What comes first in the routines of slow loads and stores: does one that the TLB answers after all; zero flag: done, as those leave
    /// it, else all registers are kept.
    /// </summary>
    public byte* RecallLoad { get; }

    public byte* RecallStore { get; }

    /// <summary>
    /// Routines of blocks that are units by themselves: a load or store that may fail, its <see cref="Place"/> with its size in rcx.
    /// </summary>
    public byte* SlowLoad { get; }

    /// <inheritdoc cref="SlowLoad"/>
    public byte* SlowStore { get; }

    public byte* Interpret { get; }

    /// <summary>A routine: a system instruction, its operation in rcx; zero flag: leave translated code, at the state's pc.</summary>
    public byte* System { get; }

    public byte* LeaveAtPc { get; }

    /// <summary>A system instruction, its operation in rcx, which the interpreter executes; goes on where that says.</summary>
    public byte* SystemJump { get; }

    /// <summary>SRET, its operation in rcx.</summary>
    public byte* Return { get; }

    /// <summary>ECALL, its operation in rcx, its address in rax.</summary>
    public byte* EnvironmentCall { get; }

    /// <summary>
    /// A routine: looks an address in rax, and as many bytes as rcx says, up in the TLB, be it among the victims (as
    /// <see cref="Tlb.TryRecall"/>); zero flag: the addend is in rdx, else all registers are kept. Uses xmm0 and xmm1.
    /// </summary>
    private static void EmitProbe(ref X64Assembler code, string tag)
    {
        const int Half = 16, Victims = -(Tlb.Victims << Tlb.EntryShift);
        int tagOffset = Layout<TlbEntry>.Of(tag);
        code.Push(Rcx);
        code.Push(Rdx);
        code.Lea(Rdx, new Mem(Rax, -1, Rcx));
        code.Op(Alu.And, Rdx, -(int)PhysicalMemory.PageSize);
        Entry(ref code, Rcx);
        code.Op(Alu.Cmp, Rdx, new Mem(Rcx, tagOffset));
        byte* there = code.Jcc(Cond.Equal);
        code.Rorx(Rcx, Rax, PhysicalMemory.PageShift - Tlb.EntryShift, wide: false);
        code.Op(Alu.And, Rcx, (Tlb.Victims - 1) << Tlb.EntryShift, wide: false);
        code.Op(Alu.Add, Rcx, BlockTranslator.ContextField(nameof(HartContext.DataTlb)));
        code.Op(Alu.Cmp, Rdx, new Mem(Rcx, Victims + tagOffset));
        byte* miss = code.Jcc(Cond.NotEqual);
        Entry(ref code, Rdx);
        for (int offset = 0; offset < 1 << Tlb.EntryShift; offset += Half)
        {
            code.Sse(0, BlockTranslator.MoveLoad, 0, new Mem(Rcx, Victims + offset));
            code.Sse(0, BlockTranslator.MoveLoad, 1, new Mem(Rdx, offset));
            code.Sse(0, BlockTranslator.MoveStore, 0, new Mem(Rdx, offset));
            code.Sse(0, BlockTranslator.MoveStore, 1, new Mem(Rcx, Victims + offset));
        }

        code.Mov(Rcx, Rdx);
        code.BindHere(there);
        code.Mov(Rdx, new Mem(Rcx, Layout<TlbEntry>.Of(nameof(TlbEntry.Addend))));
        code.Op(Alu.Cmp, Rcx, Rcx);
        code.Pop(Rcx);
        code.Pop(Rcx);
        code.Ret();
        code.BindHere(miss);
        code.Pop(Rdx);
        code.Pop(Rcx);
        code.Ret();
    }

    /// <summary>Ends a routine where the zero flag says that it is done.</summary>
    public static void EmitReturnIfDone(ref X64Assembler code)
    {
        byte* goOn = code.Jcc(Cond.NotEqual);
        code.Ret();
        code.BindHere(goOn);
    }

    private void EmitRecallLoad(ref X64Assembler code)
    {
        code.Call(ProbeLoad);
        byte* miss = code.Jcc(Cond.NotEqual);
        code.Op(Alu.Add, Rdx, Rax);
        BySize(ref code, (ref X64Assembler code, int size) => code.Load(Rdx, new Mem(Rdx, 0), size, signed: false));
        code.Mov(BlockTranslator.Field(nameof(HartState.LoadValue)), Rdx);
        code.Mov(Rax, 1);
        code.Op(Alu.Cmp, Rax, Rax);
        code.BindHere(miss);
        code.Ret();
    }

    private void EmitRecallStore(ref X64Assembler code)
    {
        code.Push(Rdx);
        code.Call(ProbeStore);
        byte* miss = code.Jcc(Cond.NotEqual);
        code.Op(Alu.Add, Rax, Rdx);
        code.Pop(Rdx);
        BySize(ref code, (ref X64Assembler code, int size) => code.Mov(new Mem(Rax, 0), Rdx, size));
        code.Mov(Rax, 1);
        code.Op(Alu.Cmp, Rax, Rax);
        code.Ret();
        code.BindHere(miss);
        code.Pop(Rdx);
        code.Ret();
    }

    /// <summary>What is to be done for the size in rcx.</summary>
    private static void BySize(ref X64Assembler code, BodyForSize body)
    {
        byte** ends = stackalloc byte*[3];
        for (int i = 0; i < 3; i++)
        {
            code.Op(Alu.Cmp, Rcx, 1 << i, wide: false);
            byte* other = code.Jcc(Cond.NotEqual);
            body(ref code, 1 << i);
            ends[i] = code.Jmp();
            code.BindHere(other);
        }

        body(ref code, sizeof(ulong));
        for (int i = 0; i < 3; i++)
        {
            code.BindHere(ends[i]);
        }
    }

    /// <summary>The place of the address in rax in the TLB.</summary>
    private static void Entry(ref X64Assembler code, Reg to)
    {
        code.Rorx(to, Rax, PhysicalMemory.PageShift - Tlb.EntryShift, wide: false);
        code.Op(Alu.And, to, BlockTranslator.Field(nameof(HartState.TlbMask)), wide: false);
        code.Op(Alu.Add, to, BlockTranslator.ContextField(nameof(HartContext.DataTlb)));
    }

    /// <summary>A routine: a load by the page table; address in rax, size in rcx.</summary>
    public static void EmitSlowLoad(ref X64Assembler code, RegisterMap map)
    {
        EmitCall(ref code, map, (nint)HostCalls.Load, (ref X64Assembler code) =>
        {
            code.Mov(Rsi, Rax);
            code.Mov(Rdx, Rcx);
        });
    }

    /// <summary>A routine: a store by the page table; address in rax, size in rcx, value in rdx.</summary>
    public static void EmitSlowStore(ref X64Assembler code, RegisterMap map)
    {
        EmitCall(ref code, map, (nint)HostCalls.Store, (ref X64Assembler code) =>
        {
            code.Mov(Rsi, Rax);
            code.Mov(Rax, Rcx);
            code.Mov(Rcx, Rdx);
            code.Mov(Rdx, Rax);
        });
    }

    /// <summary>A routine: an operation as the interpreter does it; its address in rcx.</summary>
    public static void EmitInterpret(ref X64Assembler code, RegisterMap map)
    {
        EmitCall(ref code, map, (nint)HostCalls.Interpret, (ref X64Assembler code) => code.Mov(Rsi, Rcx));
    }

    /// <summary>Brings guest registers into the state.</summary>
    public static void Spill(ref X64Assembler code, RegisterMap map)
    {
        foreach (int register in map.Integers)
        {
            code.Mov(BlockTranslator.Slot(register), map.Integer(register)!.Value);
        }

        foreach (int register in map.Floats)
        {
            code.Sse(
                BlockTranslator.DoublePrefix, BlockTranslator.MoveStore, map.Float(register)!.Value, BlockTranslator.FloatSlot(register));
        }
    }

    /// <summary>Brings guest registers from the state.</summary>
    public static void Fill(ref X64Assembler code, RegisterMap map)
    {
        foreach (int register in map.Integers)
        {
            code.Mov(map.Integer(register)!.Value, BlockTranslator.Slot(register));
        }

        foreach (int register in map.Floats)
        {
            code.Sse(
                BlockTranslator.DoublePrefix, BlockTranslator.MoveLoad, map.Float(register)!.Value, BlockTranslator.FloatSlot(register));
        }
    }

    /// <summary>From here on MXCSR collects the exceptions of guest instructions; it rounds to nearest even and traps nothing.</summary>
    public static void ClearHostFlags(ref X64Assembler code)
    {
        const int AllMasked = 0x1f80;
        code.Mov32(BlockTranslator.Field(nameof(HartState.HostFloatControl)), AllMasked);
        code.Mxcsr(2, BlockTranslator.Field(nameof(HartState.HostFloatControl)));
    }

    /// <summary>Puts MXCSR into the state.</summary>
    public static void EmitReadHostControl(ref X64Assembler code) =>
        code.Mxcsr(3, BlockTranslator.Field(nameof(HartState.HostFloatControl)));

    /// <summary>Adds what MXCSR collected to the state's host flags, before C# code raises its own. Uses rcx.</summary>
    private static void KeepHostFlags(ref X64Assembler code)
    {
        EmitReadHostControl(ref code);
        code.Mov(Rcx, BlockTranslator.Field(nameof(HartState.HostFloatControl)), wide: false);
        code.Op(Alu.Or, BlockTranslator.Field(nameof(HartState.HostFlags)), Rcx, wide: false);
    }

    private byte* Emit(Body body)
    {
        const int Room = 1024; // more than the longest
        byte* start = _memory.Allocate(Room);
        if (start is null)
        {
            throw new InvalidOperationException("no room for the code that all translations share");
        }

        var code = new X64Assembler(start);
        body(ref code);
        _memory.Trim(start, Room, (int)(code.At - start));
        return start;
    }

    /// <summary>Calls a C# method; all guest registers are in the state while it runs.</summary>
    private static void EmitCall(ref X64Assembler code, RegisterMap map, nint method, Body arguments)
    {
        Spill(ref code, map);
        arguments(ref code);
        code.Op(Alu.Sub, Rsp, 24);
        code.Mov(new Mem(Rsp, 0), Rcx);
        if (!map.HasMoreHosts)
        {
            code.Mov(BlockTranslator.Field(nameof(HartState.Retired)), R15);
        }

        KeepHostFlags(ref code);
        code.Mov(Rcx, new Mem(Rsp, 0));
        code.Lea(Rdi, new Mem(Rbp, -BlockTranslator.StateBias));
        code.Mov(Rax, method);
        code.CallReg(Rax);
        code.Op(Alu.Add, Rsp, 24);
        code.Extend(Rax, Rax, 1, signed: false);
        ClearHostFlags(ref code);
        Fill(ref code, map);
        code.Ret();
    }
}
