using PsVm.Riscv.Translation.Units;
using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>Which of the loops that lie within each other is translated as one.</summary>
public class LoopFinderTests
{
    private const int HostRegisters = 11;
    private const ulong FloatOn = 1ul << 13;
    private const uint FaddS = 0x53;

    /// <summary>A loop around another, which in all uses so many integer registers.</summary>
    [SkippableTheory]
    [InlineData(HostRegisters, false, true)]
    [InlineData(HostRegisters + 1, false, false)]
    [InlineData(HostRegisters + 2, true, true)]
    [InlineData(HostRegisters + 3, true, false)]
    public void TheOuterLoopIsTakenWhileItsRegistersHavePlacesOrFewMoreWhereItHasFloats(int registers, bool floats, bool isTaken)
    {
        Skip.IfNot(Translation.HostBackEnd.IsSupported, "this host runs no translated code");
        List<LoopUnit> loops = [];
        using var code = new CodeCache(new TranslatorOptions
        {
            Threshold = 1, Observer = translated => loops.AddRange(translated.Loop is { } loop ? [loop] : []),
        });
        using var machine = new TestMachine(code: code);
        List<uint> program = [Addi(1, 0, 0), .. Enumerable.Range(3, registers - 2).Select(register => Addi(register, register, 1))];
        int inner = program.Count * 4;
        program.AddRange([floats ? FaddS : Nop, Addi(1, 1, 1), Bne(1, 2, -8)]);
        program.AddRange([Bne(3, 2, -(program.Count * 4)), Jal(Zero, 0)]);
        machine.Program(TestMachine.RamBase, [.. program]);
        Assert.True(machine.Hart.TryWriteCsr(0x300, FloatOn));
        machine.Hart[2] = 5;
        machine.Hart.Pc = TestMachine.RamBase;
        machine.Hart.Run(400);
        Assert.Equal(5ul, machine.Hart[3]);
        Assert.Equal(isTaken ? 3 : 1, loops.Max(loop => loop.Blocks.Count(block => block.Offset <= inner + 12)));
    }
}
