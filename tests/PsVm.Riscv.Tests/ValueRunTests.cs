using PsVm.Riscv.Decoding;
using PsVm.Riscv.Translation.Units;
using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>What operations become as values.</summary>
public sealed unsafe class ValueRunTests
{
    private const int Leave = 400;

    [Fact]
    public void TwoShiftsThatRotateAreOneOperation()
    {
        string[] values = Needed(
            Shift(5, 0, A1, A0, 7), Shift(1, 0, A2, A0, 25), R(0x33, 6, 0, A3, A1, A2), Addi(A1, Zero, 0), Addi(A2, Zero, 0));
        Assert.Equal(["v0 = x10", "v3 = Roriw v0 7"], values[..2]);
        Assert.DoesNotContain(values, value => value.Contains("Slliw") || value.Contains("Srliw"));
    }

    [Fact]
    public void ShiftsOfDifferentValuesDoNotRotate()
    {
        string[] values = Needed(Shift(5, 0, A1, A0, 7), Shift(1, 0, A2, A3, 25), R(0x33, 6, 0, A4, A1, A2));
        Assert.DoesNotContain(values, value => value.Contains("Rori"));
        values = Needed(Shift(5, 0, A1, A0, 7), Shift(1, 0, A2, A0, 24), R(0x33, 6, 0, A4, A1, A2));
        Assert.DoesNotContain(values, value => value.Contains("Rori"));
    }

    [Fact]
    public void CopiesAreTheSameValueAndConstantsAreKnown()
    {
        string[] values = Needed(Lui(A1, 0x12345), Addi(A1, A1, 0x678), Add(A2, Zero, A1), Add(A3, A2, A0), Addi(A4, A3, 0));
        Assert.Contains("v4 = Add v3 305419896", values);
        Assert.Equal(1, values.Count(value => value.Contains("Add")));
    }

    [Fact]
    public void WhatNobodySeesIsNotNeeded()
    {
        string[] values = Needed(R(0x33, 4, 0, A1, A0, A2), Addi(A1, A0, 1), Addi(A1, A1, 1));
        Assert.DoesNotContain(values, value => value.Contains("Xor"));
    }

    [Fact]
    public void WhatIsSeenWhereTheRunMayBeLeftIsNeeded()
    {
        string[] values = Needed(R(0x33, 4, 0, A1, A0, A2), Bne(A3, A4, Leave), Addi(A1, A0, 1));
        Assert.Contains(values, value => value.Contains("Xor"));
        values = Needed(R(0x33, 4, 0, A1, A0, A2), Ld(A5, A3, 0), Addi(A1, A0, 1));
        Assert.Contains(values, value => value.Contains("Xor"));
    }

    [Fact]
    public void WordsAreExtendedWhereTheyAreSeenOnly()
    {
        ValueRun run = Run(R(0x3b, 0, 0, A1, A0, A2), R(0x3b, 0, 0, A1, A1, A2), R(0x33, 4, 0, A3, A1, A2), Ld(A4, A1, 0));
        Value[] computed = [.. run.Values.Where(value => value.Kind == ValueKind.Compute)];
        Assert.False(computed[0].NeedsAll, "an operand of a word alone");
        Assert.True(computed[1].NeedsAll, "an address");
        Assert.True(computed[2].NeedsAll, "no word, and a register's value in the end");
    }

    [Fact]
    public void ABranchOverLittleSelects()
    {
        string[] values = Needed(Bne(A0, A1, 8), Addi(A2, A2, 1));
        Assert.Contains("v4 = Bne v0 v1 ? v2 : v3", values);
    }

    private static uint Shift(int funct3, int upper, int rd, int rs1, int count) =>
        (uint)((upper | count) << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | 0x1b);

    private static string[] Needed(params uint[] instructions) =>
        [.. Run(instructions).Values.Where(value => value.IsNeeded && value.Kind != ValueKind.Constant).Select(value => value.ToString())];

    private static ValueRun Run(params uint[] instructions)
    {
        byte* page = stackalloc byte[4096];
        new Span<byte>(page, 4096).Clear();
        uint[] program = [.. instructions, Jalr(Zero, Ra, 0)];
        program.CopyTo(new Span<uint>(page, program.Length));
        Op* ops = stackalloc Op[BlockDecoder.MaxOps];
        BlockDecoder.Decode(ops, page, 0, IsaExtensions.None);
        return new ValueRun(ops, 0, instructions.Length, null, 0, &Skippable);
    }

    private static int Skippable(Op* op) => op->Immediate - op->Offset == 8 ? 1 : 0;
}
