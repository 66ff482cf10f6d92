namespace PsVm.Riscv.Translation;

/// <summary>Decides which pages of code go when there is no room.</summary>
/// <remarks>
/// Each guest, and each scope, has a share: the whole divided by how many there are. Pages that are nobody's any more go first, then those
/// of guests that have more than their share, then those of scopes that have; of each the coldest. So a guest that fills the cache pays
/// for it with its own pages, and with nothing of those who stay within theirs, unless what all need together is more than there is.
/// </remarks>
internal static class CodeEviction
{
    /// <summary>The pages that go.</summary>
    /// <param name="pages">All pages that could.</param>
    /// <param name="code">Room for translations is needed; else for decoded blocks.</param>
    /// <param name="limit">The whole, in bytes.</param>
    /// <param name="wanted">Bytes that are to be free.</param>
    public static List<CodePage> Choose(IReadOnlyCollection<CodePage> pages, bool code, long limit, long wanted)
    {
        CodeScope[] scopes = [.. pages.Select(page => page.Scope).Distinct()];
        Dictionary<CodeScope, long> scopeUse = scopes.ToDictionary(scope => scope, scope => scope.Use.Of(code));
        Dictionary<CodeAccount, long> accountUse = pages.Where(page => page.Account is not null)
            .Select(page => page.Account!).Distinct().ToDictionary(account => account, account => account.Use.Of(code));
        long scopeShare = limit / Math.Max(1, scopes.Length);
        long accountShare = limit / Math.Max(1, accountUse.Count);
        List<CodePage> chosen = [];
        HashSet<CodePage> gone = [];
        CodePage[] coldest = [.. pages.Where(page => page.Use.Of(code) > 0).OrderBy(page => page.LastUse)];

        Take(page => page.Scope.Accounts == 0);
        Take(page => page.Account is { } account && accountUse[account] > accountShare);
        Take(page => page.Account is null && scopeUse[page.Scope] > scopeShare);
        Take(_ => true);
        return chosen;

        void Take(Func<CodePage, bool> mayGo)
        {
            foreach (CodePage page in coldest)
            {
                if (wanted <= 0)
                {
                    return;
                }

                if (gone.Contains(page) || !mayGo(page))
                {
                    continue;
                }

                long freed = page.Use.Of(code);
                wanted -= freed;
                scopeUse[page.Scope] -= freed;
                if (page.Account is { } account)
                {
                    accountUse[account] -= freed;
                }

                gone.Add(page);
                chosen.Add(page);
            }
        }
    }
}
