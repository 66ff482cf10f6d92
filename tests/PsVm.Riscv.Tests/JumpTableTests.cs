using PsVm.Riscv.Decoding;
using PsVm.Riscv.Interpreter;
using PsVm.Riscv.Memory;
using PsVm.Riscv.Translation.Cache;

namespace PsVm.Riscv.Tests;

/// <summary>What jump tables know of the blocks and pages that were put there, and where.</summary>
public sealed unsafe class JumpTableTests : IDisposable
{
    private const int Small = 512, Largest = 4 * Small, Pages = 512, FewPages = Pages / 4;
    private const ulong Apart = 2 * Small;

    private static readonly nuint s_tableBytes = JumpTable.BytesOf(Largest, Pages), s_bytes = s_tableBytes + JumpTable.UseBytesOf(Largest);

    private readonly byte* _room = HostPages.Map(s_bytes);
    private readonly JumpTable _table;
    private readonly BlockHeader* _block = (BlockHeader*)HostPages.Map(4096);

    public JumpTableTests() => _table = new JumpTable(_room, _room + s_tableBytes, Small, Largest, Pages);

    public void Dispose()
    {
        HostPages.Unmap(_room, s_bytes);
        HostPages.Unmap(_block, 4096);
    }

    [Fact]
    public void WhatWasAddedIsKnownUntilItIsForgotten()
    {
        ulong[] addresses = [0, 2, 0x1000, 0x3ffe, 0xffff_ffff_8000_0004];
        Assert.All(addresses, address => Assert.False(Knows(address)));

        Array.ForEach(addresses, address => Add(address, page: 1));
        Assert.True(Knows(0xffff_ffff_8000_0004));
        Assert.True(Knows(2));

        _table.Forget();
        Assert.All(addresses, address => Assert.False(Knows(address)));
    }

    [Fact]
    public void APageIsForgottenByItsAddressOrByItsNumber()
    {
        for (int round = 0; round < 3; round++)
        {
            Add(0x5000, page: 1);
            Add(0x53fe, page: 1);
            Add(0x6004, page: 2);
            Add(0x7010, page: 1);

            _table.ForgetPage(0x5123);
            Assert.Equal((false, false, true, true), (Knows(0x5000), Knows(0x53fe), Knows(0x6004), Knows(0x7010)));

            _table.ForgetCode(1);
            Assert.Equal((true, false), (Knows(0x6004), Knows(0x7010)));

            _table.ForgetCode(3);
            _table.ForgetPage(0x9000);
            Assert.True(Knows(0x6004));
        }
    }

    [Fact]
    public void ABlockThatTookAnothersPlaceIsForgottenToo()
    {
        Add(0x4010, page: 1);
        Add(0x4010 + Apart, page: 2);
        Assert.Equal((false, true), (Knows(0x4010), Knows(0x4010 + Apart)));

        _table.ForgetCode(1);
        Assert.True(Knows(0x4010 + Apart));

        _table.ForgetCode(2);
        Assert.False(Knows(0x4010 + Apart));
    }

    [Fact]
    public void ATableGrowsWhereBlocksPushEachOtherOutAndNotForEver()
    {
        uint small = _table.Mask;
        int added = 0;
        while (!_table.TryGrow())
        {
            Add(0x4010 + (Apart * (ulong)(added++ % 2)), page: 1);
        }

        Assert.InRange(added, 10 * Small, 200 * Small);
        Assert.Equal((uint)((Largest - 1) * sizeof(JumpEntry)), _table.Mask);
        Assert.NotEqual(small, _table.Mask);
        Assert.False(Knows(0x4010));
        Add(0x4010, page: 1);
        Add(0x4010 + Apart, page: 1);
        Assert.Equal((true, true), (Knows(0x4010), Knows(0x4010 + Apart)));

        for (int i = 0; i < 200 * Largest; i++)
        {
            Add(0x4010 + (4 * Apart * (ulong)(i % 2)), page: 1);
        }

        Assert.False(_table.TryGrow());
    }

    [Fact]
    public void EveryPlaceCanBeTaken()
    {
        for (int round = 0; round < 2; round++)
        {
            for (ulong i = 0; i < Small; i++)
            {
                Add(0x1_0000 + (2 * i), page: (long)i);
            }

            Assert.True(Knows(0x1_0000));
            Assert.True(Knows(0x1_0000 + Apart - 2));
            _table.Forget();
            Assert.False(Knows(0x1_0000 + Apart - 2));
        }
    }

    [Theory]
    [InlineData(0ul)]
    [InlineData(0xffff_ffff_ffff_f000ul)]
    public void ABlockOfAKnownPageIsFoundByItsIndexAndKnownFromThenOn(ulong page)
    {
        byte notTranslated = 0;
        BlockIndex* index = Index(0x24);
        Assert.True(_table.Find(page + 0x24, &notTranslated) is null);
        _table.AddPage(page, index, number: 7, code: 1);

        Assert.True(_table.Find(page + 0x26, &notTranslated) is null);
        Assert.True(_table.Find(page + 0x24 + 0x1000, &notTranslated) is null);
        Assert.True(_table.Find(page + 0x24 + (FewPages * 0x1000), &notTranslated) is null);
        Assert.False(Knows(page + 0x24));
        Assert.True(_table.Find(page + 0x24, &notTranslated) == (Op*)(_block + 1));
        Assert.True(Knows(page + 0x24));
        Assert.True(EntryOf(page + 0x24)->Code == &notTranslated);

        _block->Code = (byte*)4096;
        _table.Find(page + 0x24, &notTranslated);
        Assert.True(EntryOf(page + 0x24)->Code == (byte*)4096);
        BlockIndex.Free(index);
    }

    [Fact]
    public void AKnownPageIsForgottenWithItsBlocks()
    {
        BlockIndex* index = Index(0x24);
        Action<JumpTable>[] ways = [table => table.Forget(), table => table.ForgetPage(0x5ffe), table => table.ForgetCode(7)];
        foreach (Action<JumpTable> way in ways)
        {
            _table.AddPage(0x5000, index, number: 7, code: 1);
            _table.AddPage(0x6000, index, number: 8, code: 1);
            _table.ForgetPage(0x9000);
            _table.ForgetCode(9);
            Assert.True(_table.Find(0x5024, null) is not null);
            way(_table);
            Assert.False(Knows(0x5024));
            Assert.True(_table.Find(0x5024, null) is null);
        }

        Assert.True(_table.Find(0x6024, null) is not null);
        _table.ForgetPage(0x6000);
        Assert.True(_table.Find(0x6024, null) is null);
        BlockIndex.Free(index);
    }

    [Fact]
    public void ATableThatGrowsKeepsItsPages()
    {
        BlockIndex* index = Index(0x24);
        _table.AddPage(0x5000, index, number: 7, code: 1);
        while (!_table.TryGrow())
        {
            Add(0x8010, page: 1);
            Add(0x8010 + Apart, page: 1);
        }

        Assert.True(_table.Find(0x5024, null) is not null);
        BlockIndex.Free(index);
    }

    [Fact]
    public void MorePagesAreKnownWherePagesPushEachOtherOut()
    {
        BlockIndex* index = Index(0x24);
        const ulong One = 0x5000, Other = One + (FewPages * 0x1000);
        uint few = _table.PageMask;
        int added = 0;
        while (!_table.AddPage(added % 2 == 0 ? One : Other, index, number: 7 + (added % 2), code: 1))
        {
            added++;
        }

        Assert.InRange(added, FewPages / 8, FewPages);
        Assert.Equal((uint)(((2 * FewPages) - 1) * sizeof(JumpPage)), _table.PageMask);
        Assert.NotEqual(few, _table.PageMask);
        Assert.True(_table.Find(One + 0x24, null) is not null && _table.Find(Other + 0x24, null) is not null);
        Assert.False(_table.AddPage(One, index, number: 7, code: 1));
        Assert.False(_table.AddPage(Other, index, number: 8, code: 1));
        Assert.True(_table.Find(One + 0x24, null) is not null && _table.Find(Other + 0x24, null) is not null);
        _table.ForgetCode(8);
        Assert.True(_table.Find(One + 0x24, null) is not null && _table.Find(Other + 0x24, null) is null);
        int growths = Enumerable.Range(0, 20 * Pages)
            .Count(i => _table.AddPage(i % 2 == 0 ? One : One + (Pages * 0x1000), index, number: 7, code: 1));
        Assert.Equal((1, (uint)((Pages - 1) * sizeof(JumpPage))), (growths, _table.PageMask));

        _table.Forget();
        Assert.True(_table.Find(One + 0x24, null) is null);
        BlockIndex.Free(index);
    }

    [Fact]
    public void PagesThatAreKnownStayKnownWhereThereComesToBeRoomForMore()
    {
        BlockIndex* index = Index(0x24);
        HashSet<ulong> known = [];
        ulong page = 1;
        for (bool grows = false; !grows; page += 5)
        {
            known.RemoveWhere(other => other % FewPages == page % FewPages); // it takes that one's place, but where there comes to be room
            known.Add(page);
            grows = _table.AddPage(page << 12, index, number: (long)page, code: 1);
        }

        Assert.NotEmpty(known);
        Assert.All(known, number => Assert.True(_table.Find((number << 12) + 0x24, null) is not null));
        _table.ForgetCode((long)known.First());
        Assert.True(_table.Find((known.First() << 12) + 0x24, null) is null);
        BlockIndex.Free(index);
    }

    private BlockIndex* Index(int offset)
    {
        ((Op*)(_block + 1))->Code = OpCode.Addi;
        return BlockIndex.Add(null, offset, _block, [], out _);
    }

    private void Add(ulong address, long page) => _table.Add(address, new JumpEntry { Address = address, Ops = (Op*)16, Page = page });

    private bool Knows(ulong address) => EntryOf(address)->Address == address && EntryOf(address)->Ops is not null;

    private JumpEntry* EntryOf(ulong address)
    {
        HartState state = new() { Context = { Jumps = _table.Entries, JumpMask = _table.Mask } };
        return state.JumpOf(address);
    }
}
