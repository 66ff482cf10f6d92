using PsVm.Riscv.Decoding;
using PsVm.Riscv.Interpreter;
using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Tests;

/// <summary>What jump tables know of the blocks that were put there, and where.</summary>
public sealed unsafe class JumpTableTests : IDisposable
{
    private const int Largest = 4 * JumpTable.SmallSize;
    private const ulong Apart = 2 * JumpTable.SmallSize;

    private static readonly nuint s_bytes = (nuint)(Largest * sizeof(JumpEntry));

    private readonly JumpEntry* _entries = (JumpEntry*)HostPages.Map(s_bytes);
    private readonly JumpTable _table;

    public JumpTableTests()
    {
        _entries->Address = JumpEntry.Empty;
        _table = new JumpTable(_entries, Largest);
    }

    public void Dispose() => HostPages.Unmap(_entries, s_bytes);

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
            Add(0x5ffe, page: 1);
            Add(0x6004, page: 2);
            Add(0x7010, page: 1);

            _table.ForgetPage(0x5123);
            Assert.Equal((false, false, true, true), (Knows(0x5000), Knows(0x5ffe), Knows(0x6004), Knows(0x7010)));

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
        while (!Add(0x4010 + (Apart * (ulong)(added % 2)), page: 1))
        {
            added++;
        }

        Assert.InRange(added, 10 * JumpTable.SmallSize, 100 * JumpTable.SmallSize);
        Assert.Equal((uint)((Largest - 1) * sizeof(JumpEntry)), _table.Mask);
        Assert.NotEqual(small, _table.Mask);
        Add(0x4010, page: 1);
        Add(0x4010 + Apart, page: 1);
        Assert.Equal((true, true), (Knows(0x4010), Knows(0x4010 + Apart)));

        for (int i = 0; i < 100 * Largest; i++)
        {
            Assert.False(Add(0x4010 + (4 * Apart * (ulong)(i % 2)), page: 1));
        }
    }

    [Fact]
    public void EveryPlaceCanBeTaken()
    {
        for (int round = 0; round < 2; round++)
        {
            for (ulong i = 0; i < JumpTable.SmallSize; i++)
            {
                Add(0x1_0000 + (2 * i), page: (long)i);
            }

            Assert.True(Knows(0x1_0000));
            Assert.True(Knows(0x1_0000 + Apart - 2));
            _table.Forget();
            Assert.False(Knows(0x1_0000 + Apart - 2));
        }
    }

    private bool Add(ulong address, long page) => _table.Add(address, new JumpEntry { Address = address, Ops = (Op*)16, Page = page });

    private bool Knows(ulong address)
    {
        HartState state = new() { Jumps = _table.Entries, JumpMask = _table.Mask };
        return state.JumpOf(address)->Address == address && state.JumpOf(address)->Ops is not null;
    }
}
