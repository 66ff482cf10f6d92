using System.Diagnostics;

namespace PsVm.Riscv.Translation.Cache;

/// <summary>
/// Who pays for pages of code when there is no room: a guest for those that it alone needs, a scope for the others. Guarded by its space.
/// </summary>
internal abstract class CodePayer
{
    /// <summary>Guests that pay together.</summary>
    public abstract int Guests { get; }

    /// <summary>The pages that it pays for.</summary>
    public HashSet<CodePage> Pages { get; } = [];

    /// <summary>What they take, those included that leave and are not free yet.</summary>
    public CodeUse Use { get; set; }
}

/// <summary>
/// Who shares code: pages are looked for within one scope only, so none of another scope is ever run. Pays for what several of its guests
/// have needed. Guarded by its space.
/// </summary>
/// <param name="family">What those who share it have in common; null: it is one guest's alone.</param>
internal sealed class CodeScope(string? family) : CodePayer
{
    private readonly bool _isGuests = family is null;
    private long _leftAt;
    private long _lookupsLeft = long.MaxValue;

    /// <summary>What those who share it have in common; null: it is one guest's alone.</summary>
    public string? Family { get; private set; } = family;

    /// <summary>All pages of the scope, by a hash of their content.</summary>
    public Dictionary<int, List<CodePage>> ByContent { get; } = [];

    /// <summary>
    /// The latest of them that was seen first as the page of a number: clones of one template have most of their code at one place.
    /// </summary>
    public Dictionary<long, CodePage> ByNumber { get; } = [];

    /// <summary>Guests that have it open.</summary>
    public int Accounts { get; set; }

    /// <summary>What its guests begin with.</summary>
    public InitialPagesFinder Initial { get; } = new();

    /// <inheritdoc/>
    public override int Guests => Accounts;

    /// <summary>
    /// Whether a family may have it from now on: it began as one guest's alone, and nobody but that guest has it open. What is a family's
    /// already no other guests come to share.
    /// </summary>
    public bool CanGoTo => _isGuests && Accounts == 1;

    /// <summary>Makes it a family's.</summary>
    /// <param name="heir">The family.</param>
    /// <param name="now">When that is, as <see cref="CodePage.LastUse"/> counts.</param>
    /// <param name="lookups">What nobody has looked up after so many look-ups is not needed by the family.</param>
    public void GoTo(string heir, long now, long lookups)
    {
        Debug.Assert(CanGoTo, "guests that do not know each other share no code");
        Family = heir;
        _leftAt = now;
        Volatile.Write(ref _lookupsLeft, lookups);
    }

    /// <summary>Counts a look-up. Whether what is <see cref="Unneeded"/> can go now. Safe from any thread.</summary>
    public bool CountLookup() =>
        Volatile.Read(ref _lookupsLeft) != long.MaxValue && Interlocked.Decrement(ref _lookupsLeft) == 0;

    /// <summary>The pages that nobody has looked up since they were left to the family.</summary>
    public List<CodePage> Unneeded() => [.. ByContent.Values.SelectMany(pages => pages).Where(page => page.LastUse <= _leftAt)];

    /// <summary>When <see cref="CountLookup"/> says so next.</summary>
    /// <param name="lookups">After so many; null: not any more.</param>
    public void CountAgain(long? lookups) => Volatile.Write(ref _lookupsLeft, lookups ?? long.MaxValue);
}

/// <summary>One guest's part of a scope: it pays for the pages that it alone has needed so far. Guarded by its space.</summary>
/// <param name="scope">The scope.</param>
internal sealed class CodeAccount(CodeScope scope) : CodePayer
{
    /// <summary>The scope.</summary>
    public CodeScope Scope => scope;

    /// <summary>Harts that run code of it.</summary>
    public int Harts { get; set; }

    /// <summary>The translations that its harts have asked for; kept by the <see cref="TranslationQueue"/>.</summary>
    public Queue<TranslationRequest> Requests { get; } = [];

    /// <inheritdoc/>
    public override int Guests => 1;
}

/// <summary>What pages of code take.</summary>
/// <param name="Decoded">Bytes of their content and their decoded blocks.</param>
/// <param name="Code">Bytes of their translations.</param>
internal readonly record struct CodeUse(long Decoded, long Code)
{
    public static CodeUse operator +(CodeUse left, CodeUse right) => new(left.Decoded + right.Decoded, left.Code + right.Code);

    public static CodeUse operator -(CodeUse left, CodeUse right) => new(left.Decoded - right.Decoded, left.Code - right.Code);

    /// <summary>The one or the other.</summary>
    public long Of(bool code) => code ? Code : Decoded;
}
