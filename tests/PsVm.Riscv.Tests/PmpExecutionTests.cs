using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>Physical memory protection of instructions and data, by both tiers (privileged manual, section 3.7).</summary>
public class PmpExecutionTests
{
    private const ulong Code = TestMachine.RamBase, Handler = Code + 0x8000, Data = Code + 0x10000;
    private const int Mtvec = 0x305, Mepc = 0x341, Mcause = 0x342, Pmpcfg0 = 0x3a0, Pmpaddr0 = 0x3b0;
    private const ulong R = 1, W = 2, X = 4, Na4 = 0x10, Napot = 0x18, Locked = 0x80, FetchFault = 1, LoadFault = 5, StoreFault = 7;

    public static TheoryData<int> Tiers() => [1, int.MaxValue];

    [Theory]
    [MemberData(nameof(Tiers))]
    public void AnInstructionInTheMiddleOfABlockMayBeProtected(int threshold)
    {
        using var cache = new CodeCache(new TranslatorOptions { Threshold = threshold });
        using TestMachine machine = Supervisor(cache, (Na4, (Code + 8) >> 2), (Napot | R | W | X, ulong.MaxValue));
        machine.Program(Code, Addi(A0, A0, 1), Addi(A0, A0, 1), Addi(A0, A0, 1), Addi(A0, A0, 1), Jal(Zero, 0));

        machine.Hart.Run(3);

        Assert.Equal((2ul, FetchFault, Code + 8), (machine.Hart[A0], Csr(machine, Mcause), Csr(machine, Mepc)));
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void BothHalvesOfAnInstructionHaveToBeAllowed(int threshold)
    {
        using var cache = new CodeCache(new TranslatorOptions { Threshold = threshold });
        using TestMachine machine = Supervisor(cache, (Na4, (Code + 8) >> 2), (Napot | R | W | X, ulong.MaxValue));
        machine.Program(Code, Addi(A0, A0, 1));
        machine.WriteRam(Code + 4, 0x0001 | (ulong)Addi(A0, A0, 1) << 16 | 0x0001ul << 48); // c.nop, addi at +6, c.nop

        machine.Hart.Run(3);

        Assert.Equal((1ul, FetchFault, Code + 6), (machine.Hart[A0], Csr(machine, Mcause), Csr(machine, Mepc)));
    }

    // The jump within the page is bound when the entry is written, which is locked and so binds machine mode, too.
    [Theory]
    [MemberData(nameof(Tiers))]
    public void ProtectionThatIsWrittenWhenJumpsAreBoundHolds(int threshold)
    {
        using var cache = new CodeCache(new TranslatorOptions { Threshold = threshold });
        using TestMachine machine = new(code: cache);
        machine.Program(Handler, Jal(Zero, 0));
        machine.Hart.TryWriteCsr(Mtvec, Handler);
        machine.Program(
            Code,
            Addi(A3, A3, -1),
            Csrrw(Zero, Pmpcfg0, A4),
            Jal(Zero, 8),
            Nop,
            Addi(A0, A0, 1), // at 16: protected in the last round
            Bne(A3, Zero, -20),
            Addi(A4, A5, 0),
            Jal(Zero, -28));
        machine.Hart.TryWriteCsr(Pmpaddr0, (Code + 16) >> 2);
        (machine.Hart[A3], machine.Hart[A5]) = (50, Locked | Na4 | R);

        machine.Hart.Run(1000);

        Assert.Equal((50ul, FetchFault, Code + 16), (machine.Hart[A0], Csr(machine, Mcause), Csr(machine, Mepc)));
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void APageThatIsProtectedInPartHoldsBackLoadsAndStoresToThatPart(int threshold)
    {
        using var cache = new CodeCache(new TranslatorOptions { Threshold = threshold });
        foreach ((uint access, ulong fault) in ((uint, ulong)[])[(Ld(A1, Sp, 8), LoadFault), (Sd(A1, Sp, 8), StoreFault)])
        {
            using TestMachine machine = Supervisor(cache, (Na4, (Data + 8) >> 2), (Napot | R | W | X, ulong.MaxValue));
            machine.Program(Code, Ld(A1, Sp, 0), Sd(A1, Sp, 0), access, Jal(Zero, 0));
            machine.Hart[Sp] = Data;

            machine.Hart.Run(3);

            Assert.Equal((fault, Code + 8), (Csr(machine, Mcause), Csr(machine, Mepc)));
        }
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void LoadsThatWentThroughStopWhenProtectionIsWritten(int threshold)
    {
        using var cache = new CodeCache(new TranslatorOptions { Threshold = threshold });
        using TestMachine machine = new(code: cache);
        machine.Program(Handler, Jal(Zero, 0));
        machine.Hart.TryWriteCsr(Mtvec, Handler);
        machine.Program(Code, Ld(A1, Sp, 0), Csrrw(Zero, Pmpcfg0, A4), Ld(A1, Sp, 0), Addi(A0, A0, 1), Jal(Zero, 0));
        machine.Hart.TryWriteCsr(Pmpaddr0, Data >> 2);
        (machine.Hart[Sp], machine.Hart[A4]) = (Data, Locked | Napot);

        machine.Hart.Run(10);

        Assert.Equal((0ul, LoadFault, Code + 8), (machine.Hart[A0], Csr(machine, Mcause), Csr(machine, Mepc)));
    }

    // A guest whose page is protected in part runs what another guest of the cache has translated, but not as it is translated.
    [SkippableFact]
    public void TranslationsOfAnotherGuestDoNotLeadAroundProtection()
    {
        Skip.IfNot(Translation.HostBackEnd.IsSupported, "this host runs no translated code");
        using var cache = new CodeCache(new TranslatorOptions { Threshold = 1 });
        uint[] program = [Addi(A0, A0, 1), Jal(Zero, 8), Nop, Addi(A0, A0, 1), Addi(A0, A0, 1), Jal(Zero, -20)];
        using TestMachine free = new TestMachine(code: cache).Program(Code, program);
        free.Hart.Run(1000);
        using TestMachine bound = Supervisor(cache, (Na4, (Code + 16) >> 2), (Napot | R | W | X, ulong.MaxValue));
        bound.Program(Code, program);

        bound.Hart.Run(4);

        Assert.Equal((2ul, FetchFault, Code + 16), (bound.Hart[A0], Csr(bound, Mcause), Csr(bound, Mepc)));
    }

    private static TestMachine Supervisor(CodeCache cache, params (ulong Config, ulong Address)[] entries)
    {
        var machine = new TestMachine(code: cache);
        machine.Program(Handler, Jal(Zero, 0));
        machine.Hart.TryWriteCsr(Mtvec, Handler);
        ulong config = 0;
        for (int i = 0; i < entries.Length; i++)
        {
            machine.Hart.TryWriteCsr(Pmpaddr0 + i, entries[i].Address);
            config |= entries[i].Config << (8 * i);
        }

        machine.Hart.TryWriteCsr(Pmpcfg0, config);
        machine.Hart.Mode = PrivilegeMode.Supervisor;
        return machine;
    }

    private static ulong Csr(TestMachine machine, int number)
    {
        Assert.True(machine.Hart.TryReadCsr(number, out ulong value));
        return value;
    }
}
