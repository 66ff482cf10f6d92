using PsVm.Riscv.Decoding;

namespace PsVm.Riscv.Translation.Units;

/// <summary>
/// Blocks that form a loop, with the functions that it calls, and what is known of them when they are translated as one. They may lie in
/// several pages: places are counted from the start of the page that the loop is entered in.
/// </summary>
internal sealed unsafe class LoopUnit
{
    private const int DeepestNesting = 4;

    private readonly Dictionary<int, LoopBlock> _byOffset;

    /// <param name="blocks">The blocks, the one at which the loop is entered first.</param>
    public LoopUnit(IReadOnlyList<LoopBlock> blocks)
    {
        Blocks = blocks;
        _byOffset = blocks.ToDictionary(block => block.Offset);
        (long[] integers, long[] floats) = (new long[32], new long[32]);
        UsesFloats = blocks.Any(block => HasFloats(block.Ops));
        uint singles = 0, otherWrites = 0;
        foreach (LoopBlock block in blocks)
        {
            long weight = 1L << (3 * Depth(block));
            uint written = 0;
            for (Op* op = block.Ops; ; op++)
            {
                bool counts = op - block.Ops <= block.LastInside;
                Operands operands = Operands.Of(op);
                WrittenIntegers |= operands.Writes;
                WrittenFloats |= operands.BoxedWrites | operands.OtherWrites;
                singles |= operands.Singles;
                otherWrites |= operands.OtherWrites;
                if (counts)
                {
                    // Without floating point the operations between are values, which need no place of a guest register.
                    Count(integers, operands.Reads & ~written, weight);
                    Count(integers, operands.Writes & ~written, weight);
                    written |= UsesFloats ? 0 : operands.Writes;
                    Count(floats, operands.Singles | operands.Others, weight);
                    Count(floats, operands.BoxedWrites | operands.OtherWrites, weight);
                }

                Loads |= op->Code is >= OpCode.Lb and <= OpCode.Lwu;
                Stores |= op->Code is >= OpCode.Sb and <= OpCode.Sd;
                Interprets |= op->Code is >= OpCode.Flw and < OpCode.Csrrw;
                if (Decoder.IsLast(op->Code))
                {
                    break;
                }
            }
        }

        Boxed = singles & ~otherWrites;
        CheckedForBox = Boxed & ReadBeforeWritten();
        IntegersByUse = ByUse(integers, 0);
        FloatsByUse = ByUse(floats, except: singles & otherWrites);
    }

    /// <summary>The blocks, the one at which the loop is entered first.</summary>
    public IReadOnlyList<LoopBlock> Blocks { get; }

    /// <summary>Integer registers that it uses, the most used first.</summary>
    public IReadOnlyList<int> IntegersByUse { get; }

    /// <summary>Floating point registers that it uses in one format alone, the most used first.</summary>
    public IReadOnlyList<int> FloatsByUse { get; }

    /// <summary>Integer registers, as bits, that some instruction of the loop writes.</summary>
    public uint WrittenIntegers { get; }

    /// <summary>Floating point registers, as bits, that some instruction of the loop writes.</summary>
    public uint WrittenFloats { get; }

    /// <summary>Floating point registers, as bits, that are boxed wherever the loop reads them as single precision.</summary>
    public uint Boxed { get; }

    /// <summary>Those of <see cref="Boxed"/> that have to be so when the loop is entered.</summary>
    public uint CheckedForBox { get; }

    /// <summary>
    /// Whether it lies in several pages or has calls inside: then how often it is entered counts (<see cref="BlockHeader.Entries"/>).
    /// </summary>
    public bool IsWide =>
        OtherPages.Count > 0 || Blocks.Any(block => block.Edges.Any(edge => edge.Kind != EdgeKind.Jump && Find(edge.To) is not null));

    /// <summary>Whether it holds floating point instructions.</summary>
    public bool UsesFloats { get; }

    /// <summary>Whether it loads integers.</summary>
    public bool Loads { get; }

    /// <summary>Whether it stores integers.</summary>
    public bool Stores { get; }

    /// <summary>Whether it holds instructions that the interpreter may have to execute.</summary>
    public bool Interprets { get; }

    /// <summary>
    /// The pages but the first that the loop lies in: how many pages further each of them has to be, and which page of code it is
    /// (<see cref="Cache.CodePage.Serial"/>).
    /// </summary>
    public IReadOnlyList<(int Distance, long Serial)> OtherPages { get; init; } = [];

    /// <summary>The block of the loop that begins at a place, or null.</summary>
    public LoopBlock? Find(long place) => place == (int)place ? _byOffset.GetValueOrDefault((int)place) : null;

    /// <summary>Whether a block holds floating point instructions.</summary>
    public static bool HasFloats(Op* op)
    {
        while (!Decoder.IsLast(op->Code) && !IsFloat(op->Code))
        {
            op++;
        }

        return IsFloat(op->Code);
    }

    private static bool IsFloat(OpCode code) => code is >= OpCode.Flw and <= OpCode.Fsd or >= OpCode.Frflags and < OpCode.Csrrw;

    private static void Count(long[] uses, uint registers, long weight)
    {
        for (int register = 0; register < 32; register++)
        {
            uses[register] += (registers >> register & 1) * weight;
        }
    }

    private static int[] ByUse(long[] uses, uint except) =>
    [
        .. Enumerable.Range(0, 32).Where(register => uses[register] != 0 && (except >> register & 1) == 0)
            .OrderByDescending(register => uses[register]),
    ];

    /// <summary>How many jumps back of the loop lead over a block.</summary>
    private int Depth(LoopBlock block)
    {
        int depth = 0;
        foreach (LoopBlock other in Blocks)
        {
            foreach ((int from, int to, EdgeKind kind) in other.Edges)
            {
                if (kind == EdgeKind.Jump && to <= from && to <= block.Offset && block.Offset <= from && Find(to) is not null)
                {
                    depth++;
                }
            }
        }

        return Math.Clamp(depth, 1, DeepestNesting);
    }

    /// <summary>Floating point registers, as bits, that may be read as single precision before the loop has written them.</summary>
    private uint ReadBeforeWritten()
    {
        Dictionary<LoopBlock, (uint Reads, uint Writes)> local = Blocks.ToDictionary(block => block, UntilTheFirstJump);
        Dictionary<LoopBlock, uint> atEntry = Blocks.ToDictionary(block => block, block => local[block].Reads);
        for (bool changed = true; changed;)
        {
            changed = false;
            foreach (LoopBlock block in Blocks)
            {
                uint later = 0;
                foreach (LoopEdge edge in block.Edges)
                {
                    later |= Find(edge.To) is { } next ? atEntry[next] : 0;
                }

                uint all = atEntry[block] | (later & ~local[block].Writes);
                changed |= all != atEntry[block];
                atEntry[block] = all;
            }
        }

        return atEntry[Blocks[0]];
    }

    private static (uint Reads, uint Writes) UntilTheFirstJump(LoopBlock block)
    {
        uint reads = 0, written = 0, writtenForCertain = 0;
        bool jumped = false;
        for (Op* op = block.Ops; ; op++)
        {
            Operands operands = Operands.Of(op);
            reads |= operands.Singles & ~written;
            written |= operands.BoxedWrites | operands.OtherWrites;
            jumped |= op->Code is >= OpCode.Jal and <= OpCode.Bgeu;
            writtenForCertain = jumped ? writtenForCertain : written;
            if (Decoder.IsLast(op->Code))
            {
                return (reads, writtenForCertain);
            }
        }
    }
}
