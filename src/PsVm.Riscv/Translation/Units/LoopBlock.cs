using PsVm.Riscv.Decoding;

namespace PsVm.Riscv.Translation.Units;

/// <summary>How control goes from one block of a loop to another.</summary>
internal enum EdgeKind
{
    /// <summary>By a jump, a branch, or where a block ends and another begins.</summary>
    Jump,

    /// <summary>By a call.</summary>
    Call,

    /// <summary>From a function to where one of its calls goes on.</summary>
    Return,
}

/// <summary>A way from one block of a loop to another.</summary>
/// <param name="From">Where the instruction is, counted as all places of a loop (<see cref="LoopUnit"/>).</param>
/// <param name="To">Where it leads.</param>
/// <param name="Kind">What it is.</param>
internal readonly record struct LoopEdge(int From, int To, EdgeKind Kind);

/// <summary>A block of a loop.</summary>
internal sealed unsafe class LoopBlock
{
    private const int ReturnAddress = 1;

    // So far may a place be from the first page: what is added to addresses and compared with them is 32 bits wide.
    private const long Reach = 1 << 30;

    /// <param name="ops">Its operations.</param>
    /// <param name="origin">Where its page begins.</param>
    /// <param name="inside">Tells whether the block at a place is in the loop.</param>
    /// <param name="returnsTo">Places in the loop where calls go on that it may return from.</param>
    public LoopBlock(nint ops, int origin, Func<int, bool> inside, IReadOnlyList<int> returnsTo)
    {
        Ops = (Op*)ops;
        (Origin, ReturnsTo) = (origin, returnsTo);
        List<LoopEdge> edges = EdgesOf(ops, origin);
        edges.AddRange(returnsTo.Select(site => new LoopEdge(origin + LastOf(ops)->Offset, site, EdgeKind.Return)));
        Edges = edges;
        LastInside = -1;
        foreach (LoopEdge edge in edges.Where(edge => inside(edge.To)))
        {
            int index = 0;
            while (origin + Ops[index].Offset != edge.From && Ops[index].Code != OpCode.End)
            {
                index++;
            }

            LastInside = Math.Max(LastInside, index);
        }
    }

    /// <summary>Its operations.</summary>
    public Op* Ops { get; }

    /// <summary>Where its page begins.</summary>
    public int Origin { get; }

    /// <summary>Where it begins.</summary>
    public int Offset => Origin + Ops->Offset;

    /// <summary>Ways out of it, as far as it is known where they lead.</summary>
    public IReadOnlyList<LoopEdge> Edges { get; }

    /// <summary>Where its return may lead within the loop.</summary>
    public IReadOnlyList<int> ReturnsTo { get; }

    /// <summary>Index of the last operation from which the loop may go on; what follows leaves it.</summary>
    public int LastInside { get; }

    /// <summary>
    /// Jumps and calls of a block that lead to places known from the code alone: all by which translated code goes on inside.
    /// </summary>
    public static List<LoopEdge> EdgesOf(nint ops, int origin)
    {
        List<LoopEdge> edges = [];
        for (Op* op = (Op*)ops; ; op++)
        {
            long? target = op->Code switch
            {
                OpCode.End => op->Offset,
                >= OpCode.Beq and <= OpCode.Bgeu => op->Immediate,
                OpCode.Jal => op->Immediate,
                OpCode.Jalr => TargetOf((Op*)ops, op),
                _ => null,
            };
            if (origin + target is > -Reach and < Reach and var to)
            {
                bool calls = op->Code is OpCode.Jal or OpCode.Jalr && op->Rd == ReturnAddress;
                edges.Add(new LoopEdge(origin + op->Offset, (int)to, calls ? EdgeKind.Call : EdgeKind.Jump));
            }

            if (Decoder.IsLast(op->Code))
            {
                return edges;
            }
        }
    }

    /// <summary>Where an indirect jump leads, relative to its page, when the instruction before it says so; else null.</summary>
    /// <param name="first">The first operation of its block.</param>
    /// <param name="jump">The jump.</param>
    /// <remarks>A branch to the jump skips that instruction, and may be done without leaving the block: then nobody knows.</remarks>
    public static long? TargetOf(Op* first, Op* jump)
    {
        if (jump == first || jump[-1].Code != OpCode.Auipc || jump[-1].Rd != jump->Rs1)
        {
            return null;
        }

        for (Op* op = first; op < jump; op++)
        {
            if (op->Code is >= OpCode.Beq and <= OpCode.Bgeu && op->Immediate == jump->Offset)
            {
                return null;
            }
        }

        return (jump[-1].Immediate + jump->Immediate) & ~1L;
    }

    /// <summary>Whether an operation returns from a function.</summary>
    public static bool Returns(Op* op) => op->Code == OpCode.Jalr && op->Rd == Op.Sink && op->Rs1 == ReturnAddress && op->Immediate == 0;

    /// <summary>Whether a block ends with a return.</summary>
    public static bool EndsWithReturn(nint ops) => Returns(LastOf(ops));

    /// <summary>The last operation of a block.</summary>
    public static Op* LastOf(nint ops)
    {
        Op* op = (Op*)ops;
        while (!Decoder.IsLast(op->Code))
        {
            op++;
        }

        return op;
    }
}
