using PsVm.Riscv.Decoding;
using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Translation.Units;

/// <summary>
/// Blocks that are come to from one of them, and how. A call leads to what is called and, where that is seen to return, to where it goes
/// on; a return by itself leads nowhere, so a way through the graph is never one into a function from one call and back to another.
/// </summary>
internal sealed unsafe class FlowGraph
{
    private const int MostBlocks = 96;

    /// <summary>
    /// The most ways between blocks but for one block's: a block may have a hundred branches, and each search goes along all of them.
    /// </summary>
    public const int MostWays = 512;

    private readonly Dictionary<int, Node> _nodes = [];

    // Searches ask for them again for each call and each loop around it, and a guest can write code in which both are many.
    private readonly Dictionary<int, HashSet<int>> _functions = [];

    /// <param name="blockAt">Gives the block at a place, counted from the start of the first page, or 0.</param>
    /// <param name="entry">The block to begin with.</param>
    /// <param name="withCalls">Whether calls are followed, and ways to other pages.</param>
    public FlowGraph(Func<int, nint> blockAt, int entry, bool withCalls)
    {
        // What a loop calls comes after all of the loop, so that it takes no room from that.
        Queue<int> open = new([entry]), called = [];
        int ways = 0;
        while ((open.TryDequeue(out int place) || called.TryDequeue(out place)) && _nodes.Count < MostBlocks && ways < MostWays)
        {
            if (_nodes.ContainsKey(place) || blockAt(place) is not (not 0 and var ops))
            {
                continue;
            }

            Node node = new(ops, place - ((Op*)ops)->Offset, withCalls);
            _nodes.Add(place, node);
            ways += node.Jumps.Length + (node.Callee is null ? 0 : 2);
            foreach (int to in node.Jumps)
            {
                open.Enqueue(to);
            }

            if (node.Callee is { } callee)
            {
                called.Enqueue(callee);
                called.Enqueue(node.Site);
            }
        }
    }

    /// <summary>Sees which functions return, and so where control may go on.</summary>
    public void Connect()
    {
        for (bool changed = true; changed;)
        {
            changed = false;
            foreach (Node node in _nodes.Values)
            {
                changed |= !node.MayReturn && (node.MayReturn = CanReturn(node));
            }
        }

        List<int> next = [];
        foreach (Node node in _nodes.Values)
        {
            next.Clear();
            foreach (int to in node.Jumps)
            {
                if (_nodes.ContainsKey(to))
                {
                    next.Add(to);
                }
            }

            if (node.Callee is { } callee && MayReturn(callee))
            {
                next.Add(callee);
                if (_nodes.ContainsKey(node.Site))
                {
                    next.Add(node.Site);
                }
            }

            node.Next = [.. next];
        }
    }

    /// <summary>All blocks.</summary>
    public IEnumerable<int> All => _nodes.Keys;

    /// <summary>The operations of a block.</summary>
    public nint this[int place] => _nodes[place].Ops;

    /// <summary>Where control goes on from a block.</summary>
    public int[] Next(int place) => _nodes[place].Next;

    /// <summary>Some blocks, with all functions that they call and that return to them.</summary>
    public HashSet<int> WithCallees(HashSet<int> blocks)
    {
        HashSet<int> all = [.. blocks];
        Stack<int> open = new(blocks);
        while (open.TryPop(out int place))
        {
            if (CalleeOf(place, all) is { } callee)
            {
                foreach (int of in Function(callee).Where(all.Add))
                {
                    open.Push(of);
                }
            }
        }

        return all;
    }

    /// <summary>The block at a place as one of a loop.</summary>
    public LoopBlock BlockOf(int place, HashSet<int> loop, IReadOnlyDictionary<int, List<int>> returns)
    {
        Node node = _nodes[place];
        return new LoopBlock(node.Ops, node.Origin, loop.Contains, returns.GetValueOrDefault(place) ?? []);
    }

    /// <summary>For each block of a loop that returns from a function: where the loop goes on.</summary>
    public Dictionary<int, List<int>> Returns(HashSet<int> loop)
    {
        Dictionary<int, List<int>> returns = [];
        foreach (int place in loop.Order())
        {
            if (CalleeOf(place, loop) is not { } callee)
            {
                continue;
            }

            foreach (int end in Function(callee).Where(of => _nodes[of].Returns && loop.Contains(of)))
            {
                List<int> sites = returns.TryGetValue(end, out List<int>? known) ? known : returns[end] = [];
                if (loop.Contains(_nodes[place].Site) && !sites.Contains(_nodes[place].Site))
                {
                    sites.Add(_nodes[place].Site);
                }
            }
        }

        return returns;
    }

    /// <summary>What a block calls, where that is one of some blocks, or returns to one.</summary>
    private int? CalleeOf(int place, HashSet<int> blocks)
    {
        Node node = _nodes[place];
        return node.Callee is { } callee && MayReturn(callee) && (blocks.Contains(node.Site) || blocks.Contains(callee)) ? callee : null;
    }

    /// <summary>The blocks of a function from which it may return, without those that it calls.</summary>
    private HashSet<int> Function(int entry)
    {
        if (_functions.TryGetValue(entry, out HashSet<int>? known))
        {
            return known;
        }

        HashSet<int> function = _functions[entry] = [entry];
        Stack<int> open = new([entry]);
        while (open.TryPop(out int place))
        {
            Node node = _nodes[place];
            foreach (int to in node.Next)
            {
                if (to != node.Callee && MayReturn(to) && function.Add(to))
                {
                    open.Push(to);
                }
            }
        }

        return function;
    }

    private bool MayReturn(int place) => _nodes.TryGetValue(place, out Node? node) && node.MayReturn;

    private bool CanReturn(Node node)
    {
        foreach (int to in node.Jumps)
        {
            if (MayReturn(to))
            {
                return true;
            }
        }

        return node.Returns || (node.Callee is { } callee && MayReturn(callee) && MayReturn(node.Site));
    }

    /// <summary>A block.</summary>
    private sealed class Node
    {
        public Node(nint ops, int origin, bool withCalls)
        {
            (Ops, Origin, Returns) = (ops, origin, withCalls && LoopBlock.EndsWithReturn(ops));
            List<LoopEdge> edges = LoopBlock.EdgesOf(ops, origin);
            Jumps =
            [
                .. edges.Where(edge => edge.Kind == EdgeKind.Jump && (withCalls || edge.To is >= 0 and < (int)PhysicalMemory.PageSize))
                    .Select(edge => edge.To).Distinct(),
            ];
            foreach (LoopEdge edge in edges.Where(edge => edge.Kind == EdgeKind.Call && withCalls))
            {
                (Callee, Site) = (edge.To, origin + LoopBlock.LastOf(ops)->Offset + LoopBlock.LastOf(ops)->Length);
            }
        }

        public nint Ops { get; }

        public int Origin { get; }

        public int[] Jumps { get; }

        /// <summary>What its last operation calls; null: it calls nothing, or nobody knows what.</summary>
        public int? Callee { get; }

        /// <summary>Where it goes on then.</summary>
        public int Site { get; }

        /// <summary>Where control goes on.</summary>
        public int[] Next { get; set; } = [];

        /// <summary>Whether the function that it is of may return behind it.</summary>
        public bool MayReturn { get; set; }

        /// <summary>Whether its last operation returns from a function.</summary>
        public bool Returns { get; }
    }
}
