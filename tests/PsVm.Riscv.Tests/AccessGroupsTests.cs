using PsVm.Riscv.Decoding;
using PsVm.Riscv.Translation.Units;
using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>Which loads and stores of a block are checked as one.</summary>
public sealed unsafe class AccessGroupsTests
{
    private const int A4 = 14, A6 = 16;

    [Fact]
    public void NeighboursByOneRegisterAreOneGroup()
    {
        string[] groups = Groups(Ld(A0, Sp, 8), Ld(A1, Sp, 16), Load(0, A2, Sp, 7), Sd(A3, Sp, 0));
        Assert.Equal(["0+8", "0+16", "0+7", "0+0"], groups);
    }

    [Fact]
    public void CopiesAndConstantsAreFollowed()
    {
        string[] groups = Groups(
            Addi(Sp, Sp, -64), Sd(A0, Sp, 56), Addi(A5, Sp, 64), Ld(A1, A5, -16), Add(A6, Zero, A5),
            Sd(A1, A6, -64), Addi(A6, A6, 8), Ld(A2, A6, -16));
        Assert.Equal([".", "1+56", ".", "1+48", ".", "1+0", ".", "1+56"], groups);
    }

    [Fact]
    public void ARegisterThatIsWrittenIsAnother()
    {
        Assert.Equal([".", ".", "."], Groups(Ld(A0, A0, 0), Ld(A0, A0, 0), Ld(A1, A0, 8)));
        Assert.Equal([".", "1+0", "1+8"], Groups(Ld(A0, A0, 0), Ld(A1, A0, 0), Ld(A2, A0, 8)));
    }

    [Fact]
    public void WhatLiesTooFarAwayIsAnotherGroup() =>
        Assert.Equal(["0+0", "0+248", "2+0", "2+8"], Groups(Ld(A0, Sp, 0), Ld(A1, Sp, 248), Ld(A2, Sp, 256), Ld(A3, Sp, 264)));

    /// <summary>It might never come to the store, and a page may be one that is only read.</summary>
    [Fact]
    public void AStoreBehindABranchJoinsNoLoads() =>
        Assert.Equal(
            ["0+0", "0+8", ".", "3+0", "3+8"],
            Groups(Ld(A0, Sp, 0), Ld(A1, Sp, 8), Bne(A0, Zero, 400), Sd(A2, Sp, 0), Ld(A3, Sp, 8)));

    [Fact]
    public void LoadsBehindABranchJoin() =>
        Assert.Equal(["0+0", ".", "0+8"], Groups(Ld(A0, Sp, 0), Bne(A0, Zero, 400), Ld(A1, Sp, 8)));

    /// <summary>A back end may do what is skipped and take it back.</summary>
    [Fact]
    public void WhatABranchSkipsIsNotKnown() =>
        Assert.Equal(
            ["0+0", ".", ".", "3+0", "3+8", "0+8"],
            Groups(Ld(A0, Sp, 0), Bne(A0, Zero, 8), Addi(A5, Sp, 8), Ld(A1, A5, 0), Ld(A2, A5, 8), Ld(A3, Sp, 8)));

    [Fact]
    public void NoGroupReachesOverWhatCallsOut() =>
        Assert.Equal(["0+0", "0+8", ".", "3+0", "3+8"], Groups(
            Ld(A0, Sp, 0), Ld(A1, Sp, 8), Atomic(4, 3, A2, A1, A0), Ld(A3, Sp, 0), Ld(A4, Sp, 8)));

    [Fact]
    public void MoreThanThereArePlacesForStayAlone()
    {
        uint[] loads = [.. Enumerable.Range(1, 10).Select(register => Load(3, Zero, register, 0))];
        string[] groups = Groups([.. loads, .. loads]);
        Assert.Equal(AccessGroups.MostAtOnce * 2, groups.Count(group => group != "."));
    }

    private static string[] Groups(params uint[] instructions)
    {
        byte* page = stackalloc byte[4096];
        new Span<byte>(page, 4096).Clear();
        uint[] program = [.. instructions, Jalr(Zero, Ra, 0)];
        program.CopyTo(new Span<uint>(page, program.Length));
        Op* ops = stackalloc Op[BlockDecoder.MaxOps];
        BlockDecoder.Decode(ops, page, 0, IsaExtensions.None);
        AccessGroups? groups = AccessGroups.Of(ops, &IsAtomic);
        return
        [
            .. Enumerable.Range(0, instructions.Length)
                .Select(i => groups?[i] is { } group ? $"{group.First}+{groups.OffsetOf(i)}" : "."),
        ];
    }

    private static bool IsAtomic(Op* op) => op->Code is >= OpCode.LrW and <= OpCode.AmoMaxuD;
}
