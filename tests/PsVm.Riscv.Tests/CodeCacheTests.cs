using PsVm.Riscv.Interpreter;
using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

public class CodeCacheTests
{
    private const ulong Code = TestMachine.RamBase;
    private static readonly TranslatorOptions AtFirstSight = new() { Threshold = 1 };

    [SkippableFact]
    public void HartsWithEqualPagesShareTranslations()
    {
        Skip.IfNot(Translation.HostBackEnd.IsSupported, "this host runs no translated code");
        using var code = new CodeCache(AtFirstSight);
        using TestMachine first = Counting(code), second = Counting(code);
        first.Hart.Run(1000);
        (long blocks, long bytes, long decoded) = (code.Usage.TranslatedBlocks, code.Usage.CodeBytes, code.Usage.DecodedBytes);
        Assert.NotEqual(0, blocks);

        second.Hart.Run(1000);

        Assert.Equal((blocks, bytes, decoded), (code.Usage.TranslatedBlocks, code.Usage.CodeBytes, code.Usage.DecodedBytes));
        Assert.Equal(first.Hart[A0], second.Hart[A0]);
    }

    /// <summary>All pages of RAM but the last hold the same, so that there is one page of code for them.</summary>
    [Fact]
    public void AHartKnowsABoundedNumberOfPagesHoweverManyItRuns()
    {
        const int Pages = BlockCache.MostKnownPages + 3000;
        using var code = new CodeCache(TranslatorOptions.Off);
        using var machine = new TestMachine(ramSize: (Pages + 1) * 4096ul, code: code);
        for (int page = 0; page < Pages; page++)
        {
            machine.Program(Code + ((ulong)page * 4096), Jal(Zero, 4096));
        }

        machine.Program(Code + (Pages * 4096ul), Jal(Zero, 0));
        for (int known = 0; machine.Hart.Pc != Code + (Pages * 4096ul); known = machine.Hart.Blocks.KnownPages)
        {
            Assert.InRange(known, 0, BlockCache.MostKnownPages + 1000);
            machine.Hart.Run(1000);
        }

        Assert.False(machine.Hart.Blocks.HasCode(0));
        Assert.True(machine.Hart.Blocks.HasCode(Pages - 1));
        Assert.InRange(code.Usage.DecodedBytes, 2 * 4096, 3 * 4096);
    }

    [SkippableFact]
    public void APageThatAGuestWritesIsItsOwn()
    {
        Skip.IfNot(Translation.HostBackEnd.IsSupported, "this host runs no translated code");
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

    [SkippableFact]
    public void HotCodeIsTranslatedBesideTheHartAndItsLoopAsOne()
    {
        Skip.IfNot(Translation.HostBackEnd.IsSupported, "this host runs no translated code");
        using var code = new CodeCache();
        using TestMachine machine = Counting(code);
        for (int i = 0; i < 10_000 && code.Usage.TranslatedLoops == 0; i++)
        {
            machine.Hart.Run(100_000);
        }

        CodeCacheUsage usage = code.Usage;
        Assert.True(usage.TranslatedLoops == 1, $"{usage} {machine.Hart.CodeExits} pc {machine.Hart.Pc:x}");
        Assert.NotEqual(TimeSpan.Zero, usage.TranslationTime);
        ulong before = machine.Hart[A0], retired = machine.Hart.InstructionsRetired;
        machine.Hart.Run(1_000_000);
        Assert.Equal((machine.Hart.InstructionsRetired - retired) / 2, machine.Hart[A0] - before);
        Assert.NotEqual(0, machine.Hart.CodeExits.Limit);
    }

    [SkippableTheory]
    [InlineData(1)]
    [InlineData(3)]
    public void CodeIsBoundedAndTheColdestGoesFirst(int harts)
    {
        Skip.IfNot(Translation.HostBackEnd.IsSupported, "this host runs no translated code");
        const int Pages = 2000, Rounds = 3;
        const ulong HotPage = 0;
        Dictionary<long, int> translations = [];
        long most = 0;
        using var code = new CodeCache(AtFirstSight with
        {
            CodeBytes = TranslatorOptions.LeastCodeBytes,
            Observer = made =>
            {
                translations[made.Page] = translations.GetValueOrDefault(made.Page) + 1;
                most = Math.Max(most, made.Length);
            },
        });

        // Every cold page calls the hot one, counts, and jumps to the next page.
        TestMachine Make()
        {
            var machine = new TestMachine(16 << 20, code: code);
            machine.Program(Code + (HotPage << 12), Addi(A1, A1, 1), Jalr(Zero, 1, 0));
            for (ulong page = 1; page <= Pages; page++)
            {
                ulong at = Code + (page << 12);
                bool last = page == Pages;
                machine.Program(
                    at,
                    Addi(A0, A0, (int)(page & 1023)),
                    Addi(A3, Zero, (int)(page >> 10)), // so that no two pages are equal
                    Jalr(1, Sp, 0),
                    Addi(A0, A0, 1),
                    last ? Jalr(Zero, A2, 0) : Jal(Zero, 4096 - 16));
            }

            machine.Hart[Sp] = Code;
            machine.Hart[A2] = Code + 4096;
            machine.Hart.Pc = Code + 4096;
            return machine;
        }

        ulong expected = 0;
        for (ulong page = 1; page <= Pages; page++)
        {
            expected += (page & 1023) + 1;
        }

        TestMachine[] machines = [.. Enumerable.Range(0, harts).Select(_ => Make())];
        Parallel.ForEach(machines, machine =>
        {
            while (machine.Hart[A1] < Pages * Rounds)
            {
                machine.Hart.Run(1);
            }

            while (machine.Hart.Pc != Code + 4096)
            {
                machine.Hart.Run(1);
            }
        });

        Assert.All(machines, machine => Assert.Equal(expected * Rounds, machine.Hart[A0]));
        CodeCacheUsage usage = code.Usage;
        Assert.InRange(usage.CodeBytes, 1, TranslatorOptions.LeastCodeBytes);
        Assert.NotEqual(0, usage.EvictedPages);
        Assert.Equal(translations[(long)HotPage], translations.Values.Min());
        foreach (TestMachine machine in machines)
        {
            machine.Dispose();
        }
    }

    [Fact]
    public void ASizeThatCannotBeIsRefused()
    {
        var error = Assert.Throws<ArgumentException>(() => new CodeCache(TranslatorOptions.Default with { CodeBytes = 5000 }));
        Assert.Contains("found 5000", error.Message, StringComparison.Ordinal);
    }

    // The last instruction of a page goes on in the next one, which is not there. What ran before it must not learn to jump to the
    // handler.
    [SkippableFact]
    public void AFetchThatFailsIsAskedForAgain()
    {
        Skip.IfNot(Translation.HostBackEnd.IsSupported, "this host runs no translated code");
        const int Mepc = 0x341, Mtvec = 0x305;
        const ulong Size = 1 << 20, End = Code + Size, Faulting = End - 2, Start = Faulting - 12;
        using var code = new CodeCache(AtFirstSight);
        using TestMachine machine = new(Size, code: code);
        machine.Program(Start, Addi(A0, A0, -1), Nop, Bne(A0, Zero, -8));
        machine.Ram[^2] = 0x13; // the first half of a nop
        machine.Program(
            Code, Addi(A1, A1, 1), Addi(A0, Zero, 3), Csrrw(A4, Mepc, Zero), Branch(0, A4, A5, 8), Addi(A2, A2, 1), Jalr(Zero, A3, 0));
        machine.Hart.TryWriteCsr(Mtvec, Code);
        (machine.Hart.Pc, machine.Hart[A0], machine.Hart[A3], machine.Hart[A5]) = (Start, 3, Start, Faulting);

        machine.Hart.Run(1000);

        Assert.InRange(machine.Hart[A1], 10ul, 1000ul);
        Assert.Equal(0ul, machine.Hart[A2]);
    }

    // A loop that was there at first sight was once translated again when slices had ended in it, and its entry overwritten.
    [SkippableFact]
    public void ALoopIsTranslatedOnce()
    {
        Skip.IfNot(Translation.HostBackEnd.IsSupported, "this host runs no translated code");
        using var code = new CodeCache(AtFirstSight);
        using TestMachine machine = Counting(code);
        machine.Hart.Run(2_000_000);
        machine.Hart.Run(2_000_000);
        Assert.Equal(1, code.Usage.TranslatedLoops);
        Assert.Equal(machine.Hart.InstructionsRetired / 2, machine.Hart[A0]);
    }

    [SkippableFact]
    public void APageIsSharedWhereverItIs()
    {
        Skip.IfNot(Translation.HostBackEnd.IsSupported, "this host runs no translated code");
        const ulong Away = 0x5000;
        using var code = new CodeCache(AtFirstSight);
        using TestMachine first = Counting(code), second = new(code: code);
        second.Program(Code + Away, Addi(A0, A0, 1), Jal(Zero, -4));
        second.Hart.Pc = Code + Away;
        first.Hart.Run(1000);
        long blocks = code.Usage.TranslatedBlocks;

        second.Hart.Run(1000);

        Assert.Equal(blocks, code.Usage.TranslatedBlocks);
        Assert.Equal(first.Hart[A0], second.Hart[A0]);
        Assert.Equal(Code + Away, second.Hart.Pc & ~0xffful);
    }

    private static TestMachine Counting(CodeCache code) =>
        new TestMachine(code: code).Program(Code, Addi(A0, A0, 1), Jal(Zero, -4));
}
