using System.Diagnostics;
using System.Numerics;
using PsVm.Riscv.Csr;
using PsVm.Riscv.Memory;
using static PsVm.Riscv.Translation.X64.Reg;

namespace PsVm.Riscv.Translation.X64;

/// <content>
/// Traps to supervisor mode and returns from there, without C#: as <see cref="Hart.Trap"/> and the interpreter do them. What they cannot do
/// is left to those: other modes, what is not delegated, interrupts, and a mode that the hart has not been in since it has the address
/// space in use.
/// </content>
/// <remarks>Safety: contexts are of tables that stay until the hart's last run; the state says which are known.</remarks>
internal sealed unsafe partial class Stubs
{
    // What loads, stores and calls raise, of which the state tells all that a handler is to know.
    private const int TakenCauses = (1 << (int)ExceptionCause.LoadMisaligned) | (1 << (int)ExceptionCause.LoadAccessFault)
        | (1 << (int)ExceptionCause.StoreMisaligned) | (1 << (int)ExceptionCause.StoreAccessFault)
        | (1 << (int)ExceptionCause.LoadPageFault) | (1 << (int)ExceptionCause.StorePageFault);

    private const byte TestBit = 4;
    private const int IndexBits = 12, SizeBits = 4;

    /// <summary>
    /// Where an operation stands, in one number: its offset in the page, how many of its block's instructions retire before it, and the
    /// size of an access.
    /// </summary>
    public static int Place(int offset, int index, int size = 0)
    {
        Debug.Assert(offset >> PhysicalMemory.PageShift == 0 && index >> IndexBits == 0 && size >> SizeBits == 0, "each has its bits");
        return offset << (IndexBits + SizeBits) | index << SizeBits | size;
    }

    /// <summary>Counts what retired before the place in rcx, whose address is in rax then.</summary>
    private static void EmitPlace(ref X64Assembler code)
    {
        code.Mov(Rax, Rcx, wide: false);
        code.ShiftBy(Shift.Shr, Rax, IndexBits + SizeBits, wide: false);
        code.Op(Alu.Add, Rax, BlockTranslator.Field(nameof(HartState.PageBase)));
        code.ShiftBy(Shift.Shr, Rcx, SizeBits, wide: false);
        code.Op(Alu.And, Rcx, (1 << IndexBits) - 1, wide: false);
        code.Op(Alu.Add, R15, Rcx);
    }

    /// <summary>
    /// A routine of a load or store at the place in rcx that does not come back when it fails; what was loaded is in rax, zero-extended.
    /// </summary>
    /// <param name="code">Where it is written.</param>
    /// <param name="routine">Takes the size alone, and says whether it failed.</param>
    private void EmitFailing(ref X64Assembler code, byte* routine)
    {
        code.Push(Rcx);
        code.Op(Alu.And, Rcx, (1 << SizeBits) - 1, wide: false);
        code.Call(routine);
        code.Pop(Rcx);
        code.Test(Rax, Rax, wide: false);
        byte* failed = code.Jcc(Cond.Equal);
        code.Mov(Rax, BlockTranslator.Field(nameof(HartState.LoadValue)));
        code.Ret();
        code.BindHere(failed);
        code.Op(Alu.Add, Rsp, sizeof(ulong));
        code.Jmp(Fault);
    }

    /// <summary>ECALL, its operation in rcx, its address in rax.</summary>
    /// <param name="code">Where it is written.</param>
    /// <param name="otherwise">Who else executes it: the operation in rcx.</param>
    /// <param name="enter">Where the trap is taken.</param>
    private static void EmitEnvironmentCall(ref X64Assembler code, byte* otherwise, byte* enter)
    {
        code.Op(Alu.Cmp, BlockTranslator.ContextField(nameof(HartContext.Mode)), (int)PrivilegeMode.User, wide: false);
        code.Jcc(Cond.NotEqual, otherwise);
        code.Mov(Rdx, BlockTranslator.Field(nameof(HartState.Medeleg)));
        code.Op(Alu.And, Rdx, 1 << (int)ExceptionCause.EcallFromUser, wide: false);
        code.Jcc(Cond.Equal, otherwise);
        code.Op(Alu.Cmp, Context(nameof(HartState.SupervisorContext)), 0);
        code.Jcc(Cond.Equal, otherwise);
        code.Mov(BlockTranslator.Field(nameof(HartState.TrapValue)), 0);
        code.Mov(Rcx, (long)ExceptionCause.EcallFromUser);
        code.Jmp(enter);
    }

    /// <summary>What a load or store raised, which the state tells; its address in rax.</summary>
    /// <param name="code">Where it is written.</param>
    /// <param name="otherwise">Leaves translated code, which has C# take the trap.</param>
    /// <param name="enter">Where the trap is taken.</param>
    private static void EmitFault(ref X64Assembler code, byte* otherwise, byte* enter)
    {
        code.Mov(Rcx, BlockTranslator.Field(nameof(HartState.TrapCause)));
        code.Op(Alu.Cmp, Rcx, (int)ExceptionCause.StorePageFault);
        code.Jcc(Cond.Above, otherwise);
        code.Mov(Rdx, BlockTranslator.Field(nameof(HartState.Medeleg)));
        code.Op(Alu.And, Rdx, TakenCauses, wide: false);
        code.Bit(TestBit, Rdx, Rcx);
        code.Jcc(Cond.AboveOrEqual, otherwise);
        code.Op(Alu.Cmp, BlockTranslator.ContextField(nameof(HartContext.Mode)), (int)PrivilegeMode.Machine, wide: false);
        code.Jcc(Cond.Equal, otherwise);
        code.Op(Alu.Cmp, Context(nameof(HartState.SupervisorContext)), 0);
        code.Jcc(Cond.Equal, otherwise);
        code.Jmp(enter);
    }

    /// <summary>
    /// Enters supervisor mode's handler: the cause in rcx, the instruction's address in rax, what stval is to be in the state.
    /// </summary>
    private void EmitEnterTrap(ref X64Assembler code)
    {
        Mem status = BlockTranslator.Field(nameof(HartState.Status)), limit = BlockTranslator.Field(nameof(HartState.Limit));
        if (HartProfile.IsOn)
        {
            Mem counts = BlockTranslator.Field(nameof(HartState.TrapsByCause));
            code.Op(Alu.Add, counts with { Index = Rcx, ScaleLog2 = 3 }, 1);
        }

        code.Op(Alu.Add, BlockTranslator.Field(nameof(HartState.Traps)), 1);
        code.Mov(BlockTranslator.Field(nameof(HartState.Sepc)), Rax);
        code.Mov(BlockTranslator.Field(nameof(HartState.Scause)), Rcx);
        code.Mov(Rdx, BlockTranslator.Field(nameof(HartState.TrapValue)));
        code.Mov(BlockTranslator.Field(nameof(HartState.Stval)), Rdx);
        code.Mov(BlockTranslator.Field(nameof(HartState.ReservedHost)), 0);

        // SPIE: SIE. SPP: the mode, 0 or 1.
        code.Mov(Rax, status);
        code.Mov(Rdx, Rax, wide: false);
        code.Op(Alu.And, Rdx, (int)CsrFile.Sie, wide: false);
        code.ShiftBy(Shift.Shl, Rdx, Log2(CsrFile.Spie / CsrFile.Sie), wide: false);
        code.Mov(Rcx, BlockTranslator.ContextField(nameof(HartContext.Mode)), wide: false);
        code.ShiftBy(Shift.Shl, Rcx, Log2(CsrFile.Spp), wide: false);
        code.Op(Alu.And, Rax, ~(int)(CsrFile.Sie | CsrFile.Spie | CsrFile.Spp));
        code.Op(Alu.Or, Rax, Rdx);
        code.Op(Alu.Or, Rax, Rcx);
        code.Mov(status, Rax);

        Select(ref code, nameof(HartState.SupervisorContext));
        code.Mov(R14, BlockTranslator.Field(nameof(HartState.SupervisorTlb)));
        code.Mov(Rcx, BlockTranslator.Field(nameof(HartState.UserMemoryTlb)));
        code.Bit(TestBit, Rax, CsrFile.SumShift);
        code.Cmov(Cond.Below, R14, Rcx);
        code.Mov(BlockTranslator.ContextField(nameof(HartContext.DataTlb)), R14);

        // A trap counts as an instruction; whoever sets the limit to 0 meanwhile wins.
        code.Mov(Rax, limit);
        code.Lea(Rcx, new Mem(Rax, -1));
        code.Test(Rax, Rax);
        byte* reached = code.Jcc(Cond.Equal);
        code.LockCmpxchg(limit, Rcx, wide: true);
        code.BindHere(reached);
        code.Mov(Rax, BlockTranslator.Field(nameof(HartState.Stvec)));
        code.Op(Alu.And, Rax, ~3);
        GoOn(ref code);
    }

    /// <summary>SRET, its operation in rcx.</summary>
    /// <param name="code">Where it is written.</param>
    /// <param name="otherwise">Who else executes it: the operation in rcx.</param>
    private void EmitReturn(ref X64Assembler code, byte* otherwise)
    {
        Mem status = BlockTranslator.Field(nameof(HartState.Status));
        code.Op(Alu.Cmp, BlockTranslator.ContextField(nameof(HartContext.Mode)), (int)PrivilegeMode.Supervisor, wide: false);
        code.Jcc(Cond.NotEqual, otherwise);
        code.Op(Alu.Cmp, BlockTranslator.Field(nameof(HartState.InterruptDue)), 0, wide: false);
        code.Jcc(Cond.NotEqual, otherwise);
        code.Mov(Rax, status);
        code.Mov(Rdx, Rax, wide: false);
        code.Op(Alu.And, Rdx, (int)CsrFile.Tsr, wide: false);
        code.Jcc(Cond.NotEqual, otherwise);
        code.Mov(Rdx, Rax, wide: false);
        code.Op(Alu.And, Rdx, (int)CsrFile.Spp, wide: false);
        byte* stays = code.Jcc(Cond.NotEqual);
        code.Op(Alu.Cmp, Context(nameof(HartState.UserContext)), 0);
        code.Jcc(Cond.Equal, otherwise);
        Select(ref code, nameof(HartState.UserContext));
        code.Mov(R14, BlockTranslator.ContextField(nameof(HartContext.DataTlb)));
        code.BindHere(stays);

        // SIE: SPIE. SPIE: 1.
        code.Mov(Rdx, Rax, wide: false);
        code.ShiftBy(Shift.Shr, Rdx, Log2(CsrFile.Spie / CsrFile.Sie), wide: false);
        code.Op(Alu.And, Rdx, (int)CsrFile.Sie, wide: false);
        code.Op(Alu.And, Rax, ~(int)(CsrFile.Sie | CsrFile.Spp | CsrFile.Mprv));
        code.Op(Alu.Or, Rax, (int)CsrFile.Spie);
        code.Op(Alu.Or, Rax, Rdx);
        code.Mov(status, Rax);
        code.Op(Alu.Add, R15, 1);
        code.Mov(Rax, BlockTranslator.Field(nameof(HartState.Sepc)));
        GoOn(ref code);
    }

    /// <summary>Goes on at the address in rax, or leaves there.</summary>
    private void GoOn(ref X64Assembler code)
    {
        code.Op(Alu.Cmp, R15, BlockTranslator.Field(nameof(HartState.Limit)));
        code.Jcc(Cond.AboveOrEqual, LeaveAtLimit);
        EmitLookup(ref code);
        code.Jmp(FindInPage);
    }

    /// <summary>Puts a mode's context in place of another's. Uses xmm0.</summary>
    private static void Select(ref X64Assembler code, string context)
    {
        const int Half = 16;
        for (int offset = 0; offset < sizeof(HartContext); offset += Half)
        {
            code.Sse(0, BlockTranslator.MoveLoad, 0, Context(context, offset));
            code.Sse(0, BlockTranslator.MoveStore, 0, Context(nameof(HartState.Context), offset));
        }
    }

    /// <summary>A part of a context; the first is 0 where it is not known.</summary>
    private static Mem Context(string field, int offset = 0) => BlockTranslator.Field(field).Plus(offset);

    private static int Log2(ulong value) => BitOperations.Log2(value);
}
