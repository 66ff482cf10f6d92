using System.Diagnostics.CodeAnalysis;

namespace PsVm.Riscv.Translation.Cache;

/// <summary>A block that is to be translated, or the loop around it.</summary>
/// <param name="Page">Its page.</param>
/// <param name="Ops">Its first operation.</param>
/// <param name="Around">The loop, in this page and those around it; null: the block.</param>
internal sealed record TranslationRequest(CodePage Page, nint Ops, PagesAround? Around);

/// <summary>
/// The translations that were asked for. Each guest has a queue of its own, of bounded length, and they are served in turn: so a guest
/// waits for as many translations as there are guests that ask, however many another asks for. Guarded by its space.
/// </summary>
internal sealed class TranslationQueue
{
    /// <summary>What one guest can have waiting. What it asks for beyond that it asks for again when that has gone on being hot.</summary>
    public const int MostOfOneGuest = 256;

    // Each guest that has something waiting, once, in the order of their turns.
    private readonly Queue<CodeAccount> _turns = [];

    /// <summary>Requests that wait, of all guests.</summary>
    public int Count { get; private set; }

    /// <summary>Adds a request of a guest; false: too many of its requests wait already.</summary>
    public bool TryAdd(CodeAccount account, TranslationRequest request)
    {
        if (account.Requests.Count == MostOfOneGuest)
        {
            return false;
        }

        account.Requests.Enqueue(request);
        if (account.Requests.Count == 1)
        {
            _turns.Enqueue(account);
        }

        Count++;
        return true;
    }

    /// <summary>Takes the oldest request of the guest whose turn it is.</summary>
    public bool TryTake([NotNullWhen(true)] out TranslationRequest? request)
    {
        request = null;
        if (!_turns.TryDequeue(out CodeAccount? account))
        {
            return false;
        }

        request = account.Requests.Dequeue();
        if (account.Requests.Count > 0)
        {
            _turns.Enqueue(account);
        }

        Count--;
        return true;
    }

    /// <summary>Drops the requests of all guests that are for a page that leaves.</summary>
    public void DropLeaving() => Drop(request => !request.Page.IsLeaving);

    /// <summary>Drops what a guest has asked for; gives it back.</summary>
    public IReadOnlyList<TranslationRequest> Drop(CodeAccount account)
    {
        TranslationRequest[] dropped = [.. account.Requests];
        account.Requests.Clear();
        Drop(_ => true);
        return dropped;
    }

    /// <summary>Drops everything.</summary>
    public void Clear() => Drop(_ => false);

    private void Drop(Func<TranslationRequest, bool> keep)
    {
        Count = 0;
        for (int guests = _turns.Count; guests > 0; guests--)
        {
            CodeAccount account = _turns.Dequeue();
            for (int requests = account.Requests.Count; requests > 0; requests--)
            {
                TranslationRequest request = account.Requests.Dequeue();
                if (keep(request))
                {
                    account.Requests.Enqueue(request);
                }
            }

            if (account.Requests.Count > 0)
            {
                _turns.Enqueue(account);
                Count += account.Requests.Count;
            }
        }
    }
}
