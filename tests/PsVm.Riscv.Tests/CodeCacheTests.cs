using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

public class CodeCacheTests
{
    private const ulong Code = TestMachine.RamBase;
    private static readonly TranslatorOptions AtFirstSight = new() { Threshold = 1 };

    [SkippableFact]
    public void HartsWithEqualPagesShareTranslations()
    {
        Skip.IfNot(Translation.BlockTranslator.IsSupported, "this host runs no translated code");
        using var code = new CodeCache(AtFirstSight);
        using TestMachine first = Counting(code), second = Counting(code);
        first.Hart.Run(1000);
        (long blocks, long bytes, long decoded) = (code.TranslatedBlocks, code.CodeBytes, code.DecodedBytes);
        Assert.NotEqual(0, blocks);

        second.Hart.Run(1000);

        Assert.Equal((blocks, bytes, decoded), (code.TranslatedBlocks, code.CodeBytes, code.DecodedBytes));
        Assert.Equal(first.Hart[A0], second.Hart[A0]);
    }

    [SkippableFact]
    public void APageThatAGuestWritesIsItsOwn()
    {
        Skip.IfNot(Translation.BlockTranslator.IsSupported, "this host runs no translated code");
        using var code = new CodeCache(AtFirstSight);
        using TestMachine first = Counting(code), second = Counting(code);
        first.Hart.Run(1000);
        long blocks = code.TranslatedBlocks;
        second.Program(Code, Addi(A0, A0, 5));

        second.Hart.Run(1000);
        ulong before = first.Hart[A0];
        first.Hart.Run(1000);

        Assert.True(code.TranslatedBlocks > blocks);
        Assert.Equal((500ul, 2500ul), (first.Hart[A0] - before, second.Hart[A0]));
    }

    // The last instruction of a page goes on in the next one, which is not there. What ran before it must not learn to jump to the
    // handler.
    [SkippableFact]
    public void AFetchThatFailsIsAskedForAgain()
    {
        Skip.IfNot(Translation.BlockTranslator.IsSupported, "this host runs no translated code");
        const int Mepc = 0x341, Mtvec = 0x305;
        const ulong Size = 1 << 20, End = Code + Size, Faulting = End - 2, Start = Faulting - 12;
        using var code = new CodeCache(AtFirstSight);
        using TestMachine machine = new(Size, code: code);
        machine.Program(Start, Addi(A0, A0, -1), Nop, Bne(A0, Zero, -8));
        machine.Ram[^2] = 0x13; // the first half of a nop
        machine.Program(Code, Addi(A1, A1, 1), Addi(A0, Zero, 3), Csrrw(A4, Mepc, Zero), Branch(0, A4, A5, 8), Addi(A2, A2, 1), Jalr(Zero, A3, 0));
        machine.Hart.TryWriteCsr(Mtvec, Code);
        (machine.Hart.Pc, machine.Hart[A0], machine.Hart[A3], machine.Hart[A5]) = (Start, 3, Start, Faulting);

        machine.Hart.Run(1000);

        Assert.InRange(machine.Hart[A1], 10ul, 1000ul);
        Assert.Equal(0ul, machine.Hart[A2]);
    }

    private static TestMachine Counting(CodeCache code) =>
        new TestMachine(code: code).Program(Code, Addi(A0, A0, 1), Jal(Zero, -4));
}
