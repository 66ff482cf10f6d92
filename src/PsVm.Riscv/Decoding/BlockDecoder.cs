using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Decoding;

/// <summary>Decodes a block: what runs from one instruction on until a jump, a branch back, a system instruction or the end
/// of the page.</summary>
internal static unsafe class BlockDecoder
{
    /// <summary>The longest block, with its <see cref="OpCode.End"/>.</summary>
    public const int MaxOps = 128;

    /// <summary>Decodes a block whose first instruction does not cross the end of its page; gives the number of operations.</summary>
    /// <param name="ops">Room for <see cref="MaxOps"/>.</param>
    /// <param name="page">The page's first byte.</param>
    /// <param name="offset">Where the block begins.</param>
    /// <param name="isa">The extensions that the hart has.</param>
    public static int Decode(Op* ops, byte* page, int offset, IsaExtensions isa)
    {
        const int PageMask = (int)PhysicalMemory.PageSize - 1;
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

        ops[count++] = new Op { Code = OpCode.End, Offset = (ushort)offset };
        return count;
    }
}
