using System.Diagnostics;
using System.Runtime.InteropServices;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.Interpreter;
using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Translation;

/// <summary>
/// What a <see cref="CodeCache"/> holds: pages, their decoded blocks, and translations. When there is no room for more, the pages that
/// were not looked up for the longest time go, once every hart has left what it ran then.
/// </summary>
internal sealed unsafe class CodeSpace : IDisposable
{
    // When room is needed, this part of all of it is made free.
    private const int Share = 8;

    // The thread that translates ends when nothing was asked for so long.
    private static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(2);

    private readonly Lock _gate = new();
    private readonly TranslatorOptions _options;
    private readonly Dictionary<string, CodeScope> _families = [];
    private readonly List<CodePage?> _byNumber = [null];
    private readonly Stack<int> _freeNumbers = [];
    private readonly List<CodePage> _leaving = [];
    private readonly List<BlockCache> _users = [];
    private readonly Queue<(nint Ops, bool Loop)> _requests = [];
    private readonly AutoResetEvent _asked = new(false);
    private readonly TranslationBuffer? _buffer;
    private readonly CodeMemory? _memory;
    private readonly Stubs? _stubs;
    private long _clock;
    private long _generation;
    private bool _translating;
    private bool _disposed;
    private bool _freed;

    // What is told as the usage.
    private long _decodedBytes, _blocks, _loops, _sharedPages, _evictedPages, _failures;
    private string? _lastFailure;
    private TimeSpan _translationTime;

    /// <param name="options">The second tier.</param>
    public CodeSpace(TranslatorOptions options)
    {
        _options = options;
        if (options.Enabled && BlockTranslator.IsSupported)
        {
            _memory = CodeMemory.TryMap((nuint)options.CodeBytes, out string? refusal);
            Unavailable = refusal;
            if (_memory is not null)
            {
                _stubs = new Stubs(_memory);
                _buffer = new TranslationBuffer(options.BufferBytes);
            }
        }
    }

    /// <summary>Why blocks cannot be translated though that was wanted; null: they can, or it was not.</summary>
    public string? Unavailable { get; }

    /// <summary>Whether blocks can be translated.</summary>
    public bool Translates => _stubs is not null;

    /// <summary>Where a jump goes whose target has no translation; null without the second tier.</summary>
    public byte* NotTranslated => _stubs is null ? null : _stubs.NotTranslated;

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
                    DecodedBytes = _decodedBytes,
                    TranslatedBlocks = _blocks,
                    TranslatedLoops = _loops,
                    Waiting = _requests.Count,
                    TranslationTime = _translationTime,
                    SharedPages = _sharedPages,
                    EvictedPages = _evictedPages,
                    Failures = _failures,
                    LastFailure = _lastFailure,
                    Unavailable = Unavailable,
                };
            }
        }
    }

    /// <summary>Goes up each time pages have to leave. A user that has seen it knows none of them any more.</summary>
    public long Generation => Volatile.Read(ref _generation);

    public void Attach(BlockCache user)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, typeof(CodeCache));
            _users.Add(user);
            user.Account.Harts++;
        }
    }

    public void Detach(BlockCache user)
    {
        lock (_gate)
        {
            _users.Remove(user);
            user.Account.Harts--;
            Free();
        }
    }

    /// <summary>Opens a scope for one more guest.</summary>
    /// <param name="family">What those who share it have in common; null: it shares with nobody.</param>
    public CodeAccount OpenAccount(string? family)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, typeof(CodeCache));
            CodeScope? scope = null;
            if (family is null || !_families.TryGetValue(family, out scope))
            {
                scope = new CodeScope(family);
                if (family is not null)
                {
                    _families.Add(family, scope);
                }
            }

            scope.Accounts++;
            return new CodeAccount(scope);
        }
    }

    /// <summary>Closes what <see cref="OpenAccount"/> opened; its harts are gone. What a family has translated stays for the next of it.</summary>
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
            foreach (CodePage page in scope.Pages.Values.SelectMany(variants => variants).ToArray())
            {
                if (page.Account == account)
                {
                    page.LeaveAccount();
                }

                // Nobody else can find a page that was one guest's, and no jump leads to it from another: it can go at once.
                if (scope is { Family: null, Accounts: 0 } && page.Pins == 0)
                {
                    Forget(page);
                    Free(page);
                }
            }

            ForgetFamilyIfEmpty(scope);
        }
    }

    /// <summary>Ends it; what users still need goes with the last of them.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            _requests.Clear();
            _asked.Set();
            Free();
        }
    }

    /// <summary>The page of an account's scope with the content of a hart's page, wherever it is.</summary>
    /// <param name="account">Whose hart asks.</param>
    /// <param name="number">Number of the page, counted over all RAM of its guest; for dumps.</param>
    /// <param name="host">Its first byte.</param>
    /// <param name="isa">The hart's extensions, which decide what an instruction is.</param>
    /// <returns>Null: there is no room for it now.</returns>
    public CodePage? FindPage(CodeAccount account, long number, byte* host, IsaExtensions isa)
    {
        const int Size = (int)PhysicalMemory.PageSize;
        ReadOnlySpan<byte> content = new(host, Size);
        HashCode hash = default;
        hash.AddBytes(content);
        int key = hash.ToHashCode();
        lock (_gate)
        {
            Dictionary<int, List<CodePage>> pages = account.Scope.Pages;
            foreach (CodePage known in pages.GetValueOrDefault(key) ?? [])
            {
                if (known.Isa == isa && known.Holds(host))
                {
                    known.LastUse = ++_clock;
                    _sharedPages++;
                    if (known.Account != account)
                    {
                        known.LeaveAccount();
                    }

                    return known;
                }
            }

            if (!HasRoom(Size))
            {
                return null;
            }

            var page = new CodePage(account.Scope, number, key, (byte*)NativeMemory.Alloc(Size), AddNumber(), isa)
            {
                Account = account,
                LastUse = ++_clock,
            };
            _byNumber[page.Id] = page;
            content.CopyTo(new Span<byte>(page.Bytes, Size));
            if (!pages.TryGetValue(key, out List<CodePage>? variants))
            {
                pages.Add(key, variants = []);
            }

            variants.Add(page);
            Charge(page, new CodeUse(Size, 0));
            return page;
        }
    }

    /// <summary>The block that begins at an offset of a page, decoded when it is not there yet; null: there is no room for it now.</summary>
    public Op* FindBlock(CodePage page, int offset)
    {
        lock (_gate)
        {
            page.LastUse = ++_clock;
            return page.Blocks.TryGetValue(offset, out nint known) ? (Op*)known : Decode(page, offset);
        }
    }

    /// <summary>Asks for a block's translation. Whether it is there now; else the interpreter goes on.</summary>
    public bool Request(Op* ops)
    {
        BlockHeader* header = BlockHeader.Of(ops);
        lock (_gate)
        {
            header->Heat = int.MinValue; // not asked for again
            if (header->Code is null)
            {
                if (_options.TranslatesAtOnce)
                {
                    TryTranslate(ops, loop: false);
                    TryTranslate(ops, loop: true);
                }
                else
                {
                    Enqueue(ops, loop: false);
                }
            }

            return header->Code is not null;
        }
    }

    /// <summary>Notes that a slice ended where a block begins; the loop around it is translated as one when that is so often.</summary>
    public void Sample(Op* ops)
    {
        BlockHeader* header = BlockHeader.Of(ops);
        if (header->Page == 0 || header->Code is null || _options.TranslatesAtOnce)
        {
            return;
        }

        lock (_gate)
        {
            _byNumber[header->Page]!.LastUse = ++_clock;
            if (++header->Samples == _options.LoopThreshold)
            {
                Enqueue(ops, loop: true);
            }
        }
    }

    /// <summary>Runs translated code until it leaves; pc and the count of retired instructions are right then.</summary>
    /// <remarks>
    /// A direct jump is bound only within one page of code. Guests that share the page share the jump, and where the next page lies each
    /// of them decides with its page table; so every other jump is looked up, by the physical page and the mode. A page of code is freed
    /// as a whole, so a bound jump never outlives its target.
    /// </remarks>
    public void Run(HartState* state, BlockHeader* block, ulong pc)
    {
        byte* code = (byte*)Volatile.Read(ref *(nint*)&block->Code);
        if (state->ChainFrom != 0)
        {
            if (state->ChainPage == (ulong)block->Page)
            {
                AssertWithinPage(block->Page, (byte*)state->ChainFrom, code);

                // Other harts may be running the jump: it is aligned, so they see the old target or the new one.
                X64Assembler.Bind(_memory!.Writable((byte*)state->ChainFrom), _memory.Writable(code));
            }

            state->ChainFrom = 0;
        }

        state->PageBase = pc & ~(PhysicalMemory.PageSize - 1);
        _stubs!.Enter(state, code);
    }

    [Conditional("DEBUG")]
    private void AssertWithinPage(int number, byte* jumpEnd, byte* target)
    {
        lock (_gate)
        {
            CodePage page = _byNumber[number]!;
            bool Owns(byte* executable) => page.Code.Any(piece =>
                _memory!.Writable(executable) >= (byte*)piece.Place && _memory.Writable(executable) <= (byte*)piece.Place + piece.Length);
            Debug.Assert(Owns(jumpEnd) && Owns(target), "a direct jump is bound only within one page of code");
        }
    }

    private void Enqueue(Op* ops, bool loop)
    {
        if (_disposed)
        {
            return;
        }

        _requests.Enqueue(((nint)ops, loop));
        _byNumber[BlockHeader.Of(ops)->Page]!.Pins++;
        if (_translating)
        {
            _asked.Set();
            return;
        }

        // Not one of the pool's: those may all be busy for long.
        _translating = true;
        try
        {
            _options.StartThread(new Thread(TranslateRequested) { IsBackground = true, Name = "PsVm translator" });
        }
        catch (Exception failure) when (failure is OutOfMemoryException or ThreadStartException)
        {
            // The blocks stay with the interpreter; the next that gets hot tries again.
            NoteFailure(failure);
            _translating = false;
            while (_requests.TryDequeue(out (nint Ops, bool Loop) request))
            {
                _byNumber[BlockHeader.Of((Op*)request.Ops)->Page]!.Pins--;
            }
        }
    }

    private void TranslateRequested()
    {
        bool waited = false;
        while (true)
        {
            lock (_gate)
            {
                if (_requests.TryDequeue(out (nint Ops, bool Loop) request))
                {
                    CodePage page = _byNumber[BlockHeader.Of((Op*)request.Ops)->Page]!;
                    TryTranslate((Op*)request.Ops, request.Loop);
                    page.Pins--;
                    waited = false;
                    continue;
                }

                if (waited || _disposed)
                {
                    _translating = false;
                    Free();
                    return;
                }
            }

            waited = !_asked.WaitOne(IdleTime);
        }
    }

    /// <summary>As <see cref="Translate"/>; what cannot be translated, for whatever reason, stays with the interpreter.</summary>
    private void TryTranslate(Op* ops, bool loop)
    {
        try
        {
            Translate(ops, loop);
        }
        catch (Exception failure)
        {
            NoteFailure(failure);
        }
    }

    private void NoteFailure(Exception failure)
    {
        _failures++;
        _lastFailure = $"{failure.GetType().Name}: {failure.Message}";
    }

    /// <summary>
    /// Translates a block, or the loop around it, and puts it in its place. Under the gate, which is open while code is made in the
    /// background, so that no hart waits for it.
    /// </summary>
    private void Translate(Op* ops, bool loop)
    {
        BlockHeader* header = BlockHeader.Of(ops);
        CodePage page = _byNumber[header->Page]!;
        if (page.IsLeaving || header->IsLoop != 0 || (header->Code is not null) != loop)
        {
            return;
        }

        long began = Stopwatch.GetTimestamp();
        LoopUnit? unit = null;
        if (loop)
        {
            unit = LoopFinder.Find(offset => BlockAt(page, offset), ops->Offset);
            if (unit is null)
            {
                return;
            }
        }

        int length;
        bool inBackground = !_options.TranslatesAtOnce;
        if (inBackground)
        {
            _gate.Exit();
        }

        try
        {
            length = unit is null
                ? BlockTranslator.TranslateBlock(_stubs!, ops, _buffer!)
                : BlockTranslator.TranslateLoop(_stubs!, unit, _memory!.Writable(header->Code), _buffer!);
        }
        finally
        {
            if (inBackground)
            {
                _gate.Enter();
            }
        }

        if (length != 0 && !_disposed)
        {
            Place(page, header, unit, length);
        }

        _translationTime += Stopwatch.GetElapsedTime(began);
    }

    private void Place(CodePage page, BlockHeader* header, LoopUnit? unit, int length)
    {
        Debug.Assert(
            unit is null || unit.Blocks.All(block => BlockHeader.Of(block.Ops)->Page == page.Id), "a loop lies in one page of code");
        byte* place = _memory!.Allocate(length);
        if (place is null)
        {
            MakeRoom(forCode: true, length);
            header->Heat = header->Samples = 0; // asked for again when it has been hot again
            return;
        }

        _buffer!.PlaceAt(place, length);
        page.Code.Add(((nint)place, length, unit is not null));
        page.Charge(new CodeUse(0, length));
        byte* entry = place;
        if (unit is null)
        {
            _blocks++;
        }
        else
        {
            entry += unit.Entry - _buffer.Start;
            header->IsLoop = 1;
            BlockTranslator.Redirect(_memory.Writable(header->Code), entry);
            _loops++;
        }

        _options.Observer?.Invoke(new TranslatedCode(page.Number, header, unit, _memory.Executable(place), length));
        Volatile.Write(ref *(nint*)&header->Code, (nint)_memory.Executable(entry));
    }

    /// <summary>A block of a page, for the search of a loop; null: it never ran.</summary>
    private nint BlockAt(CodePage page, int offset) =>
        page.Blocks.TryGetValue(offset, out nint known) ? known : _options.TranslatesAtOnce ? (nint)Decode(page, offset) : 0;

    /// <summary>Decodes a block; null: there is no room for it now.</summary>
    private Op* Decode(CodePage page, int offset)
    {
        Op* decoded = stackalloc Op[BlockDecoder.MaxOps];
        int count = BlockDecoder.Decode(decoded, page.Bytes, offset, page.Isa);
        int bytes = sizeof(BlockHeader) + (count * sizeof(Op));
        if (!HasRoom(bytes) || page.IsLeaving)
        {
            return null;
        }

        var header = (BlockHeader*)NativeMemory.Alloc((nuint)bytes);
        *header = new BlockHeader { Page = page.Id };
        Op* ops = (Op*)(header + 1);
        new ReadOnlySpan<Op>(decoded, count).CopyTo(new Span<Op>(ops, count));
        page.Blocks.Add(offset, (nint)ops);
        Charge(page, new CodeUse(bytes, 0));
        return ops;
    }

    private void Charge(CodePage page, CodeUse use)
    {
        page.Charge(use);
        _decodedBytes += use.Decoded;
        Debug.Assert(_decodedBytes <= _options.DecodedBytes, "room is looked for before something is decoded");
    }

    /// <summary>Whether so much more can be decoded now; makes room where it is scarce.</summary>
    private bool HasRoom(long bytes)
    {
        if (_decodedBytes + bytes > _options.DecodedBytes)
        {
            MakeRoom(forCode: false, bytes);
        }

        return _decodedBytes + bytes <= _options.DecodedBytes;
    }

    private int AddNumber()
    {
        if (!_freeNumbers.TryPop(out int number))
        {
            number = _byNumber.Count;
            _byNumber.Add(null);
        }

        return number;
    }

    /// <summary>Sends pages away. Their memory is free when every hart has been between two blocks since.</summary>
    private void MakeRoom(bool forCode, long needed)
    {
        Collect();
        if (_leaving.Count != 0)
        {
            return; // some are on their way already
        }

        long limit = forCode ? (long)_memory!.Size : _options.DecodedBytes;
        CodePage[] pages = [.. _byNumber.OfType<CodePage>().Where(page => !page.IsLeaving)];
        foreach (CodePage page in CodeEviction.Choose(pages, forCode, limit, Math.Max(limit / Share, needed)))
        {
            Forget(page);
            page.IsLeaving = true;
            _leaving.Add(page);
        }

        Volatile.Write(ref _generation, _generation + 1);
        Interlocked.MemoryBarrier(); // who begins to run after this line sees the new generation
        foreach (BlockCache user in _users)
        {
            user.LeaveBlocks();
        }

        Collect();
    }

    /// <summary>Nobody finds a page any more.</summary>
    private void Forget(CodePage page)
    {
        List<CodePage> variants = page.Scope.Pages[page.Key];
        variants.Remove(page);
        if (variants.Count == 0)
        {
            page.Scope.Pages.Remove(page.Key);
        }

        ForgetFamilyIfEmpty(page.Scope);
    }

    private void ForgetFamilyIfEmpty(CodeScope scope)
    {
        if (scope is { Family: { } family, Accounts: 0, Pages.Count: 0 })
        {
            _families.Remove(family);
        }
    }

    /// <summary>Frees the pages that left, when nobody can be running their code.</summary>
    private void Collect()
    {
        if (_leaving.Count == 0 || _users.Any(user => !user.HasSeen(_generation)))
        {
            return;
        }

        foreach (CodePage page in _leaving.Where(page => page.Pins == 0).ToArray())
        {
            _leaving.Remove(page);
            Free(page);
            _evictedPages++;
        }
    }

    private void Free(CodePage page)
    {
        foreach (nint ops in page.Blocks.Values)
        {
            NativeMemory.Free(BlockHeader.Of((Op*)ops));
        }

        foreach ((nint place, int length, _) in page.Code)
        {
            _memory!.Free((byte*)place, length);
        }

        int loops = page.Code.Count(piece => piece.Loop);
        NativeMemory.Free(page.Bytes);
        _byNumber[page.Id] = null;
        _freeNumbers.Push(page.Id);
        _decodedBytes -= page.Use.Decoded;
        page.Charge(default(CodeUse) - page.Use);
        _blocks -= page.Code.Count - loops;
        _loops -= loops;
    }

    private void Free()
    {
        if (_disposed && !_freed && _users.Count == 0 && !_translating)
        {
            _freed = true;
            foreach (CodePage page in _byNumber.OfType<CodePage>().ToArray())
            {
                Free(page);
            }

            _memory?.Dispose();
            _buffer?.Dispose();
            _asked.Dispose();
        }
    }
}
