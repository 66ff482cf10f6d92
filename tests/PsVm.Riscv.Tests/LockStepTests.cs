using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>What lock-step is worth: harts that are alike agree, and one that is not is found out.</summary>
public sealed unsafe class LockStepTests : IDisposable
{
    private const ulong Code = TestMachine.RamBase, Data = Code + 0x10000, Handler = Code + 0x8000;
    private const int Mtvec = 0x305, Mscratch = 0x340, Fcsr = 0x003;
    private const ulong Enough = 3_000;

    private readonly CodeCache _decoded = new(TranslatorOptions.Off), _translated = new(new TranslatorOptions { Threshold = 1 });
    private readonly TestMachine _reference, _subject;

    public LockStepTests() => (_reference, _subject) = (Machine(_decoded), Machine(_translated));

    /// <summary>What makes the subject another machine than the reference.</summary>
    public enum Mutation
    {
        Register,
        FloatRegister,
        FloatFlags,
        Memory,
        Instruction,
        Csr,
        TrapHandler,
        Pc,
        Counter,
        MoreTraps,
        Waits,
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(200)]
    [InlineData(50_000)]
    public void HartsThatAreAlikeAgree(int maxBudget)
    {
        var lockStep = new LockStep(_reference.Hart, _subject.Hart, maxBudget);
        Assert.Null(lockStep.Run(Enough));
        Assert.InRange(_subject.Hart.InstructionsRetired + _subject.Hart.Traps, Enough, Enough + (ulong)maxBudget + 128);
        Assert.InRange(lockStep.Comparisons, 1, (long)Enough);
        Assert.True(_subject.Ram.SequenceEqual(_reference.Ram));
    }

    /// <summary>
    /// A store changes an instruction behind a branch over so little that translated code does it and takes it back. The branch ends the
    /// interpreter's block, which then finds what is there now; random programs found that translated code went on with what was.
    /// </summary>
    [SkippableTheory]
    [InlineData("sw a1, (a0)", 0x00b5_2023u)]
    [InlineData("amoswap.w x0, a1, (a0)", 0x08b5_202fu)]
    [InlineData("amomax.w x0, a1, (a0)", 0xa0b5_202fu)]
    public void AStoreIntoItsOwnBlockShowsBehindABranchThatIsTaken(string text, uint store)
    {
        Skip.IfNot(Translation.HostBackEnd.IsSupported, "this host runs no translated code");
        foreach (TestMachine machine in new[] { _reference, _subject })
        {
            machine.Program(
                Code,
                store,
                Bne(A2, Zero, 8),
                Addi(A3, A3, 1),
                Addi(A4, A4, 1),
                Addi(A5, A5, 1), // becomes addi a5, a5, 2
                Jal(Zero, 0));
            machine.Memory.NotifyWritten(Code, 4096);
            machine.Hart.Pc = Code;
            (machine.Hart[A0], machine.Hart[A1], machine.Hart[A2]) = (Code + 16, Addi(A5, A5, 2), 1);
            (machine.Hart[A3], machine.Hart[A4], machine.Hart[A5]) = (0, 0, 0);
        }

        LockStepDifference? difference = new LockStep(_reference.Hart, _subject.Hart).Run(20);
        Assert.True(difference is null, $"{text}: {difference}");
        Assert.Equal((0ul, 1ul, 2ul), (_subject.Hart[A3], _subject.Hart[A4], _subject.Hart[A5]));
    }

    /// <summary>A hart that does nothing but pause leaves early, and the reference's short runs do not.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2_000)]
    public void HartsThatPauseAgree(int maxBudget)
    {
        const uint Pause = 0x0100_000f;
        foreach (TestMachine machine in new[] { _reference, _subject })
        {
            machine.Program(Code, Pause, Jal(Zero, -4));
            machine.Memory.NotifyWritten(Code, 4096);
            machine.Hart.Pc = Code;
        }

        Assert.Null(new LockStep(_reference.Hart, _subject.Hart, maxBudget).Run(Enough));
    }

    public static TheoryData<Mutation, int> Mutations()
    {
        var data = new TheoryData<Mutation, int>();
        foreach (Mutation mutation in Enum.GetValues<Mutation>())
        {
            data.Add(mutation, 1);
            data.Add(mutation, 200);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Mutations))]
    public void ADifferenceIsReported(Mutation mutation, int maxBudget)
    {
        var lockStep = new LockStep(_reference.Hart, _subject.Hart, maxBudget);
        Assert.Null(lockStep.Run(Enough));
        string what = Mutate(_subject, mutation);
        LockStepDifference? difference = lockStep.Run(Enough);
        Assert.NotNull(difference);
        Assert.StartsWith(what, difference.What);
        Assert.Equal(difference.Agreed, difference.Path[0]);
        Assert.InRange(difference.Path.Count, 1, maxBudget + 128);
    }

    [Fact]
    public void ADifferenceTellsWhereItAroseAndBothStates()
    {
        var lockStep = new LockStep(_reference.Hart, _subject.Hart, maxBudget: 1);
        Assert.Null(lockStep.Run(Enough));
        ulong at = _reference.Hart.Pc;
        _subject.Hart[A4] ^= 1;
        LockStepDifference difference = lockStep.Run(Enough)!;
        Assert.Equal(at, difference.Agreed);
        Assert.Equal([at], difference.Path);
        Assert.Equal(_reference.Hart[A4], difference.Expected.Integers[A4]);
        Assert.Equal(_subject.Hart[A4], difference.Found.Integers[A4]);
        Assert.Contains($"they agreed at 0x{at:x}", difference.ToString());
    }

    [Fact]
    public void ABudgetIsAtLeastOne() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new LockStep(_reference.Hart, _subject.Hart, maxBudget: 0));

    public void Dispose()
    {
        _reference.Dispose();
        _subject.Dispose();
        _decoded.Dispose();
        _translated.Dispose();
    }

    /// <summary>Changes one thing of a machine; gives how its difference is told.</summary>
    private static string Mutate(TestMachine machine, Mutation mutation)
    {
        Hart hart = machine.Hart;
        switch (mutation)
        {
            case Mutation.Register:
                hart[A4]++;
                return $"x{A4}: ";
            case Mutation.FloatRegister:
                hart.SetFloat(7, 1);
                return "f7: ";
            case Mutation.FloatFlags:
                hart.TryWriteCsr(Fcsr, 2);
                return "fflags";
            case Mutation.Memory:
                machine.WriteRam(Data + 8, 1);
                return $"x{A1}: ";
            case Mutation.Instruction:
                machine.Program(Code + 8, Addi(A2, A2, 2));
                machine.Memory.NotifyWritten(Code, 16);
                return $"x{A2}: ";
            case Mutation.Csr:
                hart.TryWriteCsr(Mscratch, 1);
                return "CSR 0x340: ";
            case Mutation.TrapHandler:
                hart.TryWriteCsr(Mtvec, Handler + 4); // does not say that it was there, and returns to the same place
                return "";
            case Mutation.Pc:
                hart.Pc = Code;
                return "";
            case Mutation.Counter:
                hart.State->Retired++;
                return "retired: ";
            case Mutation.MoreTraps:
                hart.State->Limit = 0;
                hart.Trap(2, 0, hart.Pc);
                return "";
            default:
                machine.Program(Code + 8, Wfi);
                machine.Memory.NotifyWritten(Code, 16);
                return "the reference left with Budget, the subject with WaitForInterrupt";
        }
    }

    /// <summary>A loop with a trap and a call in it.</summary>
    private static TestMachine Machine(CodeCache code)
    {
        TestMachine machine = new TestMachine(code: code) { FixedTime = 0 }.Program(
            Code,
            Addi(A0, A0, 1),
            Ld(A1, Sp, 8),
            Addi(A2, A2, 1),
            Sd(A0, Sp, 0),
            Ebreak,
            Jal(Ra, 8),
            Jal(Zero, -24),
            R(0x53, 7, 1, 1, 1, 2), // fadd.d
            Jalr(Zero, Ra, 0));
        machine.Program(
            Handler, Addi(A3, A3, 1), Csrrs(T0, 0x341, 0), Addi(T0, T0, 4), Csrrw(Zero, 0x341, T0), Mret);
        machine.Hart.TryWriteCsr(Mtvec, Handler);
        machine.Hart.TryWriteCsr(0x300, 1 << 13);
        machine.Hart[Sp] = Data;
        return machine;
    }
}
