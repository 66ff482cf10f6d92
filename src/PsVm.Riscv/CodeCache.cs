using PsVm.Riscv.Memory;
using PsVm.Riscv.Translation.Cache;

namespace PsVm.Riscv;

/// <summary>
/// Decoded and translated code. Harts that are given the same cache share it wherever their pages hold the same instructions: a page is
/// shared by its content, so a page that a guest has written is its own. Its size is bounded: when it is full, pages go, those of the guest
/// that has the most first. Safe from any thread.
/// </summary>
public sealed class CodeCache : IDisposable
{
    private readonly bool _isPart;
    private bool _isClosed;

    /// <summary>Makes an empty cache.</summary>
    /// <param name="options">The second tier; null: <see cref="TranslatorOptions.Default"/>.</param>
    /// <exception cref="ArgumentException">A size is too small, or not whole pages.</exception>
    public CodeCache(TranslatorOptions? options = null)
    {
        Options = options ?? TranslatorOptions.Default;
        if (Options.CodeBytes < TranslatorOptions.LeastCodeBytes || Options.CodeBytes % (long)PhysicalMemory.PageSize != 0)
        {
            throw new ArgumentException(
                $"expected at least {TranslatorOptions.LeastCodeBytes} bytes of code in whole pages, found {Options.CodeBytes}",
                nameof(options));
        }

        Space = new CodeSpace(Options);
        Account = Space.OpenAccount(family: null);
    }

    private CodeCache(CodeCache whole, string? family)
    {
        _isPart = true;
        Options = whole.Options;
        Space = whole.Space;
        Account = Space.OpenAccount(family);
    }

    /// <summary>How blocks are translated.</summary>
    public TranslatorOptions Options { get; }

    /// <summary>What the cache holds now, and what was done for it; of all its parts together.</summary>
    public CodeCacheUsage Usage => Space.Usage;

    internal CodeSpace Space { get; }

    internal CodeAccount Account { get; }

    /// <summary>
    /// A part of this cache for one guest: within the same bounds, but its code is run by guests of the same family only.
    /// Dispose of it after the harts that were given it.
    /// </summary>
    /// <param name="family">What the guests have in common that may share code; null: this one shares with nobody.</param>
    /// <exception cref="ObjectDisposedException">The cache is gone.</exception>
    public CodeCache OpenPart(string? family) => new(this, family);

    /// <summary>
    /// Has a family share what this part's guest has decoded and translated, and the guest with it, for as long as there is room: the guest
    /// is what they were made of. The latest family has it, and only while no other guest has needed the one before.
    /// </summary>
    /// <param name="family">What they have in common.</param>
    /// <returns>False: the family is there already, or the guest shares with others.</returns>
    public bool TryLeaveTo(string family) => _isPart && !Volatile.Read(ref _isClosed) && Space.TryLeaveTo(Account, family);

    /// <summary>Gives up what the cache, or the part, holds; harts that still run keep what they use.</summary>
    public void Dispose()
    {
        if (!_isPart)
        {
            Space.Dispose();
        }
        else if (!Interlocked.Exchange(ref _isClosed, true))
        {
            Space.CloseAccount(Account);
        }
    }
}

/// <summary>What a <see cref="CodeCache"/> holds, and what was done for it since it was made.</summary>
public sealed record CodeCacheUsage
{
    /// <summary>Bytes of host code.</summary>
    public long CodeBytes { get; init; }

    /// <summary>Bytes of decoded blocks and of the pages they were decoded from.</summary>
    public long DecodedBytes { get; init; }

    /// <summary>Blocks that have a translation.</summary>
    public long TranslatedBlocks { get; init; }

    /// <summary>Loops that are translated as one.</summary>
    public long TranslatedLoops { get; init; }

    /// <summary>Of those, that were given up, since they were left so often.</summary>
    public long LoopsGivenUp { get; init; }

    /// <summary>Translations that were asked for and are not made yet.</summary>
    public int Waiting { get; init; }

    /// <summary>Host time that translating took.</summary>
    public TimeSpan TranslationTime { get; init; }

    /// <summary>How often a hart's page was found to be known already, and its code shared.</summary>
    public long SharedPages { get; init; }

    /// <summary>Pages whose code was dropped: to make room, or because nobody of the family needed it to which a guest left it.</summary>
    public long EvictedPages { get; init; }

    /// <summary>Translations that failed, whose code stays with the interpreter.</summary>
    public long Failures { get; init; }

    /// <summary>Why the last of them failed; null: none did.</summary>
    public string? LastFailure { get; init; }

    /// <summary>
    /// Why nothing is translated though that was wanted, such as memory that may not be executable; null: it is, or it was not.
    /// </summary>
    public string? Unavailable { get; init; }
}
