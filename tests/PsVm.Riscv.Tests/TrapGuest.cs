using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>
/// A random program of user mode that traps all the time, with handlers of supervisor and machine mode that do what kernels do and what
/// they do not: nested traps, another SPP, interrupts let in while one is pending, other address spaces, vectored handlers, delegation that
/// changes, SRET that traps, reservations across traps.
/// </summary>
internal static class TrapGuest
{
    private const ulong Tables = TestMachine.RamBase + 0x100000, UserPages = TestMachine.RamBase + 0x200000;
    private const ulong MachineHandler = TestMachine.RamBase + 0x8000, Handler = TestMachine.RamBase + 0x10000;
    private const ulong Window = 0x4000_0000, DataWindow = Window + 0x40000;
    private const ulong V = 1, R = 2, W = 4, X = 8, U = 16, G = 32, A = 64, D = 128;
    private const ulong Tsr = 1 << 22;
    private const int CodePages = 2, DataPages = 8, Length = 512;
    private const int S0 = 8, S1 = 9, S2 = 18, S3 = 19, S4 = 20, S5 = 21, S6 = 22, S7 = 23, S8 = 24, S9 = 25, S10 = 26, S11 = 27;
    private const int T3 = 28, T4 = 29, T5 = 30, T6 = 31;
    private const int Sstatus = 0x100, Stvec = 0x105, Sepc = 0x141, Scause = 0x142, Stval = 0x143, Sip = 0x144, Satp = 0x180;
    private const int Mstatus = 0x300, Medeleg = 0x302, Mideleg = 0x303, Mie = 0x304, Mtvec = 0x305, Mepc = 0x341, Mcause = 0x342,
        Mip = 0x344;

    /// <summary>A machine that is about to begin a program.</summary>
    public static TestMachine Make(CodeCache code, int seed, int program)
    {
        var dice = new Dice(seed, program);
        var machine = new TestMachine(code: code) { FixedTime = 0 };
        WriteTables(machine, dice);
        WriteUserCode(machine, dice);
        WriteHandler(machine, dice);
        WriteMachineHandler(machine);
        Hart hart = machine.Hart;
        ReadOnlySpan<(int Number, ulong Value)> csrs =
        [
            (0x3b0, ulong.MaxValue), (0x3a0, 0x1f), (Mtvec, MachineHandler), (Stvec, Handler | (dice.OneIn(2) ? 1ul : 0)),
            (Medeleg, dice.OneIn(4) ? dice.Bits() & 0xb3fb : 0xb1f3), (Mideleg, dice.OneIn(4) ? 0u : 2), (Mie, 2),
            (Mstatus, (ulong)dice.Next(4) << 13), (Satp, 8ul << 60 | Tables >> 12),
        ];
        foreach ((int number, ulong value) in csrs)
        {
            Assert.True(hart.TryWriteCsr(number, value));
        }

        // s0: the program. s1: data. s2 to s4: bits of sstatus. s5: the bit of SPP. s6: what turns satp, in s7, into another. s8: the other
        // handler, in turn with that in s9. s10 and s11: pseudo-random numbers of machine mode's handler.
        hart.Mode = PrivilegeMode.User;
        hart.Pc = Window;
        (hart[S0], hart[S1], hart[T0], hart[S5]) = (Window, DataWindow, DataWindow, 0x100);
        (hart[S2], hart[S3], hart[S4]) = (1 << 18, dice.Pick<ulong>([2, 0x20, 0x22]), dice.Pick<ulong>(
            [0x100, 0x120, 1 << 19, 0x6000, 0x40122]));
        (hart[S6], hart[S7]) = (1ul << 44, 8ul << 60 | Tables >> 12);
        (hart[S8], hart[S9]) = (1, Handler);
        (hart[S10], hart[S11], hart[T6]) = (0x5851_f42d_4c95_7f2d, dice.Bits(), Tsr);
        return machine;
    }

    private static void WriteTables(TestMachine machine, Dice dice)
    {
        machine.WriteRam(Tables + (2 * 8), Entry(TestMachine.RamBase, V | R | W | X | A | D | (dice.OneIn(2) ? G : 0)));
        machine.WriteRam(Tables + (1 * 8), Entry(Tables + 0x1000, V));
        machine.WriteRam(Tables + 0x1000, Entry(Tables + 0x2000, V));
        for (ulong page = 0; page < CodePages; page++)
        {
            machine.WriteRam(Tables + 0x2000 + (page * 8), Entry(UserPages + (page << 12), V | R | X | U | A));
        }

        for (ulong page = 0; page < DataPages; page++)
        {
            ulong flags = dice.Next(8) switch
            {
                < 3 => V | R | W | U | A | D,
                3 => V | R | W | U,
                4 => V | R | U | A,
                5 => V | R | W | A | D, // the supervisor's
                6 => V | X | U | A,
                _ => 0,
            };
            machine.WriteRam(Tables + 0x2000 + ((0x40 + page) * 8), Entry(UserPages + 0x40000 + (page << 12), flags));
        }
    }

    private static void WriteUserCode(TestMachine machine, Dice dice)
    {
        for (int page = 0; page < CodePages; page++)
        {
            uint[] code = new uint[1024];
            Array.Fill(code, Nop);
            for (int at = 0; at < Length; at++)
            {
                int forward = 4 * (1 + dice.Next(12));
                code[at] = dice.Next(22) switch
                {
                    0 or 1 or 2 => Ecall,
                    3 => Ld(A1, T0, dice.Next(64) * 8),
                    4 => Sd(A0, T0, dice.Next(64) * 8),
                    5 => Load(dice.Next(7), A2, T0, dice.Next(2040)),
                    6 => Store(dice.Next(4), A0, T0, dice.Next(2040)),
                    7 => NextPage(at),
                    8 => Jal(Zero, forward),
                    9 => Branch(dice.Pick<int>([0, 1, 4, 7]), A1, A0, forward),
                    10 => Atomic(2, 3, A1, T0, 0), // lr.d
                    11 => Atomic(3, 3, A3, T0, A0), // sc.d
                    12 => R(0x53, 7, 0x0d, 1, 2, 3), // fdiv.d
                    13 => dice.OneIn(4) ? Csrrs(A4, 3, 0) : R(0x53, 0, 0x71, A4, 1, 0), // fcsr, fmv.x.d
                    14 => dice.OneIn(8) ? dice.Pick<uint>([Sret, Mret, Ebreak, Csrrs(A1, Sepc, 0)]) : Add(A1, A1, A2),
                    15 => R(0x53, 0, 0x79, 2, A0, 0), // fmv.d.x
                    16 => Jalr(Zero, S0, dice.Next(Length - 64) * 4),
                    _ => Addi(A0, A0, dice.Next(1024)),
                };
            }

            code[Length] = Jalr(Zero, S0, 0);
            machine.Program(UserPages + ((ulong)page << 12), code);
        }

        uint NextPage(int at) => (at & 1) == 0 ? Lui(T1, (uint)dice.Next(DataPages)) : Add(T0, S1, T1);
    }

    private static void WriteHandler(TestMachine machine, Dice dice)
    {
        // Vectored, software interrupts go to the second instruction; both lead to the same place.
        List<uint> code = [Jal(Zero, 8), Addi(A5, A5, 1)];
        code.AddRange(Csrrs(T3, Sepc, 0), Csrrs(T4, Scause, 0), Branch(5, T4, Zero, 12), Asm.Csr(7, Zero, Sip, 2), Sret); // interrupt
        code.AddRange(Addi(T5, Zero, 12), Bne(T4, T5, 16), Addi(T3, S0, -4), Csrrc(Zero, Sstatus, S5), Nop); // where nothing can be fetched
        code.AddRange(Addi(T3, T3, 4), Csrrw(Zero, Sepc, T3), Csrrs(T4, Stval, 0), R(0x33, 4, 0, A1, A1, T4));
        int count = dice.Next(10);
        for (int i = 0; i < count; i++)
        {
            uint[] operation = dice.Next(13) switch
            {
                0 => [Csrrs(Zero, Sstatus, dice.Pick<int>([S2, S3, S4]))],
                1 => [Csrrc(Zero, Sstatus, dice.Pick<int>([S2, S3, S4]))],
                2 => [Asm.Csr(6, Zero, Sip, 2)],
                3 => [R(0x33, 4, 0, S7, S7, S6), Csrrw(Zero, Satp, S7)],
                4 => [Ld(A2, T0, dice.Next(100) * 8)],
                5 => [Sd(A2, T0, dice.Next(100) * 8)],
                6 => dice.OneIn(3) ? [Ecall] : [Addi(A0, A0, 3)],
                7 => [dice.OneIn(2) ? SfenceVma(Zero, Zero) : SfenceVma(T0, Zero)],
                8 => [R(0x33, 4, 0, S9, S9, S8), Csrrw(Zero, Stvec, S9)],
                9 => dice.OneIn(4) ? [FenceI] : [Lui(T5, (uint)dice.Next(DataPages)), Add(T0, S1, T5)],
                10 => [Branch(dice.Next(2), A0, A1, 8), Addi(A0, A0, 7)],
                11 => [Asm.Csr(7, Zero, Sstatus, 2), Asm.Csr(6, Zero, Sstatus, 2)], // SIE off and on
                _ => [Csrrs(T4, Sstatus, 0), R(0x33, 4, 0, A1, A1, T4)],
            };
            code.AddRange(operation);
        }

        // Where SRET traps, it goes on behind it: once more, and from the program's beginning.
        code.AddRange(Sret, Sret, Csrrw(Zero, Sepc, S0), Csrrc(Zero, Sstatus, S5), Jal(Zero, -16));
        machine.Program(Handler, [.. code]);
    }

    /// <summary>Goes on behind what trapped, with SRET allowed in most cases, and now and then another delegation.</summary>
    private static void WriteMachineHandler(TestMachine machine)
    {
        uint[] code =
        [
            Csrrs(T3, Mepc, 0), Csrrs(T4, Mcause, 0), Branch(5, T4, Zero, 12), Asm.Csr(7, Zero, Mip, 2), Mret,
            // Where nothing can be fetched.
            Addi(T5, Zero, 12), Bne(T4, T5, 20), Addi(T3, S0, -4), Addi(T5, Zero, 1), Slli(T5, T5, 11), Csrrc(Zero, Mstatus, T5),
            Addi(T3, T3, 4), Csrrw(Zero, Mepc, T3),
            R(0x33, 0, 1, S11, S11, S10), Addi(S11, S11, 1445),
            Csrrc(Zero, Mstatus, T6), R(0x13, 5, 1, T4, S11, 29), Bne(T4, Zero, 8), Csrrs(Zero, Mstatus, T6), // srli by 61
            R(0x13, 5, 1, T4, S11, 26), R(0x13, 7, 0, T4, T4, 3), Bne(T4, Zero, 16), // srli by 58, andi
            // srli by 40, andi -5: not illegal instructions
            R(0x13, 5, 1, T4, S11, 8), R(0x13, 7, 0x7f, T4, T4, 0x1b), Csrrw(Zero, Medeleg, T4),
            Mret,
        ];
        machine.Program(MachineHandler, code);
    }

    private static ulong Entry(ulong page, ulong flags) => page >> 12 << 10 | flags;
}
