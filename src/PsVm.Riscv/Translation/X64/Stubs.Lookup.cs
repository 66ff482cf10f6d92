using System.Diagnostics;
using System.Numerics;
using PsVm.Riscv.Interpreter;
using PsVm.Riscv.Memory;
using PsVm.Riscv.Translation.Cache;
using static PsVm.Riscv.Translation.X64.Reg;

namespace PsVm.Riscv.Translation.X64;

/// <content>How jumps find their target.</content>
/// <remarks>
/// Safety: a page that the table of the mode in force knows is one of this hart's, whose index and blocks stay until it is forgotten there.
/// </remarks>
internal sealed unsafe partial class Stubs
{
    /// <summary>Jumps to the block at the address in rax when the jump table knows it; else falls through.</summary>
    public static void EmitLookup(ref X64Assembler code)
    {
        EntryOf(ref code, Rcx);
        code.Op(Alu.Add, Rcx, BlockTranslator.ContextField(nameof(HartContext.Jumps)));
        code.Op(Alu.Cmp, Rax, OfEntry(nameof(JumpEntry.Address)));
        byte* miss = code.Jcc(Cond.NotEqual);
        KeepPageBase(ref code);
        code.JmpMem(OfEntry(nameof(JumpEntry.Code)));
        code.BindHere(miss);
    }

    /// <summary>
    /// Jumps to the block at the address in rax when the page is known and the block is in the page's index, and puts it into the jump
    /// table; else leaves.
    /// </summary>
    private void EmitFindInPage(ref X64Assembler code, byte* leaveUntranslated)
    {
        static Mem OfPage(string field) => new(Rcx, Layout<JumpPage>.Of(field));
        Debug.Assert(sizeof(JumpPage) == 32 && sizeof(ulong) == 2 * BlockIndex.Scale, "what addresses are scaled by");
        code.Mov(Rdx, Rax);
        code.ShiftBy(Shift.Shr, Rdx, PhysicalMemory.PageShift);
        code.Mov(Rcx, Rdx, wide: false);
        code.ShiftBy(Shift.Shl, Rcx, BitOperations.Log2((uint)sizeof(JumpPage)), wide: false);
        code.Op(Alu.And, Rcx, BlockTranslator.ContextField(nameof(HartContext.JumpPageMask)));
        code.Op(Alu.Add, Rcx, BlockTranslator.ContextField(nameof(HartContext.JumpPages)));
        code.Op(Alu.Cmp, Rdx, OfPage(nameof(JumpPage.Tag)));
        code.Jcc(Cond.NotEqual, LeaveUnknown);

        // The block's header, in rdx: at its place or at the one beside it.
        code.Push(Rsi);
        code.Push(Rdi);
        code.Mov(Rsi, OfPage(nameof(JumpPage.Index)));
        code.Mov(Rdx, Rax, wide: false);
        code.ShiftBy(Shift.Shl, Rdx, BitOperations.Log2(BlockIndex.Scale), wide: false);
        code.Op(Alu.And, Rdx, new Mem(Rsi, Layout<BlockIndex>.Of(nameof(BlockIndex.Mask))));
        code.Lea(Rsi, new Mem(Rsi, sizeof(BlockIndex), Rdx));
        CompareOffsets(ref code);
        byte* found = code.Jcc(Cond.Equal);
        code.Op(Alu.Xor, Rsi, BlockIndex.Beside);
        CompareOffsets(ref code);
        byte* unknown = code.Jcc(Cond.NotEqual);
        code.BindHere(found);
        code.ShiftBy(Shift.Shr, Rdx, BlockIndex.Shift);
        code.Mov(Rdi, new Mem(Rdx, Layout<BlockHeader>.Of(nameof(BlockHeader.Code))));
        code.Test(Rdi, Rdi);
        byte* untranslated = code.Jcc(Cond.Equal);
        code.Op(Alu.Add, Rdx, sizeof(BlockHeader));

        // Its entry, in rcx: the number of which is noted as in use.
        code.Push(Rdx);
        code.Mov(Rsi, OfPage(nameof(JumpPage.Page)));
        EntryOf(ref code, Rcx);
        code.Mov(Rdx, Rcx, wide: false);
        code.ShiftBy(Shift.Shr, Rdx, BitOperations.Log2((uint)sizeof(JumpEntry)), wide: false);
        code.Op(Alu.Add, Rcx, BlockTranslator.ContextField(nameof(HartContext.Jumps)));
        code.Mov(OfEntry(nameof(JumpEntry.Page)), Rsi);
        code.Mov(OfEntry(nameof(JumpEntry.Code)), Rdi);
        code.Mov(Rsi, BlockTranslator.ContextField(nameof(HartContext.JumpUse)));
        code.SetBit(new Mem(Rsi, Layout<JumpUse>.Of(nameof(JumpUse.Bits))), Rdx);
        code.Mov(Rdx, (long)JumpEntry.Empty);
        code.Op(Alu.Cmp, Rdx, OfEntry(nameof(JumpEntry.Address)));
        code.AddCarry(new Mem(Rsi, Layout<JumpUse>.Of(nameof(JumpUse.Collisions))));
        code.Pop(Rdx);
        code.Mov(OfEntry(nameof(JumpEntry.Ops)), Rdx);
        code.Mov(OfEntry(nameof(JumpEntry.Address)), Rax);
        code.Pop(Rdi);
        code.Pop(Rsi);
        KeepPageBase(ref code);
        code.JmpMem(OfEntry(nameof(JumpEntry.Code)));

        code.BindHere(unknown);
        code.Pop(Rdi);
        code.Pop(Rsi);
        code.Jmp(LeaveUnknown);
        code.BindHere(untranslated);
        code.Pop(Rdi);
        code.Pop(Rsi);
        code.Jmp(leaveUntranslated);
    }

    /// <summary>Loads an entry of an index, at rsi, into rdx; equal: its offset is that of the address in rax. Uses rdi.</summary>
    private static void CompareOffsets(ref X64Assembler code)
    {
        code.Mov(Rdx, new Mem(Rsi, 0));
        code.Mov(Rdi, Rdx, wide: false);
        code.Op(Alu.Xor, Rdi, Rax, wide: false);
        code.Op(Alu.And, Rdi, (int)PhysicalMemory.PageSize - 1, wide: false);
    }

    private static Mem OfEntry(string field) => new(Rcx, Layout<JumpEntry>.Of(field));

    /// <summary>The offset of the entry that an address in rax has in the jump table.</summary>
    private static void EntryOf(ref X64Assembler code, Reg to)
    {
        code.Mov(to, Rax, wide: false);
        code.ShiftBy(Shift.Shl, to, BitOperations.Log2(HartState.JumpScale), wide: false);
        code.Op(Alu.And, to, BlockTranslator.ContextField(nameof(HartContext.JumpMask)));
    }

    /// <summary>The page that the block at the address in rax is in. Uses rdx.</summary>
    private static void KeepPageBase(ref X64Assembler code)
    {
        code.Mov(Rdx, Rax);
        code.Op(Alu.And, Rdx, -(int)PhysicalMemory.PageSize);
        code.Mov(BlockTranslator.Field(nameof(HartState.PageBase)), Rdx);
    }
}
