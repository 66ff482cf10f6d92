namespace PsVm.Riscv.Translation.Cache;

/// <summary>
/// Pages of a hart's RAM that were found equal to pages of code, and that its family may begin with: if nobody has written them. On its
/// thread.
/// </summary>
/// <param name="space">The space of the pages.</param>
/// <param name="account">The guest's part.</param>
/// <param name="content">What its RAM held when it began.</param>
/// <param name="areUnwritten">Says of pages, by their host addresses, whether nobody has written them up to now.</param>
/// <remarks>
/// They are compared first, and looked at later: what nobody has written up to then held the same when the guest began. So many can be
/// looked at at once, which costs a call of the kernel's for each.
/// </remarks>
internal sealed class UnwrittenPages(CodeSpace space, CodeAccount account, string content, Func<nint[], bool[]> areUnwritten)
{
    private const int Most = 32;

    private readonly List<(CodePage Page, nint Host)> _pages = [];
    private int _asked;

    /// <summary>Notes a page.</summary>
    /// <param name="page">The page of code, which was seen first at the number of the hart's page.</param>
    /// <param name="host">Where the hart's is.</param>
    public void Add(CodePage page, nint host)
    {
        _pages.Add((page, host));
        if (_pages.Count >= Most)
        {
            Look();
        }
    }

    /// <summary>Looks at what there is, if it has waited for some time.</summary>
    public void LookNowAndThen()
    {
        if (_pages.Count > 0 && ++_asked >= Most)
        {
            Look();
        }
    }

    private void Look()
    {
        bool[] unwritten = areUnwritten([.. _pages.Select(page => page.Host)]);
        space.AddInitial(account, content, _pages.Where((_, number) => unwritten[number]).Select(page => page.Page));
        _pages.Clear();
        _asked = 0;
    }
}
