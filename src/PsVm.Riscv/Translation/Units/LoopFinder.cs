using PsVm.Riscv.Decoding;

namespace PsVm.Riscv.Translation.Units;

/// <summary>
/// Finds the loop around a block. Of the loops that lie within each other it takes the largest that works with as many registers as the
/// host has, and when there is none the innermost, if no other loop lies in it.
/// </summary>
internal static unsafe class LoopFinder
{
    /// <summary>The most instructions of a loop.</summary>
    public const int MostOps = 512;

    private const int MostBlocks = 96;

    // Integers that are used least may wait in the state, where loops within it would bring floats into their places and back at each turn.
    private const int MoreWithFloats = 2;

    /// <summary>The loop that is entered at a block.</summary>
    /// <param name="blockAt">Gives the block that begins at an offset of the page, or 0.</param>
    /// <param name="entry">Where the block begins.</param>
    /// <param name="registers">As many as the host has for guests' integers.</param>
    /// <returns>Null: it is in no loop, or in one that is too large.</returns>
    public static LoopUnit? Find(Func<int, nint> blockAt, int entry, int registers)
    {
        Dictionary<int, nint> reached = Reach(blockAt, entry);
        Dictionary<int, int[]> edges = reached.ToDictionary(
            block => block.Key,
            block => LoopBlock.EdgesOf(block.Value).Select(edge => edge.To).Where(reached.ContainsKey).Distinct().ToArray());
        HashSet<int> all = [.. reached.Keys];
        HashSet<int>? best = null;
        for (HashSet<int> loop = CycleThrough(entry, all, edges, cut: -1); loop.Count != 0;)
        {
            // The header is where the loop is come to from outside; without the jumps back to it the loops within are left.
            int header = loop.Where(block => all.Any(from => !loop.Contains(from) && edges[from].Contains(block)))
                .DefaultIfEmpty(loop.Min()).Min();
            if (Fits(loop, reached)
                && (RegistersOf(loop, reached) <= registers + (HasFloats(loop, reached) ? MoreWithFloats : 0)
                    || loop.All(block => CycleThrough(block, loop, edges, header).Count == 0)))
            {
                best = loop;
                break;
            }

            loop = header == entry ? [] : CycleThrough(entry, loop, edges, header);
        }

        if (best is null)
        {
            return null;
        }

        IEnumerable<int> order = best.Where(offset => offset >= entry).Order().Concat(best.Where(offset => offset < entry).Order());
        return new LoopUnit([.. order.Select(offset => new LoopBlock(reached[offset], best.Contains))]);
    }

    private static Dictionary<int, nint> Reach(Func<int, nint> blockAt, int entry)
    {
        Dictionary<int, nint> reached = [];
        Queue<int> open = new([entry]);
        while (open.TryDequeue(out int offset) && reached.Count < MostBlocks)
        {
            if (!reached.ContainsKey(offset) && blockAt(offset) is var ops and not 0)
            {
                reached.Add(offset, ops);
                foreach ((_, int to) in LoopBlock.EdgesOf(ops))
                {
                    open.Enqueue(to);
                }
            }
        }

        return reached;
    }

    /// <summary>The blocks on cycles through one of them, within some blocks, when no jump leads to the block that is cut off.</summary>
    private static HashSet<int> CycleThrough(int entry, HashSet<int> within, Dictionary<int, int[]> edges, int cut)
    {
        IEnumerable<int> Next(int block) => edges[block].Where(to => to != cut && within.Contains(to));
        Dictionary<int, List<int>> back = within.ToDictionary(block => block, _ => new List<int>());
        foreach (int block in within)
        {
            foreach (int to in Next(block))
            {
                back[to].Add(block);
            }
        }

        HashSet<int> cycle = Closure(entry, Next);
        cycle.IntersectWith(Closure(entry, block => back[block]));
        return cycle.Count > 1 || Next(entry).Contains(entry) ? cycle : [];
    }

    private static HashSet<int> Closure(int from, Func<int, IEnumerable<int>> next)
    {
        HashSet<int> closure = [from];
        Stack<int> open = new([from]);
        while (open.TryPop(out int block))
        {
            foreach (int to in next(block).Where(closure.Add))
            {
                open.Push(to);
            }
        }

        return closure;
    }

    private static bool HasFloats(HashSet<int> loop, Dictionary<int, nint> blocks) => loop.Any(offset => LoopUnit.HasFloats((Op*)blocks[offset]));

    private static bool Fits(HashSet<int> loop, Dictionary<int, nint> blocks)
    {
        int ops = 0;
        foreach (int offset in loop)
        {
            for (Op* op = (Op*)blocks[offset]; !Decoder.IsLast(op->Code); op++)
            {
                ops++;
            }
        }

        return ops <= MostOps;
    }

    private static int RegistersOf(HashSet<int> loop, Dictionary<int, nint> blocks)
    {
        uint registers = 0;
        foreach (int offset in loop)
        {
            LoopBlock block = new(blocks[offset], loop.Contains);
            for (int i = 0; i <= block.LastInside; i++)
            {
                Operands operands = Operands.Of(block.Ops + i);
                registers |= operands.Reads | operands.Writes;
            }
        }

        return System.Numerics.BitOperations.PopCount(registers);
    }
}
