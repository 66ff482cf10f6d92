using System.Diagnostics;
using System.Numerics;
using System.Runtime.InteropServices;
using PsVm.Riscv.Interpreter;
using PsVm.Riscv.Memory;
using PsVm.Riscv.Translation.Cache;
using static PsVm.Riscv.Translation.X64.Reg;

namespace PsVm.Riscv.Translation.X64;

/// <content>How jumps find their target.</content>
/// <remarks>Safety: a page that the table of the mode in force knows is one of this hart's, whose index and blocks stay until it is forgotten there.</remarks>
internal sealed unsafe partial class Stubs
{
    /// <summary>Jumps to the block at the address in rax when the jump table knows it; else falls through.</summary>
    public static void EmitLookup(ref X64Assembler code)
    {
        EntryOf(ref code, Rcx);
        code.Op(Alu.Add, Rcx, BlockTranslator.Field(nameof(HartState.Jumps)));
        code.Op(Alu.Cmp, Rax, OfEntry(nameof(JumpEntry.Address)));
        byte* miss = code.Jcc(Cond.NotEqual);
        KeepPageBase(ref code);
        code.JmpMem(OfEntry(nameof(JumpEntry.Code)));
        code.BindHere(miss);
    }

    /// <summary>
    /// Jumps to the block at the address in rax when the page is known and the block is in the page's index, and puts it into the jump table; else leaves.
    /// </summary>
    private void EmitFindInPage(ref X64Assembler code, byte* leaveUntranslated)
    {
        static Mem OfPage(string field) => new(Rcx, (int)Marshal.OffsetOf<JumpPage>(field));
        Debug.Assert(sizeof(JumpPage) == 32 && sizeof(ulong) == 2 * BlockIndex.Scale, "what addresses are scaled by");
        code.Mov(Rdx, Rax);
        code.ShiftBy(Shift.Shr, Rdx, PhysicalMemory.PageShift);
        code.Mov(Rcx, Rdx, wide: false);
        code.ShiftBy(Shift.Shl, Rcx, BitOperations.Log2((uint)sizeof(JumpPage)), wide: false);
        code.Op(Alu.And, Rcx, BlockTranslator.Field(nameof(HartState.JumpPageMask)));
        code.Op(Alu.Add, Rcx, BlockTranslator.Field(nameof(HartState.JumpPages)));
        code.Op(Alu.Cmp, Rdx, OfPage(nameof(JumpPage.Tag)));
        code.Jcc(Cond.NotEqual, LeaveUnknown);

        // The block's header, in rdx.
        code.Push(Rsi);
        code.Mov(Rsi, OfPage(nameof(JumpPage.Index)));
        code.Mov(Rdx, Rax, wide: false);
        code.ShiftBy(Shift.Shl, Rdx, BitOperations.Log2(BlockIndex.Scale), wide: false);
        code.Op(Alu.And, Rdx, new Mem(Rsi, (int)Marshal.OffsetOf<BlockIndex>(nameof(BlockIndex.Mask))));
        code.Mov(Rdx, new Mem(Rsi, sizeof(BlockIndex), Rdx));
        code.Mov(Rsi, Rdx, wide: false);
        code.Op(Alu.Xor, Rsi, Rax, wide: false);
        code.Op(Alu.And, Rsi, (int)PhysicalMemory.PageSize - 1, wide: false);
        byte* unknown = code.Jcc(Cond.NotEqual);
        code.ShiftBy(Shift.Shr, Rdx, BlockIndex.Shift);
        code.Mov(Rsi, new Mem(Rdx, (int)Marshal.OffsetOf<BlockHeader>(nameof(BlockHeader.Code))));
        code.Test(Rsi, Rsi);
        byte* untranslated = code.Jcc(Cond.Equal);

        // Its entry, in rcx: the number of which is noted as in use.
        code.Push(Rsi);
        code.Push(Rdx);
        code.Mov(Rsi, OfPage(nameof(JumpPage.Page)));
        EntryOf(ref code, Rcx);
        code.Mov(Rdx, Rcx, wide: false);
        code.ShiftBy(Shift.Shr, Rdx, BitOperations.Log2((uint)sizeof(JumpEntry)), wide: false);
        code.Op(Alu.Add, Rcx, BlockTranslator.Field(nameof(HartState.Jumps)));
        code.Mov(OfEntry(nameof(JumpEntry.Page)), Rsi);
        code.Mov(Rsi, BlockTranslator.Field(nameof(HartState.JumpUse)));
        code.SetBit(new Mem(Rsi, (int)Marshal.OffsetOf<JumpUse>(nameof(JumpUse.Bits))), Rdx);
        code.Mov(Rdx, (long)JumpEntry.Empty);
        code.Op(Alu.Cmp, Rdx, OfEntry(nameof(JumpEntry.Address)));
        code.AddCarry(new Mem(Rsi, (int)Marshal.OffsetOf<JumpUse>(nameof(JumpUse.Collisions))));
        code.Pop(Rdx);
        code.Op(Alu.Add, Rdx, sizeof(BlockHeader));
        code.Mov(OfEntry(nameof(JumpEntry.Ops)), Rdx);
        code.Pop(Rdx);
        code.Mov(OfEntry(nameof(JumpEntry.Code)), Rdx);
        code.Mov(OfEntry(nameof(JumpEntry.Address)), Rax);
        code.Pop(Rsi);
        KeepPageBase(ref code);
        code.JmpMem(OfEntry(nameof(JumpEntry.Code)));

        code.BindHere(unknown);
        code.Pop(Rsi);
        code.Jmp(LeaveUnknown);
        code.BindHere(untranslated);
        code.Pop(Rsi);
        code.Jmp(leaveUntranslated);
    }

    private static Mem OfEntry(string field) => new(Rcx, (int)Marshal.OffsetOf<JumpEntry>(field));

    /// <summary>The offset of the entry that an address in rax has in the jump table.</summary>
    private static void EntryOf(ref X64Assembler code, Reg to)
    {
        code.Mov(to, Rax, wide: false);
        code.ShiftBy(Shift.Shl, to, BitOperations.Log2(HartState.JumpScale), wide: false);
        code.Op(Alu.And, to, BlockTranslator.Field(nameof(HartState.JumpMask)));
    }

    /// <summary>The page that the block at the address in rax is in. Uses rdx.</summary>
    private static void KeepPageBase(ref X64Assembler code)
    {
        code.Mov(Rdx, Rax);
        code.Op(Alu.And, Rdx, -(int)PhysicalMemory.PageSize);
        code.Mov(BlockTranslator.Field(nameof(HartState.PageBase)), Rdx);
    }
}
