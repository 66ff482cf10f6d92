namespace PsVm.Riscv.Translation.Cache;

/// <summary>
/// The pages of code that are in the RAM of every guest of a family when it begins, as one of them was seen to have them before its first instruction.
/// They do not change: safe from any thread.
/// </summary>
/// <param name="content">What that RAM holds then: equal for guests whose RAM does.</param>
/// <param name="isa">The extensions of their harts.</param>
/// <param name="pages">The pages by their numbers, counted over all RAM.</param>
internal sealed class InitialPages(string content, IsaExtensions isa, Dictionary<long, CodePage> pages)
{
    /// <summary>The pages by their numbers.</summary>
    public Dictionary<long, CodePage> Pages => pages;

    /// <summary>A bit for each page that is one of them.</summary>
    public ulong[] Bits { get; } = BitsOf(pages.Keys);

    /// <summary>Whether they are those of a guest.</summary>
    public bool AreOf(string other, IsaExtensions extensions) => isa == extensions && content == other;

    private static ulong[] BitsOf(Dictionary<long, CodePage>.KeyCollection pages)
    {
        var bits = new ulong[pages.Count == 0 ? 0 : (pages.Max() >> 6) + 1];
        foreach (long page in pages)
        {
            bits[page >> 6] |= 1ul << (int)(page & 63);
        }

        return bits;
    }
}

/// <summary>Finds out what guests of a family begin with: each that begins looks at a few pages more than the one before. Guarded by its space.</summary>
internal sealed class InitialPagesFinder
{
    // The most pages that a start looks at, by which it takes a tenth of a millisecond longer at most; and that wait for the next.
    private const int MostAtOnce = 32, MostCandidates = 4096;

    private readonly Queue<CodePage> _candidates = [];
    private InitialPages? _found;

    /// <summary>A guest has a page at the place where another had it, so it may be one that all have from the start.</summary>
    public void Note(CodePage page)
    {
        if (!page.IsCandidate && _candidates.Count < MostCandidates)
        {
            page.IsCandidate = true;
            _candidates.Enqueue(page);
        }
    }

    /// <summary>What a guest begins with; null: nothing is known yet.</summary>
    /// <param name="content">What its RAM holds, which nobody has written yet.</param>
    /// <param name="isa">The extensions of its harts.</param>
    /// <param name="holds">Whether the page of its RAM that has the number of a page of code holds the same.</param>
    /// <param name="isUnwritten">Whether nobody has written the RAM up to now.</param>
    public InitialPages? Find(string content, IsaExtensions isa, Func<CodePage, bool> holds, Func<bool> isUnwritten)
    {
        if (_found is not null && !_found.AreOf(content, isa))
        {
            // The files have been touched, or other ones are used: which pages they hold is to be seen again.
            foreach (CodePage page in _found.Pages.Values)
            {
                page.IsCandidate = false;
                Note(page);
            }

            _found = null;
        }

        Dictionary<long, CodePage> more = [];
        for (int looks = 0; looks < MostAtOnce && _candidates.TryDequeue(out CodePage? page); looks++)
        {
            if (!page.IsLeaving && page.Isa == isa && holds(page))
            {
                more[page.Number] = page;
            }
        }

        if (more.Count > 0 && isUnwritten())
        {
            foreach ((long number, CodePage page) in _found?.Pages ?? [])
            {
                if (!page.IsLeaving)
                {
                    more.TryAdd(number, page);
                }
            }

            _found = new InitialPages(content, isa, more);
        }
        else if (_found?.Pages.Values.Any(page => page.IsLeaving) == true)
        {
            _found = new InitialPages(content, isa, _found.Pages.Where(pair => !pair.Value.IsLeaving).ToDictionary());
        }

        return _found;
    }
}
