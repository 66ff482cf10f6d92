using System.Diagnostics;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.Memory;
using PsVm.Riscv.Translation.Units;

namespace PsVm.Riscv.Translation.Cache;

/// <summary>
/// Translates the blocks of a space, and the loops around them: at once, or on a thread of its own that is there while there is something
/// to translate. What cannot be translated, for whatever reason, stays with the interpreter. Guarded by the gate of its space.
/// </summary>
internal sealed unsafe class Translator : IDisposable
{
    // The thread ends when nothing was asked for so long.
    private static readonly TimeSpan s_idleTime = TimeSpan.FromSeconds(2);

    private readonly TranslatorOptions _options;
    private readonly Lock _gate;
    private readonly CodeMemory _memory;
    private readonly HostBackEnd _host;
    private readonly CodePages _pages;
    private readonly CodeRoom _room;
    private readonly TranslationQueue _requests;
    private readonly AutoResetEvent _asked = new(false);
    private bool _stopped;

    /// <param name="options">How blocks are translated.</param>
    /// <param name="gate">Guards all of the space.</param>
    /// <param name="memory">Where translations go.</param>
    /// <param name="host">What makes them; it is disposed of with this.</param>
    /// <param name="pages">The pages.</param>
    /// <param name="room">Makes room for translations.</param>
    /// <param name="requests">What was asked for.</param>
    public Translator(
        TranslatorOptions options,
        Lock gate,
        CodeMemory memory,
        HostBackEnd host,
        CodePages pages,
        CodeRoom room,
        TranslationQueue requests) =>
        (_options, _gate, _memory, _host, _pages, _room, _requests, Watched) =
            (options, gate, memory, host, pages, room, requests, new WatchedLoops(options.MostLoopEntries, host));

    /// <summary>Decodes a block for the search of a loop; null: it is not to be had.</summary>
    public required Func<CodePage, int, nint> Decode { get; init; }

    /// <summary>Called when the thread ends.</summary>
    public required Action Ended { get; init; }

    /// <summary>Loops that may be given up.</summary>
    public WatchedLoops Watched { get; }

    /// <summary>Whether the thread is there.</summary>
    public bool IsRunning { get; private set; }

    /// <summary>Host time that translating took.</summary>
    public TimeSpan Time { get; private set; }

    /// <summary>Translations that failed.</summary>
    public long Failures { get; private set; }

    /// <summary>Why the last of them failed.</summary>
    public string? LastFailure { get; private set; }

    /// <summary>Asks for a block's translation, or makes it at once.</summary>
    /// <param name="account">Whose hart asks.</param>
    /// <param name="ops">The block.</param>
    /// <param name="around">The pages around it, as the hart has them.</param>
    public void Request(CodeAccount account, Op* ops, PagesAround around)
    {
        if (_options.TranslatesAtOnce)
        {
            TryTranslate(ops, null);
            TryTranslate(ops, around);
        }
        else
        {
            Enqueue(account, ops, null);
        }
    }

    /// <summary>Asks for the translation of the loop around a block, or makes it at once.</summary>
    /// <param name="account">Whose hart asks.</param>
    /// <param name="ops">The block.</param>
    /// <param name="around">The pages around it, as the hart has them.</param>
    public void RequestLoop(CodeAccount account, Op* ops, PagesAround around)
    {
        if (_options.TranslatesAtOnce)
        {
            TryTranslate(ops, around);
        }
        else
        {
            // The hart's page table is for its own thread to look into, and may be another one soon.
            if (around.IsWide)
            {
                LoopFinder.Visit(place => BlockAt(around, place), ops->Offset);
                around.Close();
            }

            Enqueue(account, ops, around);
        }
    }

    /// <summary>Asks for the translation of a block, or of the loop around it, in the background.</summary>
    private void Enqueue(CodeAccount account, Op* ops, PagesAround? around)
    {
        CodePage page = _pages.Of(BlockHeader.Of(ops));
        if (_stopped || page.IsLeaving)
        {
            return;
        }

        if (!_requests.TryAdd(account, new TranslationRequest(page, (nint)ops, around)))
        {
            AskAgain(BlockHeader.Of(ops));
        }

        if (IsRunning)
        {
            _asked.Set();
            return;
        }

        // Not one of the pool's: those may all be busy for long.
        IsRunning = true;
        try
        {
            _options.StartThread(new Thread(TranslateRequested) { IsBackground = true, Name = "PsVm translator" });
        }
        catch (Exception failure) when (failure is OutOfMemoryException or ThreadStartException)
        {
            // The blocks stay with the interpreter; the next that gets hot tries again.
            NoteFailure(failure);
            IsRunning = false;
            _requests.Clear();
        }
    }

    /// <summary>Drops what a guest that goes had asked for; others may need it.</summary>
    public void Drop(CodeAccount account)
    {
        foreach (TranslationRequest request in _requests.Drop(account))
        {
            AskAgain(BlockHeader.Of((Op*)request.Ops));
        }
    }

    /// <summary>Nothing is begun any more, and the thread ends.</summary>
    public void Stop()
    {
        _stopped = true;
        _requests.Clear();
        _asked.Set();
    }

    public void Dispose()
    {
        _host.Dispose();
        _asked.Dispose();
    }

    /// <summary>Has a block be asked for again when it has gone on being hot.</summary>
    private static void AskAgain(BlockHeader* header) => header->Heat = header->Samples = 0;

    private void TranslateRequested()
    {
        bool waited = false;
        while (true)
        {
            lock (_gate)
            {
                if (_requests.TryTake(out TranslationRequest? request))
                {
                    TryTranslate((Op*)request.Ops, request.Around);
                    bool leave = _room.InTranslation.Any(page => page.IsLeaving);
                    _room.InTranslation = [];
                    if (leave)
                    {
                        _room.Collect();
                    }

                    waited = false;
                    continue;
                }

                if (waited || _stopped)
                {
                    IsRunning = false;
                    Ended();
                    return;
                }
            }

            waited = !_asked.WaitOne(s_idleTime);
        }
    }

    private void TryTranslate(Op* ops, PagesAround? around)
    {
        try
        {
            Translate(ops, around);
        }
        catch (Exception failure)
        {
            NoteFailure(failure);
        }
    }

    private void NoteFailure(Exception failure)
    {
        Failures++;
        LastFailure = $"{failure.GetType().Name}: {failure.Message}";
    }

    /// <summary>
    /// Translates a block, or the loop around it, and puts it in its place. Under the gate, which is open while code is made in the
    /// background, so that no hart waits for it.
    /// </summary>
    private void Translate(Op* ops, PagesAround? around)
    {
        BlockHeader* header = BlockHeader.Of(ops);
        CodePage page = _pages.Of(header);
        bool loop = around is not null;
        if (page.IsLeaving || header->IsLoop != 0 || (header->Code is not null) != loop || (loop && BlockDecoder.Crosses(ops)))
        {
            return;
        }

        long began = Stopwatch.GetTimestamp();
        LoopUnit? unit = null;
        IReadOnlyCollection<CodePage> pages = [page];
        if (around is not null)
        {
            unit = FindLoop(around, ops->Offset);
            if (unit is null)
            {
                return;
            }

            pages = [page, .. unit.OtherPages.Select(other => around[other.Distance]!)];
        }

        int length;
        bool inBackground = !_options.TranslatesAtOnce;
        if (inBackground)
        {
            _room.InTranslation = pages;
            _gate.Exit();
        }

        try
        {
            length = unit is null ? _host.Translate(ops) : _host.Translate(unit, _memory.Writable(header->Code));
        }
        finally
        {
            if (inBackground)
            {
                _gate.Enter();
            }
        }

        if (length != 0 && !_stopped && !pages.Any(of => of.IsLeaving))
        {
            Place(page, header, unit, around, length);
        }

        Time += Stopwatch.GetElapsedTime(began);
    }

    private LoopUnit? FindLoop(PagesAround around, int entry)
    {
        nint At(int place) => BlockAt(around, place);
        PagesAround alone = around.Alone;
        LoopUnit? unit = around.IsWide && !_options.TranslatesAtOnce
            ? null
            : LoopFinder.Find(place => BlockAt(alone, place), entry, _host.IntegerRegisters);
        return around.IsWide
            ? unit ?? LoopFinder.FindWide(At, entry, _host.IntegerRegisters, distance => (distance, around[distance]!.Serial))
            : unit;
    }

    private void Place(CodePage page, BlockHeader* header, LoopUnit? unit, PagesAround? around, int length)
    {
        Debug.Assert(
            unit is null
                || unit.Blocks.All(block => BlockHeader.Of(block.Ops)->Page == around![block.Origin >> PhysicalMemory.PageShift]!.Id),
            "a loop lies in the pages that it looks for where it is entered");
        byte* place = _memory.Allocate(length);
        if (place is null)
        {
            _room.Make(forCode: true, length);
            AskAgain(header);
            return;
        }

        byte* entry = _host.Place(place, length);
        _pages.AddCode(page, place, length, unit is not null);
        BindJumps(page, around, (Op*)(header + 1), place, entry);
        if (unit is not null)
        {
            header->IsLoop = 1;
            byte* single = _memory.Writable(header->Code);
            if (unit.IsWide)
            {
                Watched.Add(page, header, header->Code, single, entry);
            }

            _host.Redirect(single, entry);
        }

        _options.Observer?.Invoke(new TranslatedCode(page.Number, header, unit, _memory.Executable(place), length));
        Volatile.Write(ref *(nint*)&header->Code, (nint)_memory.Executable(entry));
    }

    /// <summary>
    /// Binds what was placed and what else its page has to each other. A direct jump is bound only within one page of code. Guests that
    /// share the page share the jump, and where the next page lies each of them decides with its page table; so every other jump is looked
    /// up, by the physical page and the mode. A page of code is freed as a whole, so a bound jump never outlives its target: a loop that
    /// has come to another page jumps within that, and is entered only as long as that is there. Such a jump is bound now or never, since
    /// that page does not know when the loop goes.
    /// </summary>
    private void BindJumps(CodePage page, PagesAround? around, Op* ops, byte* place, byte* entry)
    {
        const int OffsetMask = (int)PhysicalMemory.PageSize - 1;
        int offset = BlockDecoder.Crosses(ops) ? -1 : ops->Offset; // what holds on the next page, too, is not bound to
        foreach ((int end, int target) in _host.Jumps)
        {
            CodePage of = target >> PhysicalMemory.PageShift is not 0 and var distance ? around![distance]! : page;
            byte* code = of.Blocks.TryGetValue(target & OffsetMask, out nint known) ? BlockHeader.Of((Op*)known)->Code : null;
            if (target == offset)
            {
                _host.Bind(place + end, entry);
            }
            else if (code is not null)
            {
                AssertOwns(of, _memory.Writable(code));
                _host.Bind(place + end, _memory.Writable(code));
            }
            else if (of == page)
            {
                page.Unbound.Add(place + end, target);
            }
        }

        if (offset >= 0)
        {
            page.Unbound.Bind(offset, entry, _host);
        }
    }

    [Conditional("DEBUG")]
    private static void AssertOwns(CodePage page, byte* code) => Debug.Assert(
        page.Code.Any(piece => code >= (byte*)piece.Place && code < (byte*)piece.Place + piece.Length),
        "a direct jump is bound only within one page of code");

    /// <summary>A block of a page, or of one around it, for the search of a loop; 0: it never ran.</summary>
    private nint BlockAt(PagesAround around, int place)
    {
        int distance = place >> PhysicalMemory.PageShift, offset = place & ((int)PhysicalMemory.PageSize - 1);
        if (around[distance] is not { } page)
        {
            return 0;
        }

        if (offset == BlockDecoder.CrossingOffset && Decoder.IsFull(*(ushort*)(page.Bytes + offset)))
        {
            return page.Crossings is not null && around[distance + 1] is { } next
                ? page.Crossings.GetValueOrDefault(page.CrossingTo(next))
                : 0;
        }

        return page.Blocks.TryGetValue(offset, out nint known) ? known : _options.TranslatesAtOnce ? Decode(page, offset) : 0;
    }
}
