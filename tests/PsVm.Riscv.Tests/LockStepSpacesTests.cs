using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>
/// Supervisor programs that go from address space to address space under themselves, in lock-step: more spaces than are kept beside each
/// other, two page tables that disagree on where code and data are, pages that are global in one of them, entries that change without a
/// fence, and fences of addresses and spaces, right or wrong ones. What a hart may then still know is its own matter, but must not be the
/// tier's.
/// </summary>
public class LockStepSpacesTests
{
    private const ulong Tables = TestMachine.RamBase + 0x100000, TableBytes = 0x3000;
    private const ulong Pages = TestMachine.RamBase + 0x200000,
    DataPages = TestMachine.RamBase + 0x240000,
    Handler = TestMachine.RamBase + 0x8000;
    private const ulong Window = 0x4000_0000, TableWindow = Window + 0x100000, DataWindow = Window + 0x40000;
    private const ulong V = 1, R = 2, W = 4, X = 8, G = 32, A = 64, D = 128;
    private const int CodePages = 8, Satp = 0x180, Mtvec = 0x305, Sstatus = 0x100;

    [SkippableTheory]
    [ClassData(typeof(LockStepRuns))]
    public void ProgramsThatSwitchAddressSpacesAgree(int threshold, int maxBudget)
    {
        Skip.IfNot(Translation.HostBackEnd.IsSupported, "this host runs no translated code");
        ulong wanted = ulong.Parse(Environment.GetEnvironmentVariable("PSVM_RANDOM_INSTRUCTIONS") ?? "0") / 6;
        int seed = int.Parse(Environment.GetEnvironmentVariable("PSVM_TEST_SEED") ?? "78");
        ulong done = 0, switches = 0;
        for (int program = 0; program < 30 || done < wanted; program++)
        {
            using CodeCache decoded = new(TranslatorOptions.Off);
            using CodeCache translated = new(new TranslatorOptions { Threshold = threshold });
            using TestMachine reference = Machine(decoded, seed, program), subject = Machine(translated, seed, program);
            LockStepDifference? difference = new LockStep(reference.Hart, subject.Hart, maxBudget).Run(6_000);
            Assert.True(difference is null, $"PSVM_TEST_SEED={seed}, program {program}: {difference}");
            Assert.True(reference.Ram.SequenceEqual(subject.Ram), $"PSVM_TEST_SEED={seed}, program {program}: memory differs");
            done += reference.Hart.InstructionsRetired;
            switches += reference.Hart[A4];
        }

        Assert.True(switches > 1000, $"the programs switched {switches} times");
    }

    private static TestMachine Machine(CodeCache code, int seed, int program)
    {
        const int S0 = 8, S1 = 9, S2 = 18, S3 = 19, S4 = 20, S5 = 21, S6 = 22, S7 = 23, S8 = 24, S9 = 25, S10 = 26, S11 = 27;
        const int T3 = 28, T4 = 29, T5 = 30, T6 = 31, Length = 256;
        var dice = new Dice(seed, program);
        var machine = new TestMachine(code: code) { FixedTime = 0 };
        WriteTable(machine, dice, Tables, turn: 0);
        WriteTable(machine, dice, Tables + TableBytes, turn: (ulong)dice.Next(CodePages));

        // s0 points to the first table as it is mapped, t0 to data. s2 and s4 hold the entries that are stored, of code and of data, and s6
        // turns them into others. s7 is satp, which s8 to s10 turn into other spaces; t4 is the number of one. a4 counts switches.
        uint[] template = new uint[Length];
        for (int at = 0; at < Length; at++)
        {
            int forward = 4 * Math.Min(1 + dice.Next(12), Length - 8 - at);
            template[at] = forward < 8 ? Nop : dice.Next(20) switch
            {
                0 => Sd(S2, S0, dice.Next(CodePages) * 8),
                1 => Sd(S4, S0, (0x40 + dice.Next(CodePages)) * 8),
                2 => Addi(A4, A4, 1),
                3 => Jal(Zero, forward),
                4 => Branch(dice.Next(2), A1, A0, forward),
                5 or 6 => Ld(A1, T0, 0),
                7 => Sd(A0, T0, 8),
                8 => dice.OneIn(2) ? SfenceVma(dice.Pick<int>([Zero, T3, T0]), dice.Pick<int>([Zero, T4, T4])) : Add(A1, A1, A0),
                9 => dice.OneIn(6) ? FenceI : Add(A0, A0, A1),
                10 => R(0x33, 4, 0, S2, S2, S6), // xor
                11 => R(0x33, 4, 0, S4, S4, S6),
                12 => Add(T0, S1, T3), // another page of data
                13 => R(0x33, 4, 0, S7, S7, dice.Pick<int>([S8, S9, S10])),
                14 or 15 => Csrrw(dice.OneIn(2) ? Zero : A1, Satp, S7),
                16 => Addi(T4, dice.OneIn(2) ? Zero : T4, dice.Next(4)),
                // SUM: another table of translations
                17 => dice.OneIn(3) ? (dice.OneIn(2) ? Csrrs(Zero, Sstatus, S11) : Csrrc(Zero, Sstatus, S11)) : Nop,
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
        (hart[S2], hart[S4]) = (Entry(Pages, V | R | W | X | A | D | Global(dice)), Entry(DataPages, V | R | W | A | D | Global(dice)));
        (hart[S6], hart[T0], hart[T3]) = ((1ul + (ulong)dice.Next(CodePages - 1)) << 10, DataWindow, Window);
        (hart[T5], hart[T6]) = (0x1000 * (1 + (2 * (ulong)dice.Next(4))), (CodePages << 12) - 1);
        (hart[S7], hart[S8]) = (8ul << 60 | Tables >> 12, 1ul << 44);
        (hart[S9], hart[S10], hart[S11]) = (2ul << 44 | Roots(), Roots(), 1 << 18);
        return machine;

        static ulong Roots() => (Tables ^ (Tables + TableBytes)) >> 12;
    }

    /// <summary>Maps RAM as it is in one superpage, and windows to code, data and the first table's leaves.</summary>
    private static void WriteTable(TestMachine machine, Dice dice, ulong root, ulong turn)
    {
        machine.WriteRam(root + (2 * 8), Entry(TestMachine.RamBase, V | R | W | X | A | D | Global(dice)));
        machine.WriteRam(root + (1 * 8), Entry(root + 0x1000, V | (dice.OneIn(8) ? G : 0)));
        machine.WriteRam(root + 0x1000, Entry(root + 0x2000, V));
        for (ulong page = 0; page < 512; page++)
        {
            ulong turned = (page + turn) % CodePages;
            ulong target = page < CodePages ? Pages + (turned << 12)
                : page is >= 0x40 and < 0x40 + CodePages ? DataPages + (turned << 12)
                : page == 0x100 ? Tables + 0x2000 : Pages;
            machine.WriteRam(root + 0x2000 + (page * 8), Entry(target, V | R | W | X | A | D | Global(dice)));
        }
    }

    private static ulong Global(Dice dice) => dice.OneIn(2) ? G : 0;

    private static ulong Entry(ulong page, ulong flags) => page >> 12 << 10 | flags;
}
