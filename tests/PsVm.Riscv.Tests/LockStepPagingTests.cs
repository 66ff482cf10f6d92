using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>
/// Page tables that change under running code without a fence, in lock-step. The manual allows the old and the new translation until the
/// fence; that both tiers choose the same one keeps it testable, and keeps guests from seeing what others have translated.
/// </summary>
public class LockStepPagingTests
{
    private const ulong Tables = TestMachine.RamBase + 0x100000, Leaves = Tables + 0x2000;
    private const ulong Pages = TestMachine.RamBase + 0x200000,
    DataPages = TestMachine.RamBase + 0x240000,
    Handler = TestMachine.RamBase + 0x8000;
    private const ulong Window = 0x4000_0000, TableWindow = Window + 0x100000, DataWindow = Window + 0x40000;
    private const ulong V = 1, R = 2, W = 4, X = 8, A = 64, D = 128;
    private const int CodePages = 8, Satp = 0x180, Mtvec = 0x305;

    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void ABlockThatRemapsItsOwnPageGoesOnAlikeInBothTiers(bool othersRanIt)
    {
        Skip.IfNot(Translation.HostBackEnd.IsSupported, "this host runs no translated code");
        using CodeCache decoded = new(TranslatorOptions.Off), translated = new(new TranslatorOptions { Threshold = 1 });
        using RemappingGuest reference = new(decoded), other = new(translated), subject = new(translated);
        if (othersRanIt)
        {
            other.Machine.Hart[A1] = 0xcf | RemappingGuest.First >> 12 << 10; // maps what is mapped already, and so binds the jump
            other.Run();
        }

        Assert.Null(new LockStep(reference.Machine.Hart, subject.Machine.Hart, maxBudget: 2000).Run(100));
    }

    // Random blocks in pages that all look alike but for what they add, and that store into the table which maps them and data.
    [SkippableTheory]
    [ClassData(typeof(LockStepRuns))]
    public void ProgramsThatRemapTheirPagesAgree(int threshold, int maxBudget)
    {
        Skip.IfNot(Translation.HostBackEnd.IsSupported, "this host runs no translated code");
        for (int program = 0; program < 40; program++)
        {
            using CodeCache decoded = new(TranslatorOptions.Off);
            using CodeCache translated = new(new TranslatorOptions { Threshold = threshold });
            using TestMachine reference = Machine(decoded, program), subject = Machine(translated, program);
            LockStepDifference? difference = new LockStep(reference.Hart, subject.Hart, maxBudget).Run(6_000);
            Assert.True(difference is null, $"program {program}: {difference}");
            Assert.True(reference.Ram.SequenceEqual(subject.Ram), $"program {program}: memory differs");
            Assert.True(reference.Hart[A2] > 20, $"program {program} stored {reference.Hart[A2]} entries");
        }
    }

    /// <summary>
    /// More pages than a TLB has places at first, some of which change places without a fence in each round, until it has grown twice.
    /// </summary>
    [SkippableTheory]
    [InlineData(1, 2000)]
    [InlineData(1, 30)]
    [InlineData(3, 50_000)]
    public void TlbsGrowAtTheSameInstruction(int threshold, int maxBudget)
    {
        const ulong Round = 1024;
        Skip.IfNot(Translation.HostBackEnd.IsSupported, "this host runs no translated code");
        using CodeCache decoded = new(TranslatorOptions.Off), translated = new(new TranslatorOptions { Threshold = threshold });
        using TestMachine reference = Machine(decoded), subject = Machine(translated);
        var lockStep = new LockStep(reference.Hart, subject.Hart, maxBudget);
        int sizes = 0;
        for (int round = 0; round < 16; round++)
        {
            int before = reference.Hart.Mmu.Tlb.Size;
            LockStepDifference? difference = lockStep.Run(Round * 5);
            Assert.True(difference is null, $"round {round}: {difference}");
            Assert.Equal(reference.Hart.Mmu.Tlb.Size, subject.Hart.Mmu.Tlb.Size);
            sizes += reference.Hart.Mmu.Tlb.Size != before ? 1 : 0;
        }

        Assert.Equal(2, sizes);
        Assert.True(reference.Ram.SequenceEqual(subject.Ram), "memory differs");

        static TestMachine Machine(CodeCache code)
        {
            var machine = new TestMachine(code: code) { FixedTime = 0 };
            machine.WriteRam(Tables + (2 * 8), Entry(TestMachine.RamBase, V | R | W | X | A | D)); // 1 GiB as it is
            machine.WriteRam(Tables + (1 * 8), Entry(Tables + 0x1000, V));
            for (ulong page = 0; page < Round; page++)
            {
                machine.WriteRam(Tables + 0x1000 + (page / 512 * 8), Entry(Leaves + (page / 512 * 4096), V));
                machine.WriteRam(Leaves + (page * 8), Entry(Pages + (page * 4096), V | R | W | A | D));
                machine.WriteRam(Pages + (page * 4096), page * 0x9e37_79b9);
            }

            machine.Program(
                TestMachine.RamBase,
                Ld(A1, A0, 0),
                Add(A4, A4, A1),
                Sd(A4, A0, 8),
                Add(A0, A0, A3),
                Bne(A0, A2, -16),
                Ld(A1, A5, 0), // two pages change places
                Ld(A6, A5, 64),
                Sd(A6, A5, 0),
                Sd(A1, A5, 64),
                Addi(A5, A5, 8),
                Add(A0, A7, Zero),
                Jal(Zero, -44));
            machine.Hart.TryWriteCsr(Satp, 8ul << 60 | Tables >> 12);
            machine.Hart.Mode = PrivilegeMode.Supervisor;
            (machine.Hart[A0], machine.Hart[A7], machine.Hart[A2]) = (Window, Window, Window + (Round * 4096));
            (machine.Hart[A3], machine.Hart[A5]) = (4096, Leaves);
            return machine;
        }
    }

    private static TestMachine Machine(CodeCache code, int program)
    {
        var dice = new Dice(77, program);
        var machine = new TestMachine(code: code) { FixedTime = 0 };
        machine.WriteRam(Tables + (2 * 8), Entry(TestMachine.RamBase, V | R | W | X | A | D)); // 1 GiB as it is
        machine.WriteRam(Tables + (1 * 8), Entry(Tables + 0x1000, V));
        machine.WriteRam(Tables + 0x1000, Entry(Leaves, V));
        for (ulong page = 0; page < 512; page++)
        {
            ulong target = page < CodePages ? Pages + (page << 12)
                : page is >= 0x40 and < 0x40 + CodePages ? DataPages + (page - 0x40 << 12)
                : page == 0x100 ? Leaves : Pages;
            machine.WriteRam(Leaves + (page * 8), Entry(target, V | R | W | X | A | D));
        }

        // s0 points to the table as it is mapped, s1 to data. s2 and s4 hold the entries that are stored, of code and of data, and s6 turns
        // them into others. s3 says which page comes next, and is masked by t6. a0 and a1 mix what was run, a2 counts stored entries.
        const int S0 = 8, S1 = 9, S2 = 18, S3 = 19, S4 = 20, S5 = 21, S6 = 22, T3 = 28, T5 = 30, T6 = 31, Length = 256;
        uint[] template = new uint[Length];
        for (int at = 0; at < Length; at++)
        {
            int forward = 4 * Math.Min(1 + dice.Next(12), Length - 8 - at);
            template[at] = forward < 8 ? Nop : dice.Next(14) switch
            {
                0 or 1 => Sd(S2, S0, dice.Next(CodePages) * 8),
                2 => Sd(S4, S0, (0x40 + dice.Next(CodePages)) * 8),
                3 => Addi(A2, A2, 1),
                4 => Jal(Zero, forward),
                5 => Branch(dice.Next(2), A1, A0, forward),
                6 => Ld(A1, T0, 0),
                7 => Sd(A0, T0, 8),
                8 => dice.OneIn(6) ? SfenceVma(dice.Pick<int>([Zero, T3, T0]), Zero) : Add(A1, A1, A0),
                9 => dice.OneIn(6) ? FenceI : Add(A0, A0, A1),
                10 => R(0x33, 4, 0, S2, S2, S6), // xor
                11 => R(0x33, 4, 0, S4, S4, S6),
                12 => Add(T0, S1, T3), // another page of data
                _ => Addi(A0, A0, at & 1023),
            };
        }

        uint[] again = [Addi(A3, A3, 1), R(0x33, 7, 0, T2, A3, A5), Bne(T2, Zero, -4 * 60), Add(T0, S1, T3)];
        again.CopyTo(template, 100);
        uint[] next = [Add(S3, S3, T5), R(0x33, 7, 0, T3, S3, T6), Add(T3, T3, S5), Jalr(Zero, T3, 0)];
        next.CopyTo(template, Length - 4);
        for (int page = 0; page < CodePages; page++)
        {
            machine.Program(Pages + ((ulong)page << 12), template);
            for (int at = 5; at < 90; at += 17)
            {
                machine.Program(Pages + ((ulong)page << 12) + ((ulong)at * 4), Addi(A0, A0, page + 1));
            }
        }

        machine.Program(Handler, Wfi, Jal(Zero, -4));
        Hart hart = machine.Hart;
        hart.TryWriteCsr(Mtvec, Handler);
        hart.TryWriteCsr(Satp, 8ul << 60 | Tables >> 12);
        hart.Mode = PrivilegeMode.Supervisor;
        hart.Pc = Window;
        (hart[S0], hart[S1], hart[S5], hart[A1], hart[A5]) = (TableWindow, DataWindow - Window, Window, dice.Bits(), 3);
        (hart[S2], hart[S4]) = (Entry(Pages, V | R | W | X | A | D), Entry(DataPages, V | R | W | A | D));
        (hart[S6], hart[T0], hart[T3]) = ((1ul + (ulong)dice.Next(CodePages - 1)) << 10, DataWindow, Window);
        (hart[T5], hart[T6]) = (0x1000 * (1 + (2 * (ulong)dice.Next(4))), (CodePages << 12) - 1);
        return machine;
    }

    private static ulong Entry(ulong page, ulong flags) => page >> 12 << 10 | flags;
}
