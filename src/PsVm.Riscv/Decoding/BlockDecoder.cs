using PsVm.Riscv.Memory;

using System.Diagnostics;

namespace PsVm.Riscv.Decoding;

/// <summary>Decodes a block: what runs from one instruction on until a jump, a branch back, a system instruction or the end
/// of the page.</summary>
/// <remarks>Safety: the caller gives room for <see cref="MaxOps"/> operations and a whole page that stays as it is meanwhile.</remarks>
internal static unsafe class BlockDecoder
{
    /// <summary>The longest block, with its <see cref="OpCode.End"/>.</summary>
    public const int MaxOps = 128;

    /// <summary>Operations of the block of an instruction that crosses the end of its page: it, and the end.</summary>
    public const int CrossingOps = 2;

    /// <summary>Where an instruction begins that crosses the end of its page.</summary>
    public const int CrossingOffset = (int)PhysicalMemory.PageSize - 2;

    /// <summary>Whether a block is that of an instruction that crosses the end of its page, and so holds on the next page, too.</summary>
    public static bool Crosses(Op* ops) => ops->Offset + ops->Length > (int)PhysicalMemory.PageSize;

    /// <summary>Decodes the block of an instruction that crosses the end of its page.</summary>
    /// <param name="ops">Room for <see cref="CrossingOps"/>.</param>
    /// <param name="bits">The instruction.</param>
    /// <param name="isa">The extensions that the hart has.</param>
    public static void DecodeCrossing(Op* ops, uint bits, IsaExtensions isa)
    {
        ops[0] = Decoder.Decode(bits, CrossingOffset, isa);
        ops[1] = new Op { Code = OpCode.End, Offset = (ushort)(CrossingOffset + ops[0].Length) };
        Debug.Assert(Crosses(ops), "it has four bytes");
    }

    /// <summary>
    /// Decodes a block; gives the number of operations: one, its end, where the first instruction crosses the end of the page.
    /// </summary>
    /// <param name="ops">Room for <see cref="MaxOps"/>.</param>
    /// <param name="page">The page's first byte.</param>
    /// <param name="offset">Where the block begins.</param>
    /// <param name="isa">The extensions that the hart has.</param>
    public static int Decode(Op* ops, byte* page, int offset, IsaExtensions isa)
    {
        const int PageMask = (int)PhysicalMemory.PageSize - 1;
        Debug.Assert(offset is >= 0 and < PageMask && (offset & 1) == 0, "instructions are half-words of the page");
        int count = 0;
        while (count < MaxOps - 1 && offset <= PageMask - 1)
        {
            uint bits = *(ushort*)(page + offset);
            if (Decoder.IsFull(bits))
            {
                if (offset == PageMask - 1)
                {
                    break; // the next instruction crosses into another page
                }

                bits |= (uint)*(ushort*)(page + offset + 2) << 16;
            }

            Op op = Decoder.Decode(bits, offset, isa);
            ops[count++] = op;
            offset += op.Length;
            if (Decoder.EndsBlock(op.Code))
            {
                return count;
            }

            if (op.Code is >= OpCode.Beq and <= OpCode.Bgeu && op.Immediate < offset)
            {
                break; // what follows a loop is not part of it
            }
        }

        Debug.Assert(count < MaxOps, "there is room for the end");
        ops[count++] = new Op { Code = OpCode.End, Offset = (ushort)offset };
        return count;
    }
}
