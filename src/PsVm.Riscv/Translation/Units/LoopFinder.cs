using PsVm.Riscv.Decoding;

namespace PsVm.Riscv.Translation.Units;

/// <summary>
/// Finds the loop around a block: within its page, or, where there is none, with the functions that it calls and in whatever pages. Of the
/// loops that lie within each other it takes the largest that works with as many registers as the host has, and when there is none the
/// innermost, if no other loop lies in it.
/// </summary>
internal static unsafe class LoopFinder
{
    /// <summary>The most instructions of a loop.</summary>
    public const int MostOps = 512;

    /// <summary>The most pages that a loop may lie in.</summary>
    public const int MostPages = 4;

    // Integers that are used least may wait in the state, where loops within it would bring floats into their places and back at each turn.
    private const int MoreWithFloats = 2;

    /// <summary>
    /// So many loops around a block are looked at, from the outermost: all guests wait meanwhile, and one can write a hundred of them.
    /// </summary>
    public const int MostAround = 16;

    /// <summary>The most places that a return is compared with.</summary>
    private const int MostSites = 4;

    /// <summary>Comes to all blocks that a search for a wide loop looks at.</summary>
    /// <param name="blockAt">As in <see cref="FindWide"/>.</param>
    /// <param name="entry">Where the search begins.</param>
    public static void Visit(Func<int, nint> blockAt, int entry) => _ = new FlowGraph(blockAt, entry, withCalls: true);

    /// <summary>The loop that is entered at a block, within its page, and without calls.</summary>
    /// <param name="blockAt">Gives the block at an offset of the page, or 0.</param>
    /// <param name="entry">Where the block begins.</param>
    /// <param name="registers">As many as the host has for guests' integers.</param>
    /// <returns>Null: it is in no loop, or in one that is too large.</returns>
    public static LoopUnit? Find(Func<int, nint> blockAt, int entry, int registers) =>
        FindIn(new FlowGraph(blockAt, entry, withCalls: false), entry, registers, _ => default);

    /// <summary>The loop that is entered at a block, with what it calls, in whatever pages.</summary>
    /// <param name="blockAt">Gives the block at a place, counted from the start of the page in which the loop is entered, or 0.</param>
    /// <param name="entry">Where the block begins.</param>
    /// <param name="registers">As many as the host has for guests' integers.</param>
    /// <param name="pages">Gives the pages but the first, as <see cref="LoopUnit.OtherPages"/>, by how many pages further they are.</param>
    /// <returns>Null: it is in no loop, or in one that is too large.</returns>
    public static LoopUnit? FindWide(Func<int, nint> blockAt, int entry, int registers, Func<int, (int Distance, long Serial)> pages) =>
        FindIn(new FlowGraph(blockAt, entry, withCalls: true), entry, registers, pages);

    private static LoopUnit? FindIn(FlowGraph graph, int entry, int registers, Func<int, (int Distance, long Serial)> pages)
    {
        graph.Connect();
        HashSet<int> all = [.. graph.All];
        HashSet<int> cycle = CycleThrough(graph, entry, all, cut: null);
        for (int around = 0; cycle.Count != 0 && around < MostAround; around++)
        {
            int header = HeaderOf(graph, cycle, all);
            HashSet<int> loop = graph.WithCallees(cycle);
            if (Fits(graph, loop)
                && (RegistersOf(graph, loop) <= registers + (HasFloats(graph, loop) ? MoreWithFloats : 0)
                    || !HasCycle(graph, loop, header)))
            {
                return UnitOf(graph, loop, entry, pages);
            }

            cycle = header == entry ? [] : CycleThrough(graph, entry, cycle, header);
        }

        return null;
    }

    /// <summary>Where a loop is come to from outside; without the jumps back to it the loops within are left.</summary>
    private static int HeaderOf(FlowGraph graph, HashSet<int> cycle, HashSet<int> all)
    {
        int header = int.MaxValue;
        foreach (int from in all)
        {
            if (!cycle.Contains(from))
            {
                foreach (int to in graph.Next(from))
                {
                    header = cycle.Contains(to) ? Math.Min(header, to) : header;
                }
            }
        }

        return header == int.MaxValue ? cycle.Min() : header;
    }

    /// <summary>Whether some blocks have a cycle that does not go through one of them.</summary>
    private static bool HasCycle(FlowGraph graph, HashSet<int> blocks, int without)
    {
        Dictionary<int, int> comeTo = blocks.ToDictionary(block => block, _ => 0);
        foreach (int block in blocks)
        {
            foreach (int to in graph.Next(block))
            {
                if (to != without && comeTo.TryGetValue(to, out int times))
                {
                    comeTo[to] = times + 1;
                }
            }
        }

        // Takes away what nothing leads to, until nothing is left or all that is has something before it.
        Stack<int> open = new(blocks.Where(block => comeTo[block] == 0));
        int gone = 0;
        while (open.TryPop(out int block))
        {
            gone++;
            foreach (int to in graph.Next(block))
            {
                if (to != without && comeTo.TryGetValue(to, out int times))
                {
                    comeTo[to] = times - 1;
                    if (times == 1)
                    {
                        open.Push(to);
                    }
                }
            }
        }

        return gone < blocks.Count;
    }

    private static LoopUnit UnitOf(FlowGraph graph, HashSet<int> loop, int entry, Func<int, (int Distance, long Serial)> pages)
    {
        Dictionary<int, List<int>> returns = graph.Returns(loop);
        foreach (List<int> sites in returns.Values.Where(sites => sites.Count > MostSites))
        {
            sites.RemoveRange(MostSites, sites.Count - MostSites);
        }

        IEnumerable<int> order = loop.Where(place => place >= entry).Order().Concat(loop.Where(place => place < entry).Order());
        return new LoopUnit([.. order.Select(place => graph.BlockOf(place, loop, returns))])
        {
            OtherPages = [.. PagesOf(graph, loop).Where(distance => distance != 0).Select(pages)],
        };
    }

    /// <summary>The blocks on cycles through one of them, within some blocks, when no jump leads to the block that is cut off.</summary>
    private static HashSet<int> CycleThrough(FlowGraph graph, int entry, HashSet<int> within, int? cut)
    {
        HashSet<int> reached = [];
        Dictionary<int, List<int>> back = [];
        Stack<int> open = new([entry]);
        while (open.TryPop(out int block))
        {
            foreach (int to in graph.Next(block))
            {
                if (to == cut || !within.Contains(to))
                {
                    continue;
                }

                if (!back.TryGetValue(to, out List<int>? before))
                {
                    back.Add(to, before = []);
                }

                before.Add(block);
                if (reached.Add(to))
                {
                    open.Push(to);
                }
            }
        }

        HashSet<int> cycle = [];
        if (reached.Contains(entry))
        {
            cycle.Add(entry);
            open.Push(entry);
        }

        while (open.TryPop(out int block))
        {
            foreach (int from in back[block])
            {
                if (cycle.Add(from))
                {
                    open.Push(from);
                }
            }
        }

        return cycle;
    }

    private static bool HasFloats(FlowGraph graph, HashSet<int> loop) => loop.Any(place => LoopUnit.HasFloats((Op*)graph[place]));

    private static bool Fits(FlowGraph graph, HashSet<int> loop)
    {
        int ops = 0;
        foreach (int place in loop)
        {
            for (Op* op = (Op*)graph[place]; !Decoder.IsLast(op->Code); op++)
            {
                ops++;
            }
        }

        return ops <= MostOps && PagesOf(graph, loop).Count() <= MostPages;
    }

    /// <summary>The pages that a loop lies in, by how many they are further than the first.</summary>
    private static IEnumerable<int> PagesOf(FlowGraph graph, HashSet<int> loop) =>
        loop.SelectMany<int, int>(place => BlockDecoder.Crosses((Op*)graph[place]) ? [PageOf(place), PageOf(place) + 1] : [PageOf(place)])
            .Distinct();

    private static int PageOf(int place) => place >> Memory.PhysicalMemory.PageShift;

    private static int RegistersOf(FlowGraph graph, HashSet<int> loop)
    {
        uint registers = 0;
        Dictionary<int, List<int>> returns = graph.Returns(loop);
        foreach (int place in loop)
        {
            LoopBlock block = graph.BlockOf(place, loop, returns);
            for (int i = 0; i <= block.LastInside; i++)
            {
                Operands operands = Operands.Of(block.Ops + i);
                registers |= operands.Reads | operands.Writes;
            }
        }

        return System.Numerics.BitOperations.PopCount(registers);
    }
}
