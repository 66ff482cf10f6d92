namespace PsVm.Riscv.Translation.Cache;

/// <summary>Decides which pages of code go when there is no room.</summary>
/// <remarks>
/// Pages of scopes that no guest has open go first. Then, page by page, the payer that takes the most for each of its guests gives its
/// coldest. So a guest that fills the cache pays for it with its own pages, down to what the next largest takes, and one that takes little
/// keeps it, however long it sleeps.
/// </remarks>
internal static class CodeEviction
{
    /// <summary>The pages that go.</summary>
    /// <param name="pages">All pages that could.</param>
    /// <param name="code">Room for translations is needed; else for decoded blocks.</param>
    /// <param name="wanted">Bytes that are to be free.</param>
    public static List<CodePage> Choose(IEnumerable<CodePage> pages, bool code, long wanted)
    {
        List<CodePage> chosen = [];
        PriorityQueue<Part, (long Rank, long LastUse)> parts = new();
        foreach (IGrouping<CodePayer, CodePage> group in pages.Where(page => page.Use.Of(code) > 0).GroupBy(page => page.Payer))
        {
            Part part = new(group.Key.Guests, new Queue<CodePage>(group.OrderBy(page => page.LastUse))) { Use = group.Key.Use.Of(code) };
            parts.Enqueue(part, part.Priority);
        }

        while (wanted > 0 && parts.TryDequeue(out Part? part, out _))
        {
            CodePage page = part.Coldest.Dequeue();
            chosen.Add(page);
            wanted -= page.Use.Of(code);
            part.Use -= page.Use.Of(code);
            if (part.Coldest.Count > 0)
            {
                parts.Enqueue(part, part.Priority);
            }
        }

        return chosen;
    }

    /// <summary>What one payer has to give.</summary>
    private sealed class Part(int guests, Queue<CodePage> coldest)
    {
        public Queue<CodePage> Coldest => coldest;

        public required long Use { get; set; }

        /// <summary>The least goes first: nobody's, then the most for each guest; of equals what was not used for longer.</summary>
        public (long Rank, long LastUse) Priority => (guests == 0 ? long.MinValue : -(Use / guests), coldest.Peek().LastUse);
    }
}
