using System.Buffers.Binary;
using System.Runtime.InteropServices;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.Translation.Units;
using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>Which blocks become one loop: over several pages, with what is called inside.</summary>
public sealed unsafe class WideLoopFinderTests : IDisposable
{
    private const int Page = 4096, Registers = 9;
    private const uint Return = 0x8067;

    private readonly Dictionary<int, nint> _pages = [];
    private readonly Dictionary<int, nint> _blocks = [];

    [Fact]
    public void ALoopThatCrossesTheEndOfItsPageIsOne()
    {
        Put(Page - 8, Addi(A0, A0, 1), Addi(A1, A1, 1), Addi(A2, A2, -1), Bne(A2, Zero, -12));

        LoopUnit loop = Find(Page - 8)!;

        Assert.Equal([Page - 8, Page], Offsets(loop));
        Assert.Equal([(1, 1001)], loop.OtherPages);
        Assert.True(loop.IsWide);
        Assert.Equal((Page - 8, 0), (loop.Blocks[0].Offset, loop.Blocks[0].Origin));
        Assert.Equal(Page, loop.Blocks[1].Origin);
    }

    [Fact]
    public void AFunctionOfAnotherPageIsPartOfTheLoopThatCallsItAndReturnsIntoIt()
    {
        Put(0x100, Jal(Ra, (3 * Page) - 0x100), Addi(A2, A2, -1), Bne(A2, Zero, -8));
        Put(3 * Page, Addi(A0, A0, 1), Return);

        LoopUnit loop = Find(0x100)!;

        Assert.Equal([0x100, 0x104, 3 * Page], Offsets(loop));
        Assert.Equal([0x104], loop.Find(3 * Page)!.ReturnsTo);
        Assert.Equal([(3, 1003)], loop.OtherPages);
    }

    [Fact]
    public void APageBeforeTheFirstMayBePartOfIt()
    {
        Put(0x100, Jal(Ra, -Page - 0x100), Addi(A2, A2, -1), Bne(A2, Zero, -8));
        Put(-Page, Return);

        LoopUnit loop = Find(0x100)!;

        Assert.Equal([-Page, 0x100, 0x104], Offsets(loop));
        Assert.Equal([(-1, 999)], loop.OtherPages);
    }

    [Fact]
    public void ACallWhoseTargetTheInstructionBeforeItSaysIsOne()
    {
        Put(0x100, Auipc(Ra, 2), Jalr(Ra, Ra, -0x100), Addi(A2, A2, -1), Bne(A2, Zero, -12));
        Put(2 * Page, Return);

        Assert.Equal([0x100, 0x108, 2 * Page], Offsets(Find(0x100)!));
    }

    [Fact]
    public void AFunctionReturnsToEachOfItsCalls()
    {
        Put(0x100, Jal(Ra, 0x100), Jal(Ra, 0xfc), Addi(A2, A2, -1), Bne(A2, Zero, -12));
        Put(0x200, Addi(A0, A0, 1), Return);

        LoopUnit loop = Find(0x100)!;

        Assert.Equal([0x104, 0x108], loop.Find(0x200)!.ReturnsTo);
        Assert.Empty(loop.OtherPages);
        Assert.True(loop.IsWide);
    }

    [Fact]
    public void WhatAFunctionCallsIsPartOfTheLoopToo()
    {
        Put(0x100, Jal(Ra, 0x100), Addi(A2, A2, -1), Bne(A2, Zero, -8));
        Put(0x200, Addi(A5, Ra, 0), Jal(Ra, 0xfc), Addi(Ra, A5, 0), Return);
        Put(0x300, Return);

        LoopUnit loop = Find(0x100)!;

        Assert.Equal([0x100, 0x104, 0x200, 0x208, 0x300], Offsets(loop));
        Assert.Equal([0x104], loop.Find(0x208)!.ReturnsTo);
        Assert.Equal([0x208], loop.Find(0x300)!.ReturnsTo);
    }

    [Fact]
    public void AFunctionThatCallsItselfIsALoop()
    {
        Put(0x200, Branch(0, A0, Zero, 12), Jal(Ra, -4), Addi(A1, A1, 1), Return);

        LoopUnit loop = Find(0x200)!;

        Assert.Equal([0x200, 0x208, 0x20c], Offsets(loop));
        Assert.Equal([0x208], loop.Find(0x20c)!.ReturnsTo);
    }

    [Theory]
    [InlineData("the function is not known")]
    [InlineData("it never returns")]
    [InlineData("another register links")]
    [InlineData("it goes elsewhere by a register")]
    public void ALoopIsNoneWhere(string what)
    {
        Put(0x100, Jal(what.Contains("links") ? T0 : Ra, 0x100), Addi(A2, A2, -1), Bne(A2, Zero, -8));
        switch (what)
        {
            case "it never returns":
                Put(0x200, Jal(Zero, 0));
                break;
            case "another register links":
                Put(0x200, Return);
                break;
            case "it goes elsewhere by a register":
                Put(0x200, Jalr(Zero, A5, 0));
                break;
            default:
                _pages.Remove(0, out nint page);
                Put(0x100, Jal(Ra, (5 * Page) - 0x100), Addi(A2, A2, -1), Bne(A2, Zero, -8));
                NativeMemory.Free((void*)page);
                break;
        }

        Assert.Null(Find(0x100));
    }

    [Fact]
    public void ALoopOverMorePagesThanAreAllowedIsNone()
    {
        for (int page = 0; page <= LoopFinder.MostPages; page++)
        {
            Put(page * Page, page < LoopFinder.MostPages ? Jal(Zero, Page) : Jal(Zero, -page * Page));
        }

        Assert.Null(Find(0));
        Put((LoopFinder.MostPages - 1) * Page, Jal(Zero, -(LoopFinder.MostPages - 1) * Page));
        _blocks.Clear();
        Assert.Equal(LoopFinder.MostPages, Find(0)!.Blocks.Count);
    }

    [Fact]
    public void ALoopThatIsOneWithoutItsCallsStaysSo()
    {
        Put(0x100, Addi(A2, A2, -1), Branch(0, A3, Zero, 8), Bne(A2, Zero, -8), Jal(Ra, 0x100), Jal(Zero, -16));
        Put(0x20c, Return);

        LoopUnit loop = Find(0x100)!;

        Assert.Equal([0x100], Offsets(loop));
        Assert.False(loop.IsWide);
    }

    [Theory]
    [InlineData(LoopFinder.MostAround - 1, true)]
    [InlineData(LoopFinder.MostAround, false)]
    public void ALoopWithinMoreLoopsThanAreLookedAtIsNone(int around, bool isFound)
    {
        // The loops around it use more registers than there are, and all lie within each other.
        List<uint> code = [.. Enumerable.Repeat(Jal(Zero, 4), around), Addi(A0, A0, 1), Bne(A0, Zero, -4)];
        code.AddRange(Enumerable.Range(1, Registers + 1).Select(register => Addi(register, register, 1)));
        for (int header = around - 1; header >= 0; header--)
        {
            code.Add(Bne(A1, Zero, (header - code.Count) * 4));
        }

        Put(0, [.. code]);

        LoopUnit? loop = LoopFinder.FindWide(BlockAt, around * 4, Registers, _ => default);

        Assert.Equal(isFound ? [around * 4] : null, loop is null ? null : Offsets(loop));
    }

    /// <summary>
    /// A guest writes code for which a search takes as long as it can: 96 blocks, each with as many branches as a block has, to all that
    /// come later.
    /// </summary>
    [Fact]
    public void BlocksOfManyBranchesAreFewInASearch()
    {
        const int Blocks = 96, Length = 400;
        for (int block = 0; block < Blocks; block++)
        {
            List<uint> code = [];
            for (int later = block + 1; later < Blocks && code.Count < 90 && (later - block) * Length < Page; later++)
            {
                code.Add(Bne(A0, A1, ((later - block) * Length) - (code.Count * 4)));
            }

            Put(block * Length, [.. code, Jal(Zero, (((Blocks - 1 - block) - block) * Length) - (code.Count * 4))]);
        }

        FlowGraph graph = new(BlockAt, 0, withCalls: true);
        graph.Connect();

        Assert.InRange(graph.All.Sum(block => graph.Next(block).Length), 100, FlowGraph.MostWays + BlockDecoder.MaxOps);
    }

    public void Dispose()
    {
        foreach (nint memory in _pages.Values.Concat(_blocks.Values))
        {
            NativeMemory.Free((void*)memory);
        }
    }

    private static int[] Offsets(LoopUnit loop) => [.. loop.Blocks.Select(block => block.Offset).Order()];

    private LoopUnit? Find(int entry) =>
        LoopFinder.Find(BlockAt, entry, Registers) ?? LoopFinder.FindWide(
            BlockAt, entry, Registers, distance => (distance, 1000 + distance));

    private void Put(int place, params uint[] instructions)
    {
        for (int i = 0; i < instructions.Length; i++, place += 4)
        {
            int number = place >> 12;
            if (!_pages.TryGetValue(number, out nint page))
            {
                _pages.Add(number, page = (nint)NativeMemory.AllocZeroed(Page));
            }

            BinaryPrimitives.WriteUInt32LittleEndian(new Span<byte>((byte*)page + (place & (Page - 1)), 4), instructions[i]);
        }
    }

    private nint BlockAt(int place)
    {
        if (!_blocks.TryGetValue(place, out nint block) && _pages.TryGetValue(place >> 12, out nint page))
        {
            block = (nint)NativeMemory.Alloc((nuint)(BlockDecoder.MaxOps * sizeof(Op)));
            BlockDecoder.Decode((Op*)block, (byte*)page, place & (Page - 1), default);
            _blocks.Add(place, block);
        }

        return block;
    }
}
