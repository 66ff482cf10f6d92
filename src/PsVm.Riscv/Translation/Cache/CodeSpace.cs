using System.Diagnostics;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.Interpreter;
using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Translation.Cache;

/// <summary>What a <see cref="CodeCache"/> holds: pages, their decoded blocks, and translations, under one gate.</summary>
internal sealed unsafe class CodeSpace : IDisposable
{
    // In so many parts of the look-ups after which pages go it is looked whether harts have left them.
    private const long Tries = 32;

    // What is in no loop within its page is looked for in others, with calls, when so many times as many slices have ended there: there is
    // more to look at.
    private const int WideThreshold = 8;

    private readonly Lock _gate = new();
    private readonly TranslatorOptions _options;
    private readonly TranslationQueue _requests = new();
    private readonly CodePages _pages;
    private readonly CodeMemory? _memory;
    private readonly Translator? _translator;
    private bool _disposed;
    private bool _freed;
    private long _sharedPages;

    /// <param name="options">The second tier.</param>
    public CodeSpace(TranslatorOptions options)
    {
        _options = options;
        HostBackEnd? host = null;
        if (options.Enabled && HostBackEnd.IsSupported)
        {
            (_memory, host, Unavailable) = TryGetMemory(options);
        }

        _pages = new CodePages(_memory);
        Room = new CodeRoom(_pages, _requests, options.DecodedBytes, (long)(_memory?.Size ?? 0), options.EvictionPatience);
        if (_memory is not null && host is not null)
        {
            NotTranslated = host.NotTranslated;
            Runner = new CodeRunner(host);
            _translator = new Translator(options, _gate, _memory, host, _pages, Room, _requests)
            {
                Decode = (page, offset) => (nint)Decode(page, offset),
                Ended = Free,
            };
        }
    }

    /// <summary>Why blocks cannot be translated though that was wanted; null: they can, or it was not.</summary>
    public string? Unavailable { get; }

    /// <summary>Runs translated code; null: blocks are not translated.</summary>
    public CodeRunner? Runner { get; }

    /// <summary>Where a jump goes whose target has no translation; null without the second tier.</summary>
    public byte* NotTranslated { get; }

    /// <summary>What it has room for.</summary>
    public CodeRoom Room { get; }

    /// <summary>What there is, and what was done.</summary>
    public CodeCacheUsage Usage
    {
        get
        {
            lock (_gate)
            {
                return new CodeCacheUsage
                {
                    CodeBytes = (long)(_memory?.Used ?? 0),
                    DecodedBytes = _pages.DecodedBytes,
                    TranslatedBlocks = _pages.TranslatedBlocks,
                    TranslatedLoops = _pages.TranslatedLoops,
                    LoopsGivenUp = _translator?.Watched.GivenUp ?? 0,
                    Waiting = _requests.Count,
                    TranslationTime = _translator?.Time ?? TimeSpan.Zero,
                    SharedPages = _sharedPages,
                    EvictedPages = Room.EvictedPages,
                    Failures = _translator?.Failures ?? 0,
                    LastFailure = _translator?.LastFailure,
                    Unavailable = Unavailable,
                };
            }
        }
    }

    public void Attach(BlockCache user)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, typeof(CodeCache));
            Room.Attach(user);
            user.Account.Harts++;
        }
    }

    public void Detach(BlockCache user)
    {
        lock (_gate)
        {
            Room.Detach(user);
            user.Account.Harts--;
            Free();
        }
    }

    /// <inheritdoc cref="CodePages.OpenAccount"/>
    public CodeAccount OpenAccount(string? family)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, typeof(CodeCache));
            return _pages.OpenAccount(family);
        }
    }

    /// <inheritdoc cref="CodeCache.TryLeaveTo"/>
    public bool TryLeaveTo(CodeAccount account, string family)
    {
        lock (_gate)
        {
            if (_disposed || !_pages.TryLeaveTo(account.Scope, family, _options.InheritedLookups))
            {
                return false;
            }

            Room.LookAgain(account.Scope); // what the guest itself goes on to use is needed, too
            return true;
        }
    }

    /// <summary>
    /// Closes what <see cref="OpenAccount"/> opened; its harts are gone. What a family has translated stays for the next of it.
    /// </summary>
    public void CloseAccount(CodeAccount account)
    {
        lock (_gate)
        {
            Debug.Assert(account.Harts == 0, "a guest closes its account after its harts are gone");
            if (_disposed)
            {
                return; // all goes with the last user
            }

            CodeScope scope = account.Scope;
            scope.Accounts--;
            _translator?.Drop(account);
            foreach (CodePage page in account.Pages.ToArray())
            {
                if (page.IsLeaving || scope.Family is not null)
                {
                    page.ChargeScope();
                }
                else
                {
                    Room.Remove(page); // nobody else can find it, and no jump leads to it from another
                }
            }

            _pages.ForgetIfEmpty(scope);
        }
    }

    /// <summary>Ends it; what users still need goes with the last of them.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (!_disposed)
            {
                _disposed = true;
                _translator?.Stop();
                Free();
            }
        }
    }

    /// <summary>The page of an account's scope with the content of a hart's page, wherever it is.</summary>
    /// <param name="account">Whose hart asks.</param>
    /// <param name="number">Number of the page, counted over all RAM of its guest: where it is looked for first.</param>
    /// <param name="host">Its first byte.</param>
    /// <param name="isa">The hart's extensions, which decide what an instruction is.</param>
    /// <returns>Null: there is no room for it now.</returns>
    public CodePage? FindPage(CodeAccount account, long number, byte* host, IsaExtensions isa)
    {
        const int Size = (int)PhysicalMemory.PageSize;
        lock (_gate)
        {
            if (CodePages.FindAt(account.Scope, number, host, isa) is { } clones)
            {
                return Share(clones, account);
            }
        }

        HashCode hash = default;
        hash.AddBytes(new ReadOnlySpan<byte>(host, Size));
        int key = hash.ToHashCode();
        lock (_gate)
        {
            if (CodePages.Find(account.Scope, key, host, isa) is { } page)
            {
                return Share(page, account);
            }

            if (!Room.HasFor(Size))
            {
                return null;
            }

            page = _pages.Add(account, number, key, host, isa);
            Touch(page);
            return page;
        }
    }

    /// <summary>What a guest begins with, as far as its family knows; null: it shares with nobody, or nothing is known.</summary>
    /// <param name="account">The guest's part.</param>
    /// <param name="content">What its RAM holds: equal for all guests of the family whose RAM holds the same.</param>
    /// <param name="isa">The extensions of its harts.</param>
    public InitialPages? FindInitial(CodeAccount account, string content, IsaExtensions isa)
    {
        lock (_gate)
        {
            InitialPages? found = account.Scope.Initial.Find(content, isa);
            _sharedPages += found?.Pages.Count ?? 0;
            return found;
        }
    }

    /// <summary>Pages of a guest were seen to hold what they held when it began.</summary>
    public void AddInitial(CodeAccount account, string content, IEnumerable<CodePage> pages)
    {
        lock (_gate)
        {
            foreach (CodePage page in pages)
            {
                if (!page.IsLeaving && page.Scope == account.Scope)
                {
                    page.Scope.Initial.Add(content, page.Isa, page);
                }
            }
        }
    }

    /// <summary>Notes that a page is in use. What was left to its scope and is not needed goes after some time.</summary>
    private void Touch(CodePage page)
    {
        if (_pages.Touch(page))
        {
            lock (_gate)
            {
                page.Scope.CountAgain(Room.TryRetire(page.Scope) ? null : Math.Max(1, _options.InheritedLookups / Tries));
            }
        }
    }

    /// <summary>A page that was there has one more who needs it. Under the gate.</summary>
    private CodePage Share(CodePage page, CodeAccount account)
    {
        _sharedPages++;
        if (page.Payer != account && page.Payer != account.Scope)
        {
            page.ChargeScope();
        }

        Touch(page);
        return page;
    }

    /// <summary>
    /// The block that begins at an offset of a page, decoded when it is not there yet; null: there is no room for it now.
    /// </summary>
    public Op* FindBlock(CodePage page, int offset)
    {
        BlockIndex* index = page.Index;
        BlockHeader* indexed = index is null ? null : BlockIndex.Find(index, offset);
        if (indexed is not null)
        {
            Touch(page);
            return (Op*)(indexed + 1);
        }

        lock (_gate)
        {
            Touch(page);
            return page.Blocks.TryGetValue(offset, out nint known) ? (Op*)known : Decode(page, offset);
        }
    }

    /// <summary>
    /// The block of the instruction that begins in a page's last half-word and goes on in another page, decoded when it is not there yet;
    /// null: there is no room for it now, or the page has been before too many others.
    /// </summary>
    public Op* FindCrossing(CodePage page, CodePage next)
    {
        lock (_gate)
        {
            Touch(page);
            Touch(next);
            uint bits = page.CrossingTo(next);
            if (page.Crossings is { } others && others.TryGetValue(bits, out nint known))
            {
                return (Op*)known;
            }

            if (page.Crossings?.Count >= CodePage.MostCrossings
                || !Room.HasFor(CodePages.BytesOf(BlockDecoder.CrossingOps))
                || page.IsLeaving)
            {
                return null;
            }

            Op* decoded = stackalloc Op[BlockDecoder.CrossingOps];
            BlockDecoder.DecodeCrossing(decoded, bits, page.Isa);
            return _pages.AddCrossing(page, bits, new ReadOnlySpan<Op>(decoded, BlockDecoder.CrossingOps));
        }
    }

    /// <summary>Asks for a block's translation. Whether it is there now; else the interpreter goes on.</summary>
    /// <param name="user">What the hart that asks knows.</param>
    /// <param name="ops">The block.</param>
    /// <param name="address">Where it is for the hart.</param>
    public bool Request(BlockCache user, Op* ops, ulong address)
    {
        BlockHeader* header = BlockHeader.Of(ops);
        lock (_gate)
        {
            header->Heat = int.MinValue; // not asked for again
            if (header->Code is null)
            {
                _translator?.Request(user.Account, ops, PagesAround(user, header, address)); // without one, who counts to 2^31 asks
            }

            return header->Code is not null;
        }
    }

    /// <summary>A slice of a hart is over: loops that were entered too often in it are given up.</summary>
    public void EndSlice()
    {
        if (_translator is { Watched.Any: true } translator)
        {
            lock (_gate)
            {
                translator.Watched.Look();
            }
        }
    }

    /// <summary>Notes that a slice ended where a block begins; the loop around it is translated as one when that is so often.</summary>
    /// <param name="user">What the hart whose slice it was knows.</param>
    /// <param name="ops">The block.</param>
    /// <param name="address">Where it is for the hart.</param>
    /// <returns>False: its loop was looked for, and is not translated.</returns>
    public bool Sample(BlockCache user, Op* ops, ulong address)
    {
        BlockHeader* header = BlockHeader.Of(ops);
        if (header->Page == 0 || header->Code is null)
        {
            return true;
        }

        lock (_gate)
        {
            Touch(_pages.Of(header));
            header->Samples++;
            bool wide = header->Samples == WideThreshold * _options.LoopThreshold && header->IsLoop == 0;
            if (_options.TranslatesAtOnce ? int.IsPow2(header->Samples) : wide || header->Samples == _options.LoopThreshold)
            {
                _translator?.RequestLoop(
                    user.Account,
                    ops,
                    wide || _options.TranslatesAtOnce ? PagesAround(user, header, address) : new PagesAround(_pages.Of(header), null));
            }

            return header->IsLoop != 0 || header->Samples <= _options.LoopThreshold;
        }
    }

    private PagesAround PagesAround(BlockCache user, BlockHeader* header, ulong address) =>
        new(
            _pages.Of(header),
            distance => user.PageAt((address + ((ulong)distance << PhysicalMemory.PageShift)) >> PhysicalMemory.PageShift));

    /// <summary>Memory for translations, and what makes them; or why there is none.</summary>
    private static (CodeMemory? Memory, HostBackEnd? Host, string? Refusal) TryGetMemory(TranslatorOptions options)
    {
        var memory = CodeMemory.TryMap((nuint)options.CodeBytes, out string? refusal);
        if (memory is null)
        {
            return (null, null, refusal);
        }

        try
        {
            return (memory, HostBackEnd.TryMake(memory, options.BufferBytes), null);
        }
        catch (OutOfMemoryException)
        {
            memory.Dispose();
            return (null, null, $"no memory for a buffer of {options.BufferBytes} bytes");
        }
    }

    /// <summary>Decodes a block; null: there is no room for it now.</summary>
    private Op* Decode(CodePage page, int offset)
    {
        Op* decoded = stackalloc Op[BlockDecoder.MaxOps];
        int count = BlockDecoder.Decode(decoded, page.Bytes, offset, page.Isa);
        return Room.HasFor(CodePages.MostBytesOf(page, count)) && !page.IsLeaving
            ? _pages.AddBlock(page, offset, new ReadOnlySpan<Op>(decoded, count))
            : null;
    }

    private void Free()
    {
        if (_disposed && !_freed && !Room.HasUsers && _translator is not { IsRunning: true })
        {
            _freed = true;
            foreach (CodePage page in _pages.All.ToArray())
            {
                _pages.Free(page);
            }

            _translator?.Dispose();
            _memory?.Dispose();
        }
    }
}
