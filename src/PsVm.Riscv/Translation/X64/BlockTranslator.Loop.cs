using System.Numerics;
using System.Runtime.InteropServices;
using PsVm.Riscv.Interpreter;
using PsVm.Riscv.Memory;
using PsVm.Riscv.Translation.Units;
using static PsVm.Riscv.Translation.X64.Reg;

namespace PsVm.Riscv.Translation.X64;

/// <content>
/// Loops as one unit. A loop keeps the registers that it uses most in host registers of its own choice; what that needs is done where it
/// is entered and left. It is left at the same places as its blocks would be one by one.
/// </content>
internal unsafe ref partial struct BlockTranslator
{
    private const int NopLength = 5;

    /// <summary>Translates a loop; gives the length of the code.</summary>
    /// <param name="stubs">What all code shares.</param>
    /// <param name="loop">The loop.</param>
    /// <param name="single">Where its first block's own translation is written, which runs when the loop's conditions do not hold.</param>
    /// <param name="buffer">Where to write.</param>
    public static int TranslateLoop(Stubs stubs, LoopCode loop, byte* single, TranslationBuffer buffer)
    {
        buffer.Clear();
        var translator = new BlockTranslator(stubs, buffer, loop.Map) { _loop = loop };
        translator.Routines();
        translator.EnterLoop(single + NopLength);
        IReadOnlyList<LoopBlock> blocks = loop.Unit.Blocks;
        for (int i = 0; i < blocks.Count; i++)
        {
            loop.Begin(blocks[i], ref translator._code);
            translator._next = i + 1 < blocks.Count ? blocks[i + 1] : null;
            (translator._block, translator._origin) = (blocks[i], blocks[i].Origin);
            translator.Block(blocks[i].Ops);
        }

        translator.RareWays();
        return (int)(translator._code.At - buffer.Start);
    }

    /// <summary>Makes a block's translation jump to another, whoever runs it; both places are as written.</summary>
    public static void Redirect(byte* block, byte* target)
    {
        // The block begins with a no-op of five bytes in eight that are aligned, so others see it or the jump.
        const long Kept = unchecked((long)0xffff_ff00_0000_0000);
        const byte Jump = 0xe9;
        long distance = (uint)(int)(target - (block + NopLength));
        Volatile.Write(ref *(long*)block, (*(long*)block & Kept) | distance << 8 | Jump);
    }

    /// <summary>Undoes <see cref="Redirect"/>: whoever comes to the loop goes on in the block. Both places are as written.</summary>
    public static void Undo(byte* block, byte* loop)
    {
        const long Kept = unchecked((long)0xffff_ff00_0000_0000), Nop = 0x00_0044_1f0f;
        Volatile.Write(ref *(long*)block, (*(long*)block & Kept) | Nop);
        Redirect(loop, block + NopLength);
    }

    private void Routines()
    {
        LoopCode loop = _loop!;
        if (loop.Unit.Loads)
        {
            loop.SlowLoad = _code.At;
            CallOut(_stubs.RecallLoad);
            Stubs.EmitReturnIfDone(ref _code);
            Stubs.EmitSlowLoad(ref _code, _map);
        }

        if (loop.Unit.Stores)
        {
            loop.SlowStore = _code.At;
            CallOut(_stubs.RecallStore);
            Stubs.EmitReturnIfDone(ref _code);
            Stubs.EmitSlowStore(ref _code, _map);
        }

        if (loop.Unit.Interprets)
        {
            loop.Interpret = _code.At;
            Stubs.EmitInterpret(ref _code, _map);
        }
    }

    private void EnterLoop(byte* otherwise)
    {
        LoopCode loop = _loop!;
        EnterWide();
        foreach ((int distance, long serial) in loop.Unit.OtherPages)
        {
            CheckPage(distance, serial, otherwise);
        }

        if (loop.Unit.UsesFloats)
        {
            _code.Op(Alu.Cmp, Field(nameof(HartState.FloatStatus)), 0, wide: false);
            _buffer.BindLater(_code.Jcc(Cond.Equal), otherwise);
            _code.Op(Alu.Cmp, Field(nameof(HartState.FloatRounding)), 0, wide: false);
            _buffer.BindLater(_code.Jcc(Cond.NotEqual), otherwise);
        }

        for (int register = 0; register < 32; register++)
        {
            if ((loop.Unit.CheckedForBox >> register & 1) != 0)
            {
                _code.Op(Alu.Cmp, Upper(register), -1, wide: false);
                _buffer.BindLater(_code.Jcc(Cond.NotEqual), otherwise);
            }
        }

        if (_map.HasMoreHosts)
        {
            _code.Mov(Field(nameof(HartState.Retired)), R15);
        }

        foreach (int register in _map.Displaced)
        {
            _code.Mov(Slot(register), RegisterMap.Canonical.Integer(register)!.Value);
        }

        foreach (int register in _map.Moved)
        {
            _code.Mov(_map.Integer(register)!.Value, Slot(register));
        }

        foreach (int register in _map.Floats)
        {
            _code.Sse(DoublePrefix, MoveLoad, _map.Float(register)!.Value, FloatSlot(register));
        }
    }

    /// <summary>Begins a loop's code; one that is wide can be left for good, and counts how often it is entered.</summary>
    private void EnterWide()
    {
        const int PatchAlignment = 8;
        _loop!.Entry = _code.At;
        if (!_loop.Unit.IsWide)
        {
            return;
        }

        while ((nint)_code.At % PatchAlignment != 0)
        {
            _code.Nop();
        }

        _loop.Entry = _code.At;
        _code.PatchableNop();
        _code.Mov(Rax, (long)&BlockHeader.Of(_loop.Unit.Blocks[0].Ops)->Entries);
        _code.Op(Alu.Add, new Mem(Rax, 0), 1, wide: false);
    }

    /// <summary>Looks whether a page that the loop lies in, too, is where it should be. Uses rax, rcx and rdx.</summary>
    /// <remarks>
    /// Once is enough: what a hart knows of its pages only C# on its own thread changes. A loop calls C# for accesses and operations alone,
    /// and where one of those makes the hart forget a page of code, since it is a store into it or sets a bit in a page table that is run,
    /// too, it sets the limit to 0, so that the loop is left as if it had stored into its first page. All else, fences, traps, writes of
    /// satp and what other harts ask for, is done outside of it. The number of a page of code is never another's, so one that has left
    /// since is not found.
    /// </remarks>
    private void CheckPage(int distance, long serial, byte* otherwise)
    {
        static Mem OfPage(string field) => new(Rcx, (int)Marshal.OffsetOf<JumpPage>(field));
        PageOffset(Rax, (long)distance << PhysicalMemory.PageShift);
        _code.ShiftBy(Shift.Shr, Rax, PhysicalMemory.PageShift);
        _code.Mov(Rcx, Rax, wide: false);
        _code.ShiftBy(Shift.Shl, Rcx, BitOperations.Log2((uint)sizeof(JumpPage)), wide: false);
        _code.Op(Alu.And, Rcx, ContextField(nameof(HartContext.JumpPageMask)));
        _code.Op(Alu.Add, Rcx, ContextField(nameof(HartContext.JumpPages)));
        _code.Op(Alu.Cmp, Rax, OfPage(nameof(JumpPage.Tag)));
        _buffer.BindLater(_code.Jcc(Cond.NotEqual), otherwise);
        _code.Mov(Rdx, serial);
        _code.Op(Alu.Cmp, Rdx, OfPage(nameof(JumpPage.Code)));
        _buffer.BindLater(_code.Jcc(Cond.NotEqual), otherwise);
    }

    /// <summary>Puts registers where all code outside expects them; keeps rax, rcx and rdx.</summary>
    private void ToCanonical()
    {
        if (_loop is null)
        {
            return;
        }

        foreach (int register in _map.Moved)
        {
            if ((_loop.Unit.WrittenIntegers >> register & 1) != 0)
            {
                _code.Mov(Slot(register), _map.Integer(register)!.Value);
            }
        }

        foreach (int register in _map.Floats)
        {
            if ((_loop.Unit.WrittenFloats >> register & 1) != 0)
            {
                _code.Sse(DoublePrefix, MoveStore, _map.Float(register)!.Value, FloatSlot(register));
            }
        }

        if (_map.HasMoreHosts)
        {
            _code.Mov(R14, ContextField(nameof(HartContext.DataTlb)));
            _code.Mov(R15, Field(nameof(HartState.Retired)));
        }

        foreach (int register in _map.Displaced)
        {
            _code.Mov(RegisterMap.Canonical.Integer(register)!.Value, Slot(register));
        }
    }
}
