namespace PsVm.Riscv.Translation.Cache;

/// <summary>
/// The pages of code that are in the RAM of every guest of a family when it begins, as one of them was seen to have them that had not
/// written them. They do not change: safe from any thread.
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

/// <summary>Gathers what guests of a family begin with. Guarded by its space.</summary>
internal sealed class InitialPagesFinder
{
    private readonly Dictionary<long, CodePage> _seen = [];
    private InitialPages? _found;

    /// <summary>Pages that are kept for those to come.</summary>
    public int Count => _seen.Count + (_found?.Pages.Count ?? 0);

    /// <summary>A guest's page was seen to hold what it held when it began.</summary>
    /// <param name="content">What its RAM held then.</param>
    /// <param name="isa">The extensions of its harts.</param>
    /// <param name="page">The page of code that is equal to it, which was seen at that number first.</param>
    public void Add(string content, IsaExtensions isa, CodePage page)
    {
        if (_found?.AreOf(content, isa) != true)
        {
            // The files have been touched, or other ones are used: which pages they hold is to be seen again.
            _seen.Clear();
            _found = new InitialPages(content, isa, []);
        }

        if (_found.Pages.GetValueOrDefault(page.Number) != page)
        {
            _seen[page.Number] = page;
        }
    }

    /// <summary>A page leaves. A guest may run all pages of its RAM one after the other, of which the space has room for a few.</summary>
    public void Forget(CodePage page)
    {
        if (_seen.GetValueOrDefault(page.Number) == page)
        {
            _seen.Remove(page.Number);
        }
    }

    /// <summary>What a guest begins with; null: nothing is known yet.</summary>
    /// <param name="content">What its RAM holds.</param>
    /// <param name="isa">The extensions of its harts.</param>
    public InitialPages? Find(string content, IsaExtensions isa)
    {
        if (_found?.AreOf(content, isa) != true)
        {
            return null;
        }

        if (_seen.Count > 0 || _found.Pages.Values.Any(page => page.IsLeaving))
        {
            Dictionary<long, CodePage> pages = [];
            foreach ((long number, CodePage page) in _found.Pages.Concat(_seen).Where(pair => !pair.Value.IsLeaving))
            {
                pages[number] = page;
            }

            _found = new InitialPages(content, isa, pages);
            _seen.Clear();
        }

        return _found;
    }
}
