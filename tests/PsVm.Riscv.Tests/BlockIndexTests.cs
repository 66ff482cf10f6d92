using System.Runtime.InteropServices;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.Translation.Cache;

namespace PsVm.Riscv.Tests;

/// <summary>What the index of a page's blocks knows, and what it takes.</summary>
public sealed unsafe class BlockIndexTests : IDisposable
{
    private readonly Dictionary<int, nint> _blocks = [];
    private BlockIndex* _index;
    private int _bytes;

    public void Dispose()
    {
        BlockIndex.Free(_index);
        foreach (nint ops in _blocks.Values)
        {
            NativeMemory.Free(BlockHeader.Of((Op*)ops));
        }
    }

    [Fact]
    public void BlocksAreFoundByTheirOffsetsAlone()
    {
        int[] offsets = [0, 4094, 0x124, 0x126];
        Array.ForEach(offsets, offset => Add(offset));
        foreach (int offset in offsets)
        {
            Assert.True(BlockIndex.Find(_index, offset) == BlockHeader.Of((Op*)_blocks[offset]));
        }

        Assert.All([2, 4092, 0x128, 0x924], offset => Assert.True(BlockIndex.Find(_index, offset) is null));
    }

    [Fact]
    public void EveryHalfWordCanBeginABlockAndWhatItTakesIsBounded()
    {
        int[] offsets = [.. Enumerable.Range(0, 2048).Select(number => number * 2)];
        new Random(5).Shuffle(offsets);
        foreach (int offset in offsets)
        {
            int most = BlockIndex.MostBytesFor(_blocks.Count), before = _bytes;
            Add(offset);
            Assert.InRange(_bytes - before, 0, most);
        }

        Assert.All(offsets, offset => Assert.True(BlockIndex.Find(_index, offset) == BlockHeader.Of((Op*)_blocks[offset])));
        Assert.InRange(_bytes, 2048 * 8, 2 * 2048 * 8);
    }

    [Fact]
    public void AFewBlocksTakeLittleWhereverTheyBegin()
    {
        for (int block = 0; block < 16; block++)
        {
            Add(block * 256); // all hashed to one place while the index is small
        }

        Assert.InRange(_bytes, 1, 16 * 16 * 8 * 2);
    }

    [Fact]
    public void WhatWasOutgrownStaysRight()
    {
        Add(0x10);
        BlockIndex* first = _index;
        for (int block = 1; block < 200; block++)
        {
            Add(0x10 + (block * 6));
        }

        Assert.True(first != _index);
        Assert.True(BlockIndex.Find(first, 0x10) == BlockHeader.Of((Op*)_blocks[0x10]));
        Assert.True(BlockIndex.Find(first, 0x1f0) is null);
    }

    [Fact]
    public void AnInstructionThatCrossesThePagesEndIsNotKnown()
    {
        Add(0x10);
        Add(4094, OpCode.End);
        Assert.True(BlockIndex.Find(_index, 4094) is null);
        for (int block = 1; block < 200; block++)
        {
            Add(0x10 + (block * 6));
        }

        Assert.True(BlockIndex.Find(_index, 4094) is null);
    }

    private void Add(int offset, OpCode code = OpCode.Addi)
    {
        var header = (BlockHeader*)NativeMemory.AllocZeroed((nuint)(sizeof(BlockHeader) + sizeof(Op)));
        ((Op*)(header + 1))->Code = code;
        _index = BlockIndex.Add(_index, offset, header, _blocks, out int more);
        _blocks.Add(offset, (nint)(header + 1));
        _bytes += more;
    }
}
