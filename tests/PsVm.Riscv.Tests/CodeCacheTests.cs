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
        (long blocks, long bytes, long decoded) = (code.Usage.TranslatedBlocks, code.Usage.CodeBytes, code.Usage.DecodedBytes);
        Assert.NotEqual(0, blocks);

        second.Hart.Run(1000);

        Assert.Equal((blocks, bytes, decoded), (code.Usage.TranslatedBlocks, code.Usage.CodeBytes, code.Usage.DecodedBytes));
        Assert.Equal(first.Hart[A0], second.Hart[A0]);
    }

    [SkippableFact]
    public void APageThatAGuestWritesIsItsOwn()
    {
        Skip.IfNot(Translation.BlockTranslator.IsSupported, "this host runs no translated code");
        using var code = new CodeCache(AtFirstSight);
        using TestMachine first = Counting(code), second = Counting(code);
        first.Hart.Run(1000);
        long blocks = code.Usage.TranslatedBlocks;
        second.Program(Code, Addi(A0, A0, 5));

        second.Hart.Run(1000);
        ulong before = first.Hart[A0];
        first.Hart.Run(1000);

        Assert.True(code.Usage.TranslatedBlocks > blocks);
        Assert.Equal((500ul, 2500ul), (first.Hart[A0] - before, second.Hart[A0]));
    }

    private static TestMachine Counting(CodeCache code) =>
        new TestMachine(code: code).Program(Code, Addi(A0, A0, 1), Jal(Zero, -4));
}
