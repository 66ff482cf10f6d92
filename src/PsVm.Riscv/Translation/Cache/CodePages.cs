using System.Runtime.InteropServices;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Translation.Cache;

/// <summary>The pages of code of a space, by number and by content, with their blocks and translations. Guarded by its space.</summary>
/// <param name="memory">Where translations are; null: there are none.</param>
/// <remarks>Safety: content and blocks of a page are allocated here and freed with it, which is for the space to say when.</remarks>
internal sealed unsafe class CodePages(CodeMemory? memory)
{
    private const int Size = (int)PhysicalMemory.PageSize;

    private readonly Dictionary<string, CodeScope> _families = [];
    private readonly List<CodePage?> _byNumber = [null];
    private readonly Stack<int> _freeNumbers = [];
    private long _clock, _serial;

    /// <summary>All pages, those included that leave.</summary>
    public IEnumerable<CodePage> All => _byNumber.OfType<CodePage>();

    /// <summary>Bytes of decoded blocks and of the pages they were decoded from.</summary>
    public long DecodedBytes { get; private set; }

    /// <summary>Blocks that have a translation.</summary>
    public long TranslatedBlocks { get; private set; }

    /// <summary>Loops that are translated as one.</summary>
    public long TranslatedLoops { get; private set; }

    /// <summary>The page of a block that has one.</summary>
    public CodePage Of(BlockHeader* block) => _byNumber[block->Page]!;

    /// <summary>Opens a scope for one more guest.</summary>
    /// <param name="family">What those who share it have in common; null: it shares with nobody.</param>
    public CodeAccount OpenAccount(string? family)
    {
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

    /// <summary>Has a family share from now on what one guest alone has shared with nobody; whether it may.</summary>
    /// <param name="scope">The guest's.</param>
    /// <param name="family">The family.</param>
    /// <param name="lookups">What nobody has looked up after so many look-ups is not needed by the family.</param>
    public bool TryLeaveTo(CodeScope scope, string family, long lookups)
    {
        if (!scope.CanGoTo || !_families.TryAdd(family, scope))
        {
            return false;
        }

        if (scope.Family is { } before)
        {
            _families.Remove(before);
        }

        scope.GoTo(family, Interlocked.Read(ref _clock), lookups);
        return true;
    }

    /// <summary>Nobody needs a family any more that has no guests and no pages.</summary>
    public void ForgetIfEmpty(CodeScope scope)
    {
        if (scope is { Family: { } family, Accounts: 0, ByContent.Count: 0 })
        {
            _families.Remove(family);
        }
    }

    /// <summary>Notes that a page is in use. Whether what its scope does not need can go now. Safe from any thread.</summary>
    public bool Touch(CodePage page)
    {
        page.LastUse = Interlocked.Increment(ref _clock);
        return page.Scope.CountLookup();
    }

    /// <summary>
    /// The page of a scope that was seen at a number and holds the same as the one there now; null: its content has to be looked for.
    /// </summary>
    public static CodePage? FindAt(CodeScope scope, long number, byte* content, IsaExtensions isa) =>
        scope.ByNumber.TryGetValue(number, out CodePage? known) && known.Isa == isa && known.Holds(content) ? known : null;

    /// <summary>The page of a scope that holds the same as another; null: there is none.</summary>
    public static CodePage? Find(CodeScope scope, int key, byte* content, IsaExtensions isa)
    {
        foreach (CodePage known in scope.ByContent.GetValueOrDefault(key) ?? [])
        {
            if (known.Isa == isa && known.Holds(content))
            {
                return known;
            }
        }

        return null;
    }

    /// <summary>Adds a copy of a page, which its account pays for.</summary>
    public CodePage Add(CodeAccount account, long number, int key, byte* content, IsaExtensions isa)
    {
        if (!_freeNumbers.TryPop(out int id))
        {
            id = _byNumber.Count;
            _byNumber.Add(null);
        }

        CodePage page = new(account, number, key, (byte*)NativeMemory.Alloc(Size), id, ++_serial, isa);
        _byNumber[id] = page;
        new ReadOnlySpan<byte>(content, Size).CopyTo(new Span<byte>(page.Bytes, Size));
        if (!account.Scope.ByContent.TryGetValue(key, out List<CodePage>? variants))
        {
            account.Scope.ByContent.Add(key, variants = []);
        }

        variants.Add(page);
        account.Scope.ByNumber[number] = page;
        page.Charge(new CodeUse(Size, 0));
        DecodedBytes += Size;
        return page;
    }

    /// <summary>Bytes that a block takes.</summary>
    public static int BytesOf(int operations) => sizeof(BlockHeader) + (operations * sizeof(Op));

    /// <summary>The most bytes that one more block of a page takes.</summary>
    public static int MostBytesOf(CodePage page, int operations) => BytesOf(operations) + BlockIndex.MostBytesFor(page.Blocks.Count);

    /// <summary>Adds a block to a page.</summary>
    public Op* AddBlock(CodePage page, int offset, ReadOnlySpan<Op> decoded)
    {
        Op* ops = MakeBlock(page, decoded);
        page.Index = BlockIndex.Add(page.Index, offset, BlockHeader.Of(ops), page.Blocks, out int more);
        page.Blocks.Add(offset, (nint)ops);
        ChargeDecoded(page, BytesOf(decoded.Length) + more);
        return ops;
    }

    /// <summary>Adds the block of an instruction that goes on in the next page.</summary>
    /// <param name="page">The page that it begins in.</param>
    /// <param name="bits">The instruction.</param>
    /// <param name="decoded">The block.</param>
    public Op* AddCrossing(CodePage page, uint bits, ReadOnlySpan<Op> decoded)
    {
        Op* ops = MakeBlock(page, decoded);
        page.AddCrossing(bits, (nint)ops);
        ChargeDecoded(page, BytesOf(decoded.Length));
        return ops;
    }

    private static Op* MakeBlock(CodePage page, ReadOnlySpan<Op> decoded)
    {
        var header = (BlockHeader*)NativeMemory.Alloc((nuint)BytesOf(decoded.Length));
        *header = new BlockHeader { Page = page.Id };
        Op* ops = (Op*)(header + 1);
        decoded.CopyTo(new Span<Op>(ops, decoded.Length));
        foreach (ref Op op in new Span<Op>(ops, decoded.Length))
        {
            if (op.Code == OpCode.Ecall)
            {
                op.Immediate = page.Id;
            }
        }

        return ops;
    }

    private void ChargeDecoded(CodePage page, int bytes)
    {
        page.Charge(new CodeUse(bytes, 0));
        DecodedBytes += bytes;
    }

    /// <summary>Adds a translation to a page.</summary>
    public void AddCode(CodePage page, byte* place, int length, bool loop)
    {
        page.Code.Add(((nint)place, length, loop));
        page.Charge(new CodeUse(0, length));
        (TranslatedBlocks, TranslatedLoops) = (TranslatedBlocks + (loop ? 0 : 1), TranslatedLoops + (loop ? 1 : 0));
    }

    /// <summary>Nobody finds a page any more.</summary>
    public void Forget(CodePage page)
    {
        List<CodePage> variants = page.Scope.ByContent[page.Key];
        variants.Remove(page);
        if (variants.Count == 0)
        {
            page.Scope.ByContent.Remove(page.Key);
        }

        if (page.Scope.ByNumber.GetValueOrDefault(page.Number) == page)
        {
            page.Scope.ByNumber.Remove(page.Number);
        }

        page.Scope.Initial.Forget(page);
        page.IsLeaving = true;
        ForgetIfEmpty(page.Scope);
    }

    /// <summary>Frees a page, with its blocks and translations.</summary>
    public void Free(CodePage page)
    {
        foreach (nint ops in page.Blocks.Values.Concat(page.Crossings?.Values.AsEnumerable() ?? []))
        {
            NativeMemory.Free(BlockHeader.Of((Op*)ops));
        }

        foreach ((nint place, int length, _) in page.Code)
        {
            memory!.Free((byte*)place, length);
        }

        BlockIndex.Free(page.Index);
        page.Index = null;
        int loops = page.Code.Count(piece => piece.Loop);
        NativeMemory.Free(page.Bytes);
        _byNumber[page.Id] = null;
        _freeNumbers.Push(page.Id);
        page.StopCharging();
        DecodedBytes -= page.Use.Decoded;
        TranslatedBlocks -= page.Code.Count - loops;
        TranslatedLoops -= loops;
    }
}
