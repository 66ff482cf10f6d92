using System.Diagnostics;
using System.Runtime.InteropServices;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.Memory;
using PsVm.Riscv.Mmu;
using PsVm.Riscv.Translation.Cache;

namespace PsVm.Riscv.Interpreter;

/// <summary>
/// Where one hart finds its blocks: which of the shared pages its own pages are equal to, and by virtual address. Blocks belong to
/// pages of RAM, so they outlive changes of the page table.
/// </summary>
/// <remarks>
/// Safety: the jump tables are this hart's, and what they point to is a block of the space, which frees none before this cache has seen its
/// page leave (<see cref="KeepUp"/>) or has ended. Masked indexes are within the tables.
/// </remarks>
internal sealed unsafe class BlockCache : IDisposable
{
    private const int JumpTables = 2 + AddressSpaces.Count;

    // Entries that tables have at first, and may come to have: kernels are large, and all of user mode's tables are there at once, most of
    // them for processes that are gone again.
    private const int UserFirst = 128, OtherFirst = 512, UserSize = 16 * UserFirst, OtherSize = 16 * OtherFirst;

    // Pages that tables know.
    private const int UserPages = 512, OtherPages = 2048;

    /// <summary>Pages that a hart knows at most when a slice begins: a guest may run all of its RAM.</summary>
    public const int MostKnownPages = 32_768;

    /// <summary>What <see cref="InUse"/> says of a hart that runs and may go to any page that it knows.</summary>
    public const int AnyPage = -1;

    private readonly Dictionary<long, KnownPage> _pages = [];
    private readonly CodeRoom _room;
    private readonly HartState* _state;
    private readonly IsaExtensions _isa;
    private readonly ulong[] _codePages;
    private static readonly nuint s_userBytes = WholePages(JumpTable.BytesOf(UserSize, UserPages));
    private static readonly nuint s_otherBytes = WholePages(JumpTable.BytesOf(OtherSize, OtherPages));
    private static readonly nuint s_userUse = JumpTable.UseBytesOf(UserSize), s_otherUse = JumpTable.UseBytesOf(OtherSize);
    private static readonly nuint s_useAt = (2 * s_otherBytes) + (AddressSpaces.Count * s_userBytes);
    private static readonly nuint s_jumpBytes = s_useAt + WholePages((2 * s_otherUse) + (AddressSpaces.Count * s_userUse));
    private readonly byte* _jumpRoom = HostPages.Map(s_jumpBytes);

    // Made when they are first used.
    private readonly JumpTable?[] _jumps = new JumpTable?[JumpTables];

    // What its family begins with. Those are known, too, whose bit is set and that are not among the others.
    private Dictionary<long, CodePage>? _initial;

    // Pages that may be of those, and when they are looked at.
    private UnwrittenPages? _unseen;

    // Whose block was found last.
    private CodePage? _found;
    private long _fences;
    private long _seen;

    // The page of code that the hart may run without having kept up; no page, or any.
    private int _held;

    /// <param name="space">Where the blocks are.</param>
    /// <param name="account">Whose they are.</param>
    /// <param name="state">The hart's state.</param>
    /// <param name="pageCount">Pages of RAM.</param>
    /// <param name="isa">The hart's extensions.</param>
    public BlockCache(CodeSpace space, CodeAccount account, HartState* state, long pageCount, IsaExtensions isa)
    {
        Space = space;
        Runner = space.Runner;
        _room = space.Room;
        Account = account;
        _state = state;
        _isa = isa;
        _codePages = new ulong[(pageCount + 63) / 64];
        space.Attach(this);
    }

    /// <summary>The space that all blocks in use here belong to.</summary>
    public CodeSpace Space { get; }

    /// <summary>Runs what is translated; null: nothing is.</summary>
    public CodeRunner? Runner { get; }

    /// <summary>The guest's part of the space.</summary>
    public CodeAccount Account { get; }

    /// <summary>The jump table of machine mode.</summary>
    public const int MachineJumps = 0;

    /// <summary>That of supervisor mode, whatever the address space.</summary>
    public const int SupervisorJumps = 1;

    /// <summary>That of user mode in an address space.</summary>
    public static int UserJumps(int space) => SupervisorJumps + 1 + space;

    /// <summary>Which table a mode has in an address space.</summary>
    public static int JumpsOf(PrivilegeMode mode, int space) => mode switch
    {
        PrivilegeMode.User => UserJumps(space),
        PrivilegeMode.Supervisor => SupervisorJumps,
        _ => MachineJumps,
    };

    /// <summary>Whether jumps have looked into a table.</summary>
    public bool HasJumps(int table) => _jumps[table] is not null;

    /// <summary>What there is of a table in the context of who looks into it.</summary>
    public HartContext ContextOf(int table)
    {
        JumpTable jumps = _jumps[table] ??= MakeJumps(table);
        return new HartContext
        {
            Jumps = jumps.Entries,
            JumpMask = jumps.Mask,
            JumpPages = jumps.Pages,
            JumpPageMask = jumps.PageMask,
            JumpUse = jumps.Use,
            JumpTable = table,
        };
    }

    /// <summary>Knows pages of its RAM from the start, which have not been written: as if each had been looked up now.</summary>
    public void BeginWithFamily(string content, Func<nint[], bool[]> areUnwritten)
    {
        if (Account.Scope.Family is null)
        {
            return;
        }

        _unseen = new UnwrittenPages(Space, Account, content, areUnwritten);
        if (Space.FindInitial(Account, content, _isa) is not { } initial)
        {
            return;
        }

        Debug.Assert(_pages.Count == 0 && _initial is null && _fences == 0, "before the hart's first block");
        Debug.Assert(initial.Bits.Length <= _codePages.Length, "RAM with the same content has as many pages");
        _initial = initial.Pages;
        for (int word = 0; word < initial.Bits.Length; word++)
        {
            Volatile.Write(ref _codePages[word], initial.Bits[word]);
        }

        // who writes a page either sees that it holds code, or has done so before it was asked whether anybody had
        Interlocked.MemoryBarrier();
    }

    /// <summary>Whether it runs what it began with unseen: no fence has come since.</summary>
    public bool TrustsFamily => _initial is not null && _fences == 0;

    /// <summary>Whether the page holds instructions that are cached.</summary>
    public bool HasCode(long page) => (Volatile.Read(ref _codePages[page >> 6]) >> (int)(page & 63) & 1) != 0;

    /// <summary>Whether one of the pages does, the last included. Safe from any thread.</summary>
    public bool HasCode(long firstPage, long lastPage)
    {
        for (long word = firstPage >> 6; word <= lastPage >> 6; word++)
        {
            ulong mask = word == firstPage >> 6 ? ulong.MaxValue << (int)(firstPage & 63) : ulong.MaxValue;
            mask &= word == lastPage >> 6 ? ulong.MaxValue >> (int)(63 - (lastPage & 63)) : ulong.MaxValue;
            if ((Volatile.Read(ref _codePages[word]) & mask) != 0)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Pages that it came to itself and knows.</summary>
    public int KnownPages => _pages.Count;

    /// <summary>How often it was forgotten where some blocks begin.</summary>
    public long Forgotten { get; private set; }

    /// <summary>Forgets where blocks begin by virtual address; the blocks stay.</summary>
    public void ForgetJumps()
    {
        Forgotten++;
        foreach (JumpTable? table in _jumps)
        {
            table?.Forget();
        }
    }

    /// <summary>As <see cref="ForgetJumps()"/>, of one table.</summary>
    public void ForgetJumps(int table)
    {
        Forgotten++;
        _jumps[table]?.Forget();
    }

    /// <summary>As <see cref="ForgetJumps(int)"/>, of the blocks that begin in the page of an address.</summary>
    public void ForgetJumpsInPage(int table, ulong address)
    {
        Forgotten++;
        _jumps[table]?.ForgetPage(address);
    }

    /// <summary>Remembers in the table in use where the block begins that was found last, and its page.</summary>
    /// <param name="address">Its virtual address.</param>
    /// <param name="ops">The block.</param>
    /// <param name="page">Number of its page of RAM.</param>
    public void AddJump(ulong address, Op* ops, long page)
    {
        JumpTable table = Current;
        Debug.Assert(_state->Context.Jumps == table.Entries, "jumps look into the table in use");
        BlockHeader* header = BlockHeader.Of(ops);
        byte* code = header->Code is null ? Space.NotTranslated : header->Code;
        table.Add(address, new JumpEntry { Address = address, Ops = ops, Code = code, Page = page });
        BlockIndex* index = _found is null ? null : _found.Index;
        if (index is not null && table.AddPage(address, index, page, _found!.Serial))
        {
            NoteGrowth(table);
        }
    }

    /// <summary>As <see cref="AddJump"/>, of a block from <see cref="GetCrossing"/>.</summary>
    public void AddCrossing(ulong address, Op* ops, long page, long next)
    {
        BlockHeader* header = BlockHeader.Of(ops);
        byte* code = header->Code is null ? Space.NotTranslated : header->Code;
        Current.AddCrossing(address, new JumpEntry { Address = address, Ops = ops, Code = code, Page = page }, next);
    }

    /// <summary>The block at an address in a page that the table in use knows; null: it has to be looked for.</summary>
    public Op* FindJump(ulong address) => Current.Find(address, Space.NotTranslated);

    /// <summary>The page of code that a virtual page, by its number, is known to be in the mode in force; null: it is not known.</summary>
    public CodePage? PageAt(ulong virtualPage)
    {
        JumpPage* page = Current.FindPage(virtualPage);
        if (page is null)
        {
            return null;
        }

        CodePage? code = _pages.TryGetValue(page->Page, out KnownPage known) ? known.Code : _initial?.GetValueOrDefault(page->Page);
        return code?.Serial == page->Code ? code : null;
    }

    /// <summary>
    /// FENCE.I: each page is compared with what was decoded from it before a block of it runs again, for harts, other processes and
    /// devices may have written it. Must not be called while a block runs.
    /// </summary>
    public void Fence()
    {
        _fences++;
        ForgetJumps();
    }

    /// <summary>Forgets what one page held; a block that runs may run to its end.</summary>
    public void InvalidatePage(long page)
    {
        _pages.Remove(page);
        _codePages[page >> 6] &= ~(1ul << (int)(page & 63));
        Forgotten++;
        foreach (JumpTable? table in _jumps)
        {
            table?.ForgetCode(page);
        }
    }

    /// <summary>From here on the hart may run blocks.</summary>
    public void Begin()
    {
        Volatile.Write(ref _held, AnyPage);
        Interlocked.MemoryBarrier(); // either the space sees that it runs, or it sees what the space has sent away
        KeepUp();
        _unseen?.LookNowAndThen();
    }

    /// <summary>The hart runs no block until it begins again.</summary>
    public void End() => Volatile.Write(ref _held, 0);

    /// <summary>The hart is about to call the host, for who knows how long, from a block of a page.</summary>
    /// <param name="page">The page, which is kept for it: <see cref="BlockHeader.Page"/>.</param>
    public void BeginCall(int page)
    {
        Debug.Assert(_held == AnyPage, "blocks call the host, one at a time");
        Volatile.Write(ref _held, page);
    }

    /// <summary>The hart comes back from a call; when pages have been sent away meanwhile, it leaves its block at once.</summary>
    public void EndCall()
    {
        Volatile.Write(ref _held, AnyPage);
        Interlocked.MemoryBarrier(); // as where it begins
        if (_room.Generation != _seen)
        {
            LeaveBlocks();
        }
    }

    /// <summary>Forgets the pages that the space has sent away; all if they are too many. Must not be called while a block runs.</summary>
    public void KeepUp()
    {
        if (_jumps[_state->Context.JumpTable] is { } table && table.TryGrow())
        {
            NoteGrowth(table);
        }

        bool knowsTooMany = _pages.Count > MostKnownPages; // each is compared when it is run again
        long generation = _room.Generation;
        if (_seen == generation && !knowsTooMany)
        {
            return;
        }

        ForgetJumps();
        _found = null;
        foreach ((long page, CodePage code) in _initial ?? [])
        {
            if (code.IsLeaving && !_pages.ContainsKey(page))
            {
                _codePages[page >> 6] &= ~(1ul << (int)(page & 63));
            }
        }

        foreach ((long page, KnownPage known) in _pages)
        {
            if (knowsTooMany || known.Code.IsLeaving)
            {
                _pages.Remove(page);
                _codePages[page >> 6] &= ~(1ul << (int)(page & 63));
            }
        }

        Volatile.Write(ref _seen, generation);
    }

    /// <summary>
    /// What may be in use of the pages that were sent away before: no page (0), one by its number, or <see cref="AnyPage"/>. Safe from any
    /// thread.
    /// </summary>
    public int InUse(long generation)
    {
        int held = Volatile.Read(ref _held);
        return held == 0 || Volatile.Read(ref _seen) >= generation ? 0 : held;
    }

    /// <summary>Asks for a block's translation. Whether it is there now.</summary>
    /// <param name="ops">The block.</param>
    /// <param name="address">Where it is.</param>
    public bool Request(Op* ops, ulong address) => Space.Request(this, ops, address);

    /// <summary>Has the hart forget soon where blocks begin, and look up again what it uses. Safe from any thread.</summary>
    public void LookAgain()
    {
        Volatile.Write(ref _seen, -1); // a hart that keeps up just now has forgotten all, too
        LeaveBlocks();
    }

    /// <summary>Makes the hart come out between two blocks soon. Safe from any thread.</summary>
    public void LeaveBlocks() => Volatile.Write(ref _state->Limit, 0);

    /// <summary>The block that begins at a host address.</summary>
    /// <param name="host">Host address of the first instruction, which must not cross the end of its page.</param>
    /// <param name="page">Number of its page.</param>
    /// <param name="newCodePage">The page held no cached code before.</param>
    /// <returns>Null: the space has no room for it now.</returns>
    /// <remarks>Safety: the page is one of RAM, whole and mapped, so its content can be read from any address in it.</remarks>
    public Op* Get(byte* host, long page, out bool newCodePage)
    {
        int offset = (int)((nint)host & ((int)PhysicalMemory.PageSize - 1));
        Debug.Assert((offset & 1) == 0, "a half-word");
        return TryKnow(host - offset, page, out newCodePage) is { } known ? Space.FindBlock(known, offset) : null;
    }

    /// <summary>
    /// The block of an instruction that begins in the last half-word of one page and goes on in another; both are pages of code from then
    /// on.
    /// </summary>
    /// <inheritdoc cref="Get"/>
    public Op* GetCrossing(FetchedPage first, FetchedPage second, out bool newFirst, out bool newSecond)
    {
        newFirst = false;
        return TryKnow((byte*)second.Host, second.Number, out newSecond) is { } rest
            && TryKnow((byte*)first.Host, first.Number, out newFirst) is { } known
            ? Space.FindCrossing(known, rest)
            : null;
    }

    /// <summary>The shared page that a page is equal to; null: the space has no room for it now.</summary>
    private CodePage? TryKnow(byte* content, long page, out bool newCodePage)
    {
        Debug.Assert((ulong)page < (ulong)_codePages.Length * 64, "a page of RAM");
        newCodePage = !HasCode(page);
        if (newCodePage)
        {
            _codePages[page >> 6] |= 1ul << (int)(page & 63);
            Interlocked.MemoryBarrier(); // who writes the page either sees that it holds code, or is seen below
        }

        if (!newCodePage && _initial is not null && !_pages.ContainsKey(page))
        {
            CodePage begun = _initial[page];
            if (TrustsFamily)
            {
                return _found = begun;
            }

            _pages.Add(page, new KnownPage { Code = begun });
        }

        ref KnownPage known = ref CollectionsMarshal.GetValueRefOrAddDefault(_pages, page, out bool exists);
        if (!exists || (known.Fences != _fences && !known.Code.Holds(content)))
        {
            if (Space.FindPage(Account, page, content, _isa) is not { } found)
            {
                InvalidatePage(page);
                newCodePage = false;
                return null;
            }

            known.Code = found;
            if (found.Number == page)
            {
                _unseen?.Add(found, (nint)content);
            }
        }

        known.Fences = _fences;
        return _found = known.Code;
    }

    public void Dispose()
    {
        Space.Detach(this);
        HostPages.Unmap(_jumpRoom, s_jumpBytes);
    }

    /// <summary>The table in use, which translated code may have put in the place of another.</summary>
    private JumpTable Current => _jumps[_state->Context.JumpTable]!;

    /// <summary>The table in use has become larger.</summary>
    private void NoteGrowth(JumpTable table)
    {
        Note(ref _state->Context);
        Note(ref _state->UserContext);
        Note(ref _state->SupervisorContext);

        void Note(ref HartContext context)
        {
            if (context.Jumps == table.Entries)
            {
                (context.JumpMask, context.JumpPageMask) = (table.Mask, table.PageMask);
            }
        }
    }

    private JumpTable MakeJumps(int table)
    {
        if (table <= SupervisorJumps)
        {
            nuint number = (nuint)table;
            return new JumpTable(
                _jumpRoom + (number * s_otherBytes), _jumpRoom + s_useAt + (number * s_otherUse), OtherFirst, OtherSize, OtherPages);
        }

        nuint space = (nuint)(table - UserJumps(0));
        return new JumpTable(
            _jumpRoom + (2 * s_otherBytes) + (space * s_userBytes),
            _jumpRoom + s_useAt + (2 * s_otherUse) + (space * s_userUse),
            UserFirst,
            UserSize,
            UserPages);
    }

    private static nuint WholePages(nuint bytes) => (bytes + (nuint)PhysicalMemory.PageSize - 1) & ~((nuint)PhysicalMemory.PageSize - 1);

    /// <summary>What a page was found equal to, and how many fences there had been then.</summary>
    private struct KnownPage
    {
        public CodePage Code;
        public long Fences;
    }
}
