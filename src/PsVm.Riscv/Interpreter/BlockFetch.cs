using System.Runtime.InteropServices;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.Memory;
using PsVm.Riscv.Mmu;

namespace PsVm.Riscv.Interpreter;

/// <summary>Fetches for one hart: finds the block at an address that its jump table does not know.</summary>
/// <param name="state">The hart's state.</param>
/// <param name="mmu">Finds the page, and checks that it may be fetched.</param>
/// <param name="blocks">Keeps blocks.</param>
/// <param name="isa">The hart's extensions.</param>
/// <remarks>
/// Safety: pointers to instructions are from <see cref="HartMmu.FetchPointer"/>: half-words of mapped RAM. The block of one instruction is
/// allocated here, and freed when the hart is disposed of.
/// </remarks>
internal sealed unsafe class BlockFetch(HartState* state, HartMmu mmu, BlockCache blocks, IsaExtensions isa) : IDisposable
{
    // A header, an instruction, and the end.
    private readonly Op* _alone = (Op*)((BlockHeader*)NativeMemory.AllocZeroed(1, (nuint)(sizeof(BlockHeader) + (2 * sizeof(Op)))) + 1);
    private long _lookups;

    /// <summary>Where the hart's time goes; null: it is not profiled.</summary>
    public HartProfile? Profile { get; init; }

    /// <summary>
    /// How often a block was looked for whose page was not known, or of which nobody has run it yet. Safe from any thread.
    /// </summary>
    public long Lookups => Volatile.Read(ref _lookups);

    /// <summary>The block at an address, which is also kept in the jump table; null: fetching it failed.</summary>
    public Op* FindBlock(ulong pc)
    {
        const ulong PageMask = PhysicalMemory.PageSize - 1;
        using HartProfile.Scope scope = HartProfile.During(Profile, HartWork.Lookup);
        Op* known = blocks.FindJump(pc);
        if (known is not null)
        {
            return known;
        }

        HartProfile.CountLookup(Profile, state->JumpOf(pc)->Address is JumpEntry.Empty or 0);
        _lookups++;
        byte* host = mmu.FetchPointer(pc, out FetchedPage page);
        if (host is null)
        {
            return null;
        }

        if ((pc & PageMask) == PageMask - 1 && Decoder.IsFull(*(ushort*)host))
        {
            return FindCrossing(pc);
        }

        if (!page.IsWhole)
        {
            return DecodeAlone(pc, *(ushort*)host);
        }

        Op* ops = blocks.Get(host, page.Number, out bool newCodePage);
        NoteCode(page, newCodePage);
        if (ops is null)
        {
            return DecodeAlone(pc, *(ushort*)host); // until there is room again
        }

        blocks.AddJump(pc, ops, page.Number);
        return ops;
    }

    /// <summary>The block of an instruction that goes on in the next page; null: fetching it failed.</summary>
    private Op* FindCrossing(ulong pc)
    {
        const int HalfWord = 2;
        if (mmu.FetchPointer(pc + HalfWord, out FetchedPage second) is null)
        {
            return null;
        }

        // Both are in the fetch table then, also where there was no room for the second and all were forgotten.
        byte* host = mmu.FetchPointer(pc, out FetchedPage first);
        if (host is null)
        {
            return null;
        }

        if (!first.IsWhole || !second.IsWhole)
        {
            return DecodeAlone(pc, *(ushort*)host);
        }

        Op* ops = blocks.GetCrossing(first, second, out bool newFirst, out bool newSecond);
        NoteCode(first, newFirst);
        NoteCode(second, newSecond);
        if (ops is null)
        {
            return DecodeAlone(pc, *(ushort*)host);
        }

        blocks.AddCrossing(pc, ops, first.Number, second.Number);
        return ops;
    }

    private void NoteCode(FetchedPage page, bool isNew)
    {
        if (isNew)
        {
            mmu.Tlb.ProtectHostPage((byte*)page.Host);
        }
    }

    /// <summary>The bits of the instruction at an address that was fetched before, for mtval.</summary>
    public ulong InstructionBits(ulong pc)
    {
        byte* low = mmu.FetchPointer(pc, out _);
        if (low is null || !Decoder.IsFull(*(ushort*)low))
        {
            return low is null ? 0ul : *(ushort*)low;
        }

        byte* high = mmu.FetchPointer(pc + 2, out _);
        return high is null ? 0 : *(ushort*)low | (ulong)*(ushort*)high << 16;
    }

    /// <summary>
    /// An instruction in a page that may not be fetched as a whole, or for which there is no room, is a block of its own: checked and
    /// decoded anew each time, and never translated.
    /// </summary>
    private Op* DecodeAlone(ulong pc, uint bits)
    {
        if (Decoder.IsFull(bits))
        {
            byte* second = mmu.FetchPointer(pc + 2, out _);
            if (second is null)
            {
                return null;
            }

            bits |= (uint)*(ushort*)second << 16;
        }

        int offset = (int)(pc & (PhysicalMemory.PageSize - 1));
        _alone[0] = Decoder.Decode(bits, offset, isa);
        BlockHeader.Of(_alone)->Heat = int.MinValue; // never translated: it may be another instruction next time
        _alone[1] = new Op { Code = OpCode.End, Offset = (ushort)(offset + _alone[0].Length) };
        return _alone;
    }

    public void Dispose() => NativeMemory.Free(BlockHeader.Of(_alone));
}
