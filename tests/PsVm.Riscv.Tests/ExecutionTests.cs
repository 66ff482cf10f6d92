using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

public class ExecutionTests
{
    private const ulong Code = TestMachine.RamBase, Data = Code + 0x10000, Handler = Code + 0x8000;
    private const int Mepc = 0x341, Mcause = 0x342, Mtval = 0x343, Mtvec = 0x305, Minstret = 0xb02, Mstatus = 0x300;

    [Fact]
    public void What_is_charged_shortens_the_run_and_no_more()
    {
        using TestMachine machine = new(0x1000, new ChargingEnvironment(1000));
        machine.Program(TestMachine.RamBase, Asm.Ecall, Asm.Jal(Asm.Zero, -4));
        machine.Hart.Mode = PrivilegeMode.Supervisor;

        Assert.Equal(HartExit.Budget, machine.Hart.Run(100_000));
        Assert.InRange(machine.Hart.InstructionsRetired, 190ul, 210ul);

        Assert.Equal(HartExit.Budget, machine.Hart.Run(100_000)); // and is not charged again
        Assert.InRange(machine.Hart.InstructionsRetired, 380ul, 420ul);
    }

    [Fact]
    public void WritesToX0GoNowhere()
    {
        using var machine = new TestMachine();
        machine.Program(Code, Addi(Zero, Zero, 5), Add(A0, Zero, Zero));
        machine.Hart[A0] = 7;
        machine.Hart.Run(2);
        Assert.Equal(0ul, machine.Hart[A0]);
        machine.Hart[0] = 9;
        Assert.Equal(0ul, machine.Hart[0]);
    }

    [Fact]
    public void JalrReadsItsSourceBeforeItLinks()
    {
        using var machine = new TestMachine();
        machine.Program(Code, Jalr(Ra, Ra, 1));
        machine.Hart[Ra] = Code + 0x100;
        machine.Hart.Run(1);
        Assert.Equal((Code + 0x100, Code + 4), (machine.Hart.Pc, machine.Hart[Ra]));
    }

    [Theory]
    [InlineData(4, 7ul, 0ul, ulong.MaxValue)] // div
    [InlineData(4, 1ul << 63, ulong.MaxValue, 1ul << 63)]
    [InlineData(5, 7ul, 0ul, ulong.MaxValue)] // divu
    [InlineData(6, 7ul, 0ul, 7ul)] // rem
    [InlineData(6, 1ul << 63, ulong.MaxValue, 0ul)]
    [InlineData(7, 7ul, 0ul, 7ul)] // remu
    public void DivisionNeverTraps(int funct3, ulong a, ulong b, ulong expected)
    {
        using var machine = new TestMachine();
        machine.Program(Code, R(0x33, funct3, 1, A0, A1, A2));
        (machine.Hart[A1], machine.Hart[A2]) = (a, b);
        machine.Hart.Run(1);
        Assert.Equal(expected, machine.Hart[A0]);
    }

    [Theory]
    [InlineData(Data + 1)]
    [InlineData(Data + 0xffd)] // across two pages
    public void MisalignedAccessesWork(ulong address)
    {
        using var machine = new TestMachine();
        machine.Program(Code, Sd(A1, A0, 0), Ld(A2, A0, 0), Load(1, A3, A0, 0));
        (machine.Hart[A0], machine.Hart[A1]) = (address, 0x1122_3344_5566_8788);
        machine.Hart.Run(3);
        Assert.Equal((0x1122_3344_5566_8788ul, 0xffff_ffff_ffff_8788ul), (machine.Hart[A2], machine.Hart[A3]));
    }

    [Fact]
    public void StoreAcrossTheEndOfRamLeavesMemoryAsItWas()
    {
        using var machine = WithHandler(new TestMachine());
        ulong last = TestMachine.RamBase + machine.RamSize - 8;
        machine.Program(Code, Sd(A1, A0, 0));
        machine.WriteRam(last, 42);
        (machine.Hart[A0], machine.Hart[A1]) = (last + 4, ulong.MaxValue);
        machine.Hart.Run(1);
        Assert.Equal((Handler, 42ul), (machine.Hart.Pc & ~3ul, machine.ReadRam(last)));
        Assert.Equal((7ul, last + 8), (Csr(machine, Mcause), Csr(machine, Mtval)));
    }

    [Fact]
    public void InstructionAcrossTwoPagesRuns()
    {
        using var machine = new TestMachine();
        ulong address = Code + 0x1ffe;
        machine.WriteRam(address & ~7ul, (ulong)(Addi(A0, Zero, 77) & 0xffff) << 48);
        machine.WriteRam((address & ~7ul) + 8, Addi(A0, Zero, 77) >> 16 | (ulong)Addi(A1, A0, 1) << 16);
        machine.Hart.Pc = address;
        machine.Hart.Run(1);
        Assert.Equal((77ul, address + 4), (machine.Hart[A0], machine.Hart.Pc));
        machine.Hart.Run(1);
        Assert.Equal(78ul, machine.Hart[A1]);
    }

    [Fact]
    public void TrapsArePreciseInTheMiddleOfABlock()
    {
        using var machine = WithHandler(new TestMachine());
        machine.Program(Code, Addi(A0, A0, 1), Addi(A0, A0, 1), Ld(A1, Zero, 16), Addi(A0, A0, 1));
        machine.Hart[A1] = 5;
        machine.Hart.Run(2);
        machine.Hart.Run(1);
        Assert.Equal((2ul, 5ul), (machine.Hart[A0], machine.Hart[A1]));
        Assert.Equal((5ul, 16ul, Code + 8), (Csr(machine, Mcause), Csr(machine, Mtval), Csr(machine, Mepc)));
        Assert.Equal(3ul, Csr(machine, Minstret)); // two, and one of the handler's
    }

    [Fact]
    public void IllegalInstructionLeavesItsBitsInMtval()
    {
        using var machine = WithHandler(new TestMachine());
        machine.Program(Code, Nop, 0xffff_ffff);
        machine.Hart.Run(2);
        Assert.Equal((2ul, 0xffff_fffful, Code + 4), (Csr(machine, Mcause), Csr(machine, Mtval), Csr(machine, Mepc)));
    }

    [Fact]
    public void FloatingPointIsIllegalWhileTheUnitIsOff()
    {
        using var machine = WithHandler(new TestMachine());
        machine.Program(Code, R(0x53, 0, 1, 1, 2, 3)); // fadd.d
        machine.Hart.Run(1);
        Assert.Equal(2ul, Csr(machine, Mcause));
    }

    [Fact]
    public void NarrowValuesThatAreNotBoxedAreNaN()
    {
        using var machine = new TestMachine();
        machine.Program(Code, R(0x53, 0, 0, 1, 2, 3)); // fadd.s
        machine.Hart.TryWriteCsr(Mstatus, 1 << 13);
        machine.Hart.SetFloat(2, 0x3f80_0000); // 1.0f without the ones above it
        machine.Hart.SetFloat(3, 0xffff_ffff_3f80_0000);
        machine.Hart.Run(1);
        Assert.Equal(0xffff_ffff_7fc0_0000, machine.Hart.GetFloat(1));
        machine.Hart.TryReadCsr(Mstatus, out ulong status);
        Assert.Equal(3ul, status >> 13 & 3); // dirty
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void StoresIntoCodeShowAtTheNextBlock(bool throughBus)
    {
        using var machine = new TestMachine();
        ulong target = Code + 0x1000;
        machine.Program(Code, Jalr(Ra, A5, 0), Sw(A1, A5, 0), FenceI, Jalr(Ra, A5, 0), Nop);
        machine.Program(target, Addi(A0, Zero, 1), Jalr(Zero, Ra, 0));
        (machine.Hart[A5], machine.Hart[A1]) = (target, Addi(A0, Zero, 2));
        machine.Hart.Run(3);
        Assert.Equal(1ul, machine.Hart[A0]);
        if (throughBus)
        {
            machine.Program(target, Addi(A0, Zero, 3));
            machine.Memory.NotifyWritten(target, 4);
            machine.Hart.Pc = target;
            machine.Hart.Run(1);
            Assert.Equal(3ul, machine.Hart[A0]);
            return;
        }

        machine.Hart.Run(4);
        Assert.Equal(2ul, machine.Hart[A0]);
    }

    [Fact]
    public void ABlockMayRewriteWhatFollowsInItsOwnPage()
    {
        using var machine = new TestMachine();
        machine.Program(Code, Sw(A1, A5, 0), FenceI, Addi(A0, Zero, 1));
        (machine.Hart[A5], machine.Hart[A1]) = (Code + 8, Addi(A0, Zero, 2));
        machine.Hart.Run(3);
        Assert.Equal(2ul, machine.Hart[A0]);
    }

    // The way from the block that stores to the block that was written, all in one page; it is well trodden when the store comes.
    public enum Way
    {
        /// <summary>jal x0, forward.</summary>
        Jump,

        /// <summary>A conditional branch that is taken, forward.</summary>
        Branch,

        /// <summary>The end of the longest block there is.</summary>
        End,

        /// <summary>jal and ret.</summary>
        Call,

        /// <summary>A conditional branch back to the start of the block that stores, which is what is written.</summary>
        Itself,

        /// <summary>jal x0, back to the block that stores.</summary>
        JumpBack,
    }

    public static TheoryData<Way, bool, int, ulong> Ways()
    {
        var data = new TheoryData<Way, bool, int, ulong>();
        foreach (Way way in Enum.GetValues<Way>())
        {
            foreach (int threshold in (int[])[int.MaxValue, 1, 24])
            {
                data.Add(way, false, threshold, 100_000);
                data.Add(way, true, threshold, 100_000);
                data.Add(way, false, threshold, 1);
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void AJumpWithinAPageSeesWhatWasJustStoredThere(Way way, bool fence, int threshold, ulong budget)
    {
        const int Rounds = 100, Patched = 50;
        const int Link = T2;
        using var cache = new CodeCache(new TranslatorOptions { Threshold = threshold });
        using var machine = new TestMachine(code: cache);

        // It stores each time, but into data until the round comes: no branch, so that the way behind the store is trodden before.
        uint[] loop =
        [
            Addi(A3, A3, 1),
            R(0x33, 4, 0, T0, A3, A5), // xor
            0x0012_b293, // sltiu t0, t0, 1
            R(0x33, 0, 1, T0, T0, A2), // mul
            Add(T0, T0, Sp),
            Sw(A1, T0, 0),
            .. fence ? [FenceI] : Array.Empty<uint>(),
        ];
        uint old = Addi(A0, A0, 1);
        int target, length = loop.Length;
        uint[] program;
        switch (way)
        {
            case Way.Jump:
                target = length + 2;
                program = [.. loop, Jal(Zero, 8), Nop, old, Bne(A3, A4, -(length + 3) * 4), Jal(Zero, 0)];
                break;
            case Way.Branch:
                target = length + 2;
                program = [.. loop, Branch(0, Zero, Zero, 8), Nop, old, Bne(A3, A4, -(length + 3) * 4), Jal(Zero, 0)];
                break;
            case Way.End:
                target = 127;
                program = [.. loop, .. Enumerable.Repeat(Nop, 127 - length), old, Bne(A3, A4, -128 * 4), Jal(Zero, 0)];
                break;
            case Way.Call:
                target = length + 3;
                program = [.. loop, Jal(Link, 12), Bne(A3, A4, -(length + 1) * 4), Jal(Zero, 0), old, Jalr(Zero, Link, 0)];
                break;
            case Way.Itself:
                target = 0;
                program = [old, .. loop, Bne(A3, A4, -(length + 1) * 4), Jal(Zero, 0)];
                break;
            default:
                target = 0;
                program = [old, .. loop, Branch(0, A3, A4, 8), Jal(Zero, -(length + 2) * 4), Jal(Zero, 0)];
                break;
        }

        machine.Program(Code, program);
        (machine.Hart[A1], machine.Hart[A2], machine.Hart[Sp]) = (Addi(A0, A0, 1000), Code + ((ulong)target * 4) - Data, Data);
        (machine.Hart[A4], machine.Hart[A5]) = (Rounds, Patched);
        ulong end = Code + ((ulong)Array.IndexOf(program, Jal(Zero, 0)) * 4);
        for (int i = 0; i < 100_000 && machine.Hart.Pc != end; i++)
        {
            machine.Hart.Run(budget);
        }

        // What comes before the store has run the old instruction once more.
        int before = way >= Way.Itself ? Patched : Patched - 1;
        Assert.Equal((ulong)(before + ((Rounds - before) * 1000)), machine.Hart[A0]);
    }

    [Fact]
    public void RomCannotBeWritten()
    {
        const ulong Rom = 0x1000_0000;
        using TestMachine machine = WithHandler(new TestMachine(rom: Rom));
        machine.Program(Code, Ld(A1, A0, 0), Sd(A1, A0, 0));
        machine.Hart[A0] = Rom;
        machine.Hart.Run(2);
        Assert.Equal((7ul, Rom, Code + 4), (Csr(machine, Mcause), Csr(machine, Mtval), Csr(machine, Mepc)));
    }

    [Fact]
    public void HotCodeAllocatesNothing()
    {
        using var machine = new TestMachine();
        machine.Hart.TryWriteCsr(Mstatus, 1 << 13);
        machine.Program(
            Code, Addi(A0, A0, 1), Sd(A0, Sp, 0), Ld(A1, Sp, 0), Atomic(0, 3, A2, Sp, A1), R(0x53, 7, 1, 1, 1, 2),
            Csrrs(A3, 0xc02, 0), Branch(0, Zero, Zero, -24));
        machine.Hart[Sp] = Data;
        machine.Hart.Run(10_000_000); // until the loop is asked for as one, in its page and in others
        long before = GC.GetAllocatedBytesForCurrentThread();
        machine.Hart.Run(1_000_000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void MoreCodeThanTheCacheHoldsStillRuns()
    {
        // A chain of jumps, one to a page, twice: every page is decoded, and found again.
        using var machine = new TestMachine(64 << 20);
        const ulong Pages = 16_000;
        for (ulong page = 0; page < Pages; page++)
        {
            machine.Program(Code + (page << 12), Addi(A0, A0, 1), Jal(Zero, page == Pages - 1 ? 0 : 4092));
        }

        machine.Hart.Run(2 * Pages);
        Assert.Equal(Pages, machine.Hart[A0]);
    }

    private static ulong Csr(TestMachine machine, int number)
    {
        Assert.True(machine.Hart.TryReadCsr(number, out ulong value));
        return value;
    }

    private static TestMachine WithHandler(TestMachine machine)
    {
        machine.Program(Handler, Jal(Zero, 0));
        machine.Hart.TryWriteCsr(Mtvec, Handler);
        return machine;
    }

    private sealed class ChargingEnvironment(ulong instructions) : IExecutionEnvironment
    {
        public bool TryHandleCall(Hart hart)
        {
            hart.Charge(instructions);
            return true;
        }
    }
}
