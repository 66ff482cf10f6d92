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

    /// <summary>How often a block was looked for whose page was not known, or of which nobody has run it yet. Safe from any thread.</summary>
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

        bool crosses = (pc & PageMask) == PageMask - 1 && Decoder.IsFull(*(ushort*)host);
        if (crosses || !page.IsWhole)
        {
            return DecodeAlone(pc, *(ushort*)host);
        }

        Op* ops = blocks.Get(host, page.Number, out bool newCodePage);
        if (ops is null)
        {
            return DecodeAlone(pc, *(ushort*)host); // until there is room again
        }

        if (newCodePage)
        {
            mmu.Tlb.ProtectHostPage((byte*)page.Host);
        }

        blocks.AddJump(pc, ops, page.Number);
        return ops;
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
    /// An instruction that lies on two pages, or in a page that may not be fetched as a whole, is a block of its own: checked and decoded
    /// anew each time, and never translated.
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
