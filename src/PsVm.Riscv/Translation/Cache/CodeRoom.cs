using System.Diagnostics;
using PsVm.Riscv.Interpreter;

namespace PsVm.Riscv.Translation.Cache;

/// <summary>
/// Keeps the pages of a space within their bounds: sends some away when there is no room, and frees them once every hart that may run them
/// has left what it ran then. Guarded by its space, but for <see cref="Generation"/>.
/// </summary>
/// <remarks>
/// A hart that calls the host says which page it comes back to (<see cref="BlockCache.BeginCall"/>). One that is in a device's register, or
/// waits for a page of its RAM, does not: those may be in the middle of translated code, where saying so would cost every access. But a
/// hart runs pages of its own scope alone; so such a one keeps no other from going, and when it stays for longer than patience lasts,
/// others go instead.
/// </remarks>
/// <param name="pages">The pages.</param>
/// <param name="requests">The translations that were asked for.</param>
/// <param name="decodedBytes">Bytes of decoded blocks and their pages at most.</param>
/// <param name="codeBytes">Bytes of translations at most.</param>
/// <param name="patience">How long pages that left may wait for harts of their scope before pages of other scopes go as well.</param>
internal sealed class CodeRoom(CodePages pages, TranslationQueue requests, long decodedBytes, long codeBytes, TimeSpan patience)
{
    // When room is needed, this part of all of it is made free.
    private const int Share = 8;

    private readonly List<CodePage> _leaving = [];

    // Scopes whose pages wait for a hart, and since when.
    private readonly Dictionary<CodeScope, long> _waiting = [];
    private readonly HashSet<BlockCache> _users = [];

    // Pages that harts come back to, and scopes of harts that may be anywhere; kept, since this is asked often.
    private readonly HashSet<int> _held = [];
    private readonly HashSet<CodeScope> _busy = [];

    // No decoded blocks were found that could go, and none have come or gone since: harts ask again at each instruction that is new to
    // them.
    private bool _isExhausted;
    private long _generation;

    /// <summary>Goes up each time pages have to leave. A user that has seen it knows none of them any more. Safe from any thread.</summary>
    public long Generation => Volatile.Read(ref _generation);

    /// <summary>Pages that were sent away and are free.</summary>
    public long EvictedPages { get; private set; }

    /// <summary>
    /// Sends away what a scope does not need of what was left to it. Whether all of that is free; else this is to be called again.
    /// </summary>
    public bool TryRetire(CodeScope scope)
    {
        if (scope.Unneeded() is { Count: > 0 } unneeded)
        {
            SendAway(unneeded);
        }
        else
        {
            Collect();
        }

        return !_leaving.Exists(page => page.Scope == scope);
    }

    /// <summary>Has the harts of a scope look up again what they use.</summary>
    public void LookAgain(CodeScope scope)
    {
        foreach (BlockCache user in _users.Where(user => user.Account.Scope == scope))
        {
            user.LookAgain();
        }
    }

    /// <summary>Whether there are harts that may run code of it.</summary>
    public bool HasUsers => _users.Count > 0;

    /// <summary>The pages of what is being translated, which must not be freed meanwhile.</summary>
    public IReadOnlyCollection<CodePage> InTranslation { get; set; } = [];

    public void Attach(BlockCache user) => _users.Add(user);

    public void Detach(BlockCache user) => _users.Remove(user);

    /// <summary>Whether so much more can be decoded now; makes room where it is scarce.</summary>
    public bool HasFor(long bytes)
    {
        Debug.Assert(pages.DecodedBytes <= decodedBytes, "room is looked for before something is decoded");
        if (pages.DecodedBytes + bytes > decodedBytes)
        {
            Make(forCode: false, bytes);
        }

        bool has = pages.DecodedBytes + bytes <= decodedBytes;
        _isExhausted &= !has;
        return has;
    }

    /// <summary>Sends pages away. Their memory is free when every hart has been between two blocks since.</summary>
    /// <param name="forCode">Room for translations is needed; else for decoded blocks.</param>
    /// <param name="needed">So many bytes at least.</param>
    public void Make(bool forCode, long needed)
    {
        Collect();
        if (_waiting.Values.Any(since => Stopwatch.GetElapsedTime(since) < patience))
        {
            return; // some are on their way already
        }

        if (_isExhausted && !forCode)
        {
            return;
        }

        long limit = forCode ? codeBytes : decodedBytes;
        IEnumerable<CodePage> free = pages.All.Where(page => !page.IsLeaving && !_waiting.ContainsKey(page.Scope));
        List<CodePage> chosen = CodeEviction.Choose(free, forCode, Math.Max(limit / Share, needed));
        if (chosen.Count == 0)
        {
            _isExhausted |= !forCode;
            return; // all there is is on its way, and held by harts
        }

        SendAway(chosen);
    }

    /// <summary>Sends pages away, as <see cref="Make"/> does.</summary>
    public void SendAway(List<CodePage> chosen)
    {
        chosen.ForEach(pages.Forget);
        _leaving.AddRange(chosen);
        requests.DropLeaving();
        Volatile.Write(ref _generation, _generation + 1);
        Interlocked.MemoryBarrier(); // who begins to run after this line sees the new generation
        foreach (BlockCache user in _users)
        {
            user.LeaveBlocks();
        }

        Collect();
    }

    /// <summary>Removes a page that no hart can come to any more: at once, or when its translation is made.</summary>
    public void Remove(CodePage page)
    {
        pages.Forget(page);
        if (InTranslation.Contains(page))
        {
            page.ChargeScope();
            _leaving.Add(page);
        }
        else
        {
            pages.Free(page);
        }
    }

    /// <summary>
    /// Frees the pages that left, when no hart of their scope can be running their code; those that harts come back to from a call of the
    /// host, or that is being translated, stay until then.
    /// </summary>
    public void Collect()
    {
        if (_leaving.Count == 0)
        {
            return;
        }

        _held.Clear();
        _busy.Clear();
        foreach (BlockCache user in _users)
        {
            int page = user.InUse(_generation);
            if (page == BlockCache.AnyPage)
            {
                _busy.Add(user.Account.Scope);
            }
            else
            {
                _held.Add(page);
            }
        }

        _leaving.RemoveAll(page =>
        {
            if (InTranslation.Contains(page) || _held.Contains(page.Id) || _busy.Contains(page.Scope))
            {
                return false;
            }

            pages.Free(page);
            EvictedPages++;
            _isExhausted = false;
            return true;
        });
        _busy.IntersectWith(_leaving.Select(page => page.Scope));
        foreach (CodeScope scope in _waiting.Keys) // what is enumerated may lose what it is at
        {
            if (!_busy.Contains(scope))
            {
                _waiting.Remove(scope);
                _isExhausted = false;
            }
        }

        foreach (CodeScope scope in _busy)
        {
            _waiting.TryAdd(scope, Stopwatch.GetTimestamp());
        }
    }
}
