using System.Diagnostics;
using System.Numerics;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.Memory;
using PsVm.Riscv.Translation.Cache;

namespace PsVm.Riscv.Interpreter;

/// <summary>
/// Where blocks begin, by virtual address, for one mode and address space: direct-mapped, small until that is seen to cost time. Behind it
/// are the pages that they are in, by virtual page, each with the index of all of its blocks, so that what is not here is found without a
/// search as long as its page is known.
/// </summary>
/// <remarks>
/// Translated code takes entries of known pages for its blocks itself; all else is done here. Safety: the room stays until the hart's last
/// run, masked offsets are within it. What entries point to is their user's matter.
/// </remarks>
internal sealed unsafe class JumpTable
{
    // An idle clone's table takes as little as it can: a larger one comes when blocks were pushed out by others so often for each of its
    // entries. A page that pushes another out costs several hundred times as much as a block that does, and a clone that begins to work
    // pays for each.
    private const int CollisionsPerEntry = 100, PagesPerCollision = 4;
    private const int PageSlots = 1024;

    private readonly JumpEntry* _entries;
    private readonly JumpUse* _use;
    private readonly JumpPage* _pages;
    private readonly int _largest, _largestPageCount;

    // By a hash the virtual pages and the pages of RAM that blocks, or known pages, may be in.
    private readonly ulong[] _virtual = new ulong[PageSlots / 64];
    private readonly ulong[] _code = new ulong[PageSlots / 64];
    private readonly ulong[] _usedPages;
    private int _size;
    private int _pageCount;
    private int _pageCollisions;

    /// <param name="room">Zeros, as many as <see cref="BytesOf"/> says, of which those that are not used take no memory.</param>
    /// <param name="use">As many as <see cref="UseBytesOf"/> says, apart from it: a few, that tables have in one page.</param>
    /// <param name="first">Entries at first: a power of two and 64 or more.</param>
    /// <param name="largest">The most entries that it may come to have: those times a power of four.</param>
    /// <param name="pages">The most pages that it may come to know: a power of two and 256 or more. At first it is a quarter of
    /// them.</param>
    public JumpTable(byte* room, byte* use, int first, int largest, int pages)
    {
        Debug.Assert(BitOperations.IsPow2(first) && first >= 64, "bits in use are of whole words");
        Debug.Assert(BitOperations.IsPow2(largest) && BitOperations.IsPow2(pages) && pages >= 256, "masks are of all entries");
        (_size, _largest, _largestPageCount, _pageCount) = (first, largest, pages, pages / 4);
        _entries = (JumpEntry*)room;
        _pages = (JumpPage*)(_entries + largest);
        _use = (JumpUse*)use;
        _usedPages = new ulong[pages / 64];

        // Of all entries of zeros the only ones whose address could be looked for.
        _entries->Address = JumpEntry.Empty;
        _pages->Tag = JumpPage.Empty;
    }

    /// <summary>The room that a table needs.</summary>
    public static nuint BytesOf(int largest, int pages) =>
        (nuint)((largest * sizeof(JumpEntry)) + (pages * sizeof(JumpPage)));

    /// <summary>And that of what says which entries are in use.</summary>
    public static nuint UseBytesOf(int largest) => (nuint)(sizeof(JumpUse) + (largest / 8));

    /// <summary>The first entry.</summary>
    public JumpEntry* Entries => _entries;

    /// <summary>The first page.</summary>
    public JumpPage* Pages => _pages;

    /// <summary>Which entries are in use.</summary>
    public JumpUse* Use => _use;

    /// <summary>What of an address, times <see cref="HartState.JumpScale"/>, is the offset of its entry in bytes.</summary>
    public uint Mask => (uint)((_size - 1) * sizeof(JumpEntry));

    /// <summary>What of a virtual page, times the size of a <see cref="JumpPage"/>, is the offset of its entry in bytes.</summary>
    public uint PageMask => (uint)((_pageCount - 1) * sizeof(JumpPage));

    /// <summary>Remembers where a block begins.</summary>
    public void Add(ulong address, JumpEntry block)
    {
        uint offset = (uint)(address * HartState.JumpScale) & Mask;
        JumpEntry* entry = (JumpEntry*)((byte*)_entries + offset);
        int number = (int)(offset / (uint)sizeof(JumpEntry));
        _use->Collisions += entry->Address > JumpEntry.Empty ? 1ul : 0;
        _use->Bits[number >> 6] |= 1ul << (number & 63);
        *entry = block;
        Mark(block.Address >> PhysicalMemory.PageShift, block.Page);
    }

    /// <summary>
    /// Remembers where the block of an instruction begins that goes on in the next page, and so is forgotten with that, too.
    /// </summary>
    /// <param name="address">Its address.</param>
    /// <param name="block">The block.</param>
    /// <param name="next">Number of the page of RAM that it goes on in.</param>
    public void AddCrossing(ulong address, JumpEntry block, long next)
    {
        Debug.Assert(CrossesPage(address), "the last half-word of a page");
        Add(address, block);
        Mark((address >> PhysicalMemory.PageShift) + 1, next);
    }

    /// <summary>Remembers a page of which blocks may be found by its index.</summary>
    /// <param name="address">An address in it.</param>
    /// <param name="index">The index.</param>
    /// <param name="number">Its number in RAM.</param>
    /// <param name="code">Which page of code it is: <see cref="CodePage.Serial"/>.</param>
    /// <returns>It knows more pages from now on: their mask is another one.</returns>
    public bool AddPage(ulong address, BlockIndex* index, long number, long code)
    {
        ulong page = address >> PhysicalMemory.PageShift;
        JumpPage* before = _pages + (page & (ulong)(_pageCount - 1));
        bool grows = before->Tag != page && before->Index is not null && before->Tag != JumpPage.Empty
            && ++_pageCollisions >= _pageCount / PagesPerCollision && _pageCount < _largestPageCount;
        if (grows)
        {
            GrowPages();
        }

        int slot = (int)(page & (ulong)(_pageCount - 1));
        _usedPages[slot >> 6] |= 1ul << (slot & 63);
        _pages[slot] = new JumpPage { Tag = page, Index = index, Page = number, Code = code };
        Mark(page, number);
        return grows;
    }

    /// <summary>What it knows of a virtual page, by its number; null: nothing.</summary>
    public JumpPage* FindPage(ulong page)
    {
        JumpPage* known = _pages + (page & (ulong)(_pageCount - 1));
        return known->Tag == page && known->Index is not null ? known : null;
    }

    /// <summary>The block at an address, if its page is known and the block is in its index; it is put into the table then, too.</summary>
    /// <param name="address">Its address.</param>
    /// <param name="notTranslated">Where jumps go whose target has no translation.</param>
    public Op* Find(ulong address, byte* notTranslated)
    {
        const ulong OffsetMask = PhysicalMemory.PageSize - 1;
        JumpPage* page = FindPage(address >> PhysicalMemory.PageShift);
        BlockHeader* block = page is not null ? BlockIndex.Find(page->Index, (int)(address & OffsetMask)) : null;
        if (block is null)
        {
            return null;
        }

        Op* ops = (Op*)(block + 1);
        byte* code = (byte*)Volatile.Read(ref *(nint*)&block->Code);
        Add(address, new JumpEntry { Address = address, Ops = ops, Code = code is null ? notTranslated : code, Page = page->Page });
        return ops;
    }

    /// <summary>Becomes larger when blocks have pushed each other out often enough. Whether it did: its mask is another one.</summary>
    public bool TryGrow()
    {
        if (_use->Collisions < (ulong)(CollisionsPerEntry * _size) || _size >= _largest)
        {
            return false;
        }

        ForgetEntries();
        _size *= 4;
        _use->Collisions = 0;
        return true;
    }

    /// <summary>Forgets all.</summary>
    public void Forget()
    {
        ForgetEntries();
        ForgetPages();
        Array.Clear(_virtual);
        Array.Clear(_code);
    }

    /// <summary>Forgets the blocks that begin in the page of an address.</summary>
    public void ForgetPage(ulong address)
    {
        if (IsIn(_virtual, address >> PhysicalMemory.PageShift))
        {
            ForgetIn(address >> PhysicalMemory.PageShift, page: -1);
        }
    }

    /// <summary>Forgets the blocks that are in a page of RAM, by its number.</summary>
    public void ForgetCode(long page)
    {
        if (IsIn(_code, (ulong)page))
        {
            ForgetIn(ulong.MaxValue, page);
        }
    }

    private static bool CrossesPage(ulong address) => (address & (PhysicalMemory.PageSize - 1)) == BlockDecoder.CrossingOffset;

    private static bool IsIn(ulong[] pages, ulong page) => (pages[SlotOf(page) >> 6] >> (SlotOf(page) & 63) & 1) != 0;

    private static int SlotOf(ulong page) => (int)((page ^ (page >> 10)) & (PageSlots - 1));

    private void Mark(ulong virtualPage, long page)
    {
        int virtualSlot = SlotOf(virtualPage), slot = SlotOf((ulong)page);
        _virtual[virtualSlot >> 6] |= 1ul << (virtualSlot & 63);
        _code[slot >> 6] |= 1ul << (slot & 63);
    }

    private void ForgetEntries()
    {
        for (int word = 0; word < _size / 64; word++)
        {
            for (ulong bits = _use->Bits[word]; bits != 0; bits &= bits - 1)
            {
                _entries[(word * 64) + BitOperations.TrailingZeroCount(bits)].Address = JumpEntry.Empty;
            }

            _use->Bits[word] = 0;
        }
    }

    private void ForgetPages()
    {
        for (int word = 0; word < _pageCount / 64; word++)
        {
            for (ulong bits = _usedPages[word]; bits != 0; bits &= bits - 1)
            {
                _pages[(word * 64) + BitOperations.TrailingZeroCount(bits)].Tag = JumpPage.Empty;
            }

            _usedPages[word] = 0;
        }
    }

    /// <summary>
    /// Has room for twice as many pages. Those that it knows go to where they are looked for then: none that is there is another's.
    /// </summary>
    private void GrowPages()
    {
        int before = _pageCount;
        _pageCount *= 2;
        _pageCollisions = 0;
        for (int slot = 0; slot < before; slot++)
        {
            int to = (int)(_pages[slot].Tag & (ulong)(_pageCount - 1));
            if ((_usedPages[slot >> 6] >> (slot & 63) & 1) == 0 || to == slot)
            {
                continue;
            }

            Debug.Assert(to >= before && (_usedPages[to >> 6] >> (to & 63) & 1) == 0, "nothing was there when there was less room");
            _pages[to] = _pages[slot];
            _usedPages[to >> 6] |= 1ul << (to & 63);
            _pages[slot].Tag = JumpPage.Empty;
            _usedPages[slot >> 6] &= ~(1ul << (slot & 63));
        }
    }

    /// <summary>
    /// Forgets the blocks in a virtual page, and those in a page of RAM; and all that may go on in another page, since it is not noted in
    /// which.
    /// </summary>
    private void ForgetIn(ulong virtualPage, long page)
    {
        Array.Clear(_virtual);
        Array.Clear(_code);
        for (int word = 0; word < _size / 64; word++)
        {
            for (ulong bits = _use->Bits[word]; bits != 0; bits &= bits - 1)
            {
                JumpEntry* entry = _entries + (word * 64) + BitOperations.TrailingZeroCount(bits);
                if (entry->Address >> PhysicalMemory.PageShift == virtualPage || entry->Page == page || CrossesPage(entry->Address))
                {
                    entry->Address = JumpEntry.Empty;
                    _use->Bits[word] &= ~(bits & (0 - bits));
                }
                else
                {
                    Mark(entry->Address >> PhysicalMemory.PageShift, entry->Page);
                }
            }
        }

        for (int word = 0; word < _pageCount / 64; word++)
        {
            for (ulong bits = _usedPages[word]; bits != 0; bits &= bits - 1)
            {
                JumpPage* known = _pages + (word * 64) + BitOperations.TrailingZeroCount(bits);
                if (known->Tag == virtualPage || known->Page == page)
                {
                    known->Tag = JumpPage.Empty;
                    _usedPages[word] &= ~(bits & (0 - bits));
                }
                else
                {
                    Mark(known->Tag, known->Page);
                }
            }
        }
    }
}
