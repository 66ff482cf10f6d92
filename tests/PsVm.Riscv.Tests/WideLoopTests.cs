using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>
/// A loop that calls a function of another page, as one unit: what becomes of it when that page is another one. The loop counts in a0, the
/// function adds to a1 what its page says.
/// </summary>
public sealed class WideLoopTests
{
    private const ulong Code = 0x4000_0000, Leaf = TestMachine.RamBase + 0x100000, Root = Leaf + 0x1000, Middle = Leaf + 0x2000;
    private const ulong First = TestMachine.RamBase + 0x200000,
    Second = TestMachine.RamBase + 0x210000,
    Third = TestMachine.RamBase + 0x220000;
    private const ulong Valid = 1, LeafFlags = 0xcf; // D A X W R V
    private const int Satp = 0x180;
    private const uint Return = 0x8067;

    private int _wide;

    [SkippableFact]
    public void TheFunctionIsPartOfTheLoop()
    {
        using CodeCache code = Cache();
        using TestMachine machine = Machine(code);
        machine.Hart.Run(4_000);

        Assert.Equal(1, _wide);
        long exits = machine.Hart.CodeExits.UnknownTarget + machine.Hart.CodeExits.NotTranslated;
        Check(machine, 40_000, adds: 3);
        Assert.Equal(exits, machine.Hart.CodeExits.UnknownTarget + machine.Hart.CodeExits.NotTranslated);
    }

    [SkippableFact]
    public void WhereTheFunctionsPageIsMappedElsewhereThatIsRun()
    {
        using CodeCache code = Cache();
        using TestMachine machine = Machine(code);
        machine.Hart.Run(4_000);
        machine.WriteRam(Leaf + 8, Entry(Third, LeafFlags));
        machine.Hart.Mmu.FlushAll();

        Check(machine, 4_000, adds: 50);
        machine.WriteRam(Leaf + 8, Entry(Second, LeafFlags));
        machine.Hart.Mmu.FlushAll();
        Check(machine, 4_000, adds: 3);
        Assert.Equal(1, _wide);
    }

    [SkippableFact]
    public void AClonesFunctionIsItsOwn()
    {
        using CodeCache code = Cache();
        using TestMachine one = Machine(code), other = Machine(code);
        one.Hart.Run(4_000);
        other.Program(Second, Addi(A1, A1, 7), Return);

        Check(other, 4_000, adds: 7);
        Check(one, 4_000, adds: 3);
        Assert.Equal(1, _wide);
    }

    [SkippableFact]
    public void WhatTheHostWritesIntoTheFunctionIsRun()
    {
        using CodeCache code = Cache();
        using TestMachine machine = Machine(code);
        machine.Hart.Run(4_000);
        machine.Program(Second, Addi(A1, A1, 9), Return);
        machine.Memory.NotifyWritten(Second, 8);

        Check(machine, 4_000, adds: 9);
    }

    /// <summary>The function changes itself: the loop is left, and the function found anew.</summary>
    [SkippableFact]
    public void AFunctionThatChangesItselfIsRunAsItIs()
    {
        using CodeCache code = Cache();
        using TestMachine machine = Machine(code);
        machine.Program(Second, Sw(A5, A4, 12), R(0x33, 4, 0, A5, A5, A6), Addi(A0, A0, 0), Addi(A1, A1, 3), Return);
        (machine.Hart[A4], machine.Hart[A5], machine.Hart[A6]) = (Code + 4096, Addi(A1, A1, 3), Addi(A1, A1, 3) ^ Addi(A1, A1, 4));

        machine.Hart.Run(8_000);

        ulong rounds = machine.Hart[A0];
        Assert.InRange(machine.Hart[A1], (rounds - 2) * 7 / 2, (rounds + 2) * 7 / 2);
        Assert.True(rounds > 800);
    }

    [SkippableFact]
    public void TheSamePageOnceMoreIsFoundOnce()
    {
        using CodeCache code = Cache();
        using TestMachine machine = Machine(code);
        machine.WriteRam(Leaf + 8, Entry(First, LeafFlags));
        machine.Program(First, Jal(Ra, 4096 + 0x40), Addi(A0, A0, 1), Jal(Zero, -8));
        machine.Program(First + 0x40, Addi(A1, A1, 3), Return);

        machine.Hart.Run(4_000);
        Check(machine, 4_000, adds: 3);
        Assert.Equal(0, _wide);
    }

    [SkippableFact]
    public void ALoopThatIsEnteredOftenIsGivenUp()
    {
        using CodeCache code = Cache(mostEntries: 5);
        using TestMachine machine = Machine(code);

        // Each second call returns past the loop, which is begun anew by a register.
        machine.Program(First, Jal(Ra, 4096), Addi(A0, A0, 1), Jal(Zero, -8), Addi(A0, A0, 1), Jalr(Zero, A7, 0));
        machine.Program(Second, Addi(A1, A1, 3), R(0x33, 4, 0, A3, A3, A2), Add(Ra, Ra, A3), Return);
        (machine.Hart[A7], machine.Hart[A2]) = (Code, 8);
        for (int run = 0; run < 20; run++)
        {
            machine.Hart.Run(1_000);
        }

        Assert.Equal(1, _wide);
        Assert.Equal(1, code.Usage.LoopsGivenUp);
        Assert.InRange(machine.Hart[A1], (machine.Hart[A0] - 1) * 3, (machine.Hart[A0] + 1) * 3);
    }

    /// <summary>
    /// The page of the function goes, while the loop's stays: nobody enters the loop any more, and its memory is not what another page
    /// gets.
    /// </summary>
    [SkippableFact]
    public void WhenTheFunctionsPageLeavesTheLoopIsNotEntered()
    {
        using CodeCache code = Cache(decodedBytes: 1 << 20);
        using TestMachine machine = Machine(code);
        machine.Hart.Run(4_000);
        Assert.Equal(1, _wide);

        // A flood of code, and the loop now and then: pages of both are sent away again and again.
        for (int round = 0; round < 40; round++)
        {
            ulong pc = machine.Hart.Pc, a0 = machine.Hart[A0], a1 = machine.Hart[A1];
            for (ulong page = 0; page < 24; page++)
            {
                ulong at = TestMachine.RamBase + 0x400000 + (page << 12);
                machine.Program(at, Addi(A2, Zero, (int)((round * 24) + (int)page) & 0x7ff), Addi(A3, Zero, round), Jal(Zero, 4096 - 8));
            }

            machine.Program(TestMachine.RamBase + 0x400000 + (24 << 12), Wfi);
            machine.Memory.NotifyWritten(TestMachine.RamBase + 0x400000, 25 << 12);
            machine.Hart.Pc = TestMachine.RamBase + 0x400000;
            Assert.Equal(HartExit.WaitForInterrupt, machine.Hart.Run(10_000));
            (machine.Hart.Pc, machine.Hart[A0], machine.Hart[A1]) = (pc, a0, a1);
            Check(machine, 2_000, adds: 3);
        }

        Assert.True(code.Usage.EvictedPages > 100, $"{code.Usage.EvictedPages} pages left");
        Assert.Equal((0, null), (code.Usage.Failures, code.Usage.LastFailure));
    }

    private static void Check(TestMachine machine, ulong instructions, ulong adds)
    {
        (ulong rounds, ulong sum) = (machine.Hart[A0], machine.Hart[A1]);
        machine.Hart.Run(instructions);
        (rounds, sum) = (machine.Hart[A0] - rounds, machine.Hart[A1] - sum);
        Assert.InRange(rounds, (instructions / 5) - 2, (instructions / 5) + 2);
        Assert.InRange(sum, (rounds - 1) * adds, (rounds + 1) * adds);
    }

    private static TestMachine Machine(CodeCache code)
    {
        var machine = new TestMachine(code: code) { FixedTime = 0 };
        machine.Program(First, Jal(Ra, 4096), Addi(A0, A0, 1), Jal(Zero, -8));
        machine.Program(Second, Addi(A1, A1, 3), Return);
        machine.Program(Third, Addi(A1, A1, 50), Return);
        machine.WriteRam(Root + (2 * 8), Entry(TestMachine.RamBase, LeafFlags)); // 1 GiB as it is
        machine.WriteRam(Root + (1 * 8), Entry(Middle, Valid));
        machine.WriteRam(Middle, Entry(Leaf, Valid));
        machine.WriteRam(Leaf, Entry(First, LeafFlags));
        machine.WriteRam(Leaf + 8, Entry(Second, LeafFlags));
        machine.Hart.TryWriteCsr(Satp, 8ul << 60 | Root >> 12);
        machine.Hart.Mode = PrivilegeMode.Supervisor;
        machine.Hart.Pc = Code;
        return machine;
    }

    private CodeCache Cache(int mostEntries = int.MaxValue, long decodedBytes = 64 << 20)
    {
        Skip.IfNot(Translation.HostBackEnd.IsSupported, "this host runs no translated code");
        return new CodeCache(new TranslatorOptions
        {
            Threshold = 1,
            DecodedBytes = decodedBytes,
            MostLoopEntries = mostEntries,
            Observer = made => _wide += made.Loop?.IsWide == true ? 1 : 0,
        });
    }

    private static ulong Entry(ulong page, ulong flags) => page >> 12 << 10 | flags;
}
