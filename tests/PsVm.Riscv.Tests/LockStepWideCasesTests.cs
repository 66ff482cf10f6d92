using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>
/// Loops over several pages that are no compiler's: ways into functions and out of them that look like others, in lock-step.
/// </summary>
public sealed class LockStepWideCasesTests
{
    private const ulong Window = 0x4000_0000, Tables = TestMachine.RamBase + 0x100000, Leaves = Tables + 0x2000;
    private const ulong Pages = TestMachine.RamBase + 0x200000,
    Handler = TestMachine.RamBase + 0x8000,
    Data = TestMachine.RamBase + 0x300000;
    private const ulong V = 1, LeafFlags = 0xcf; // D A X W R V
    private const int Page = 4096, Satp = 0x180, Mtvec = 0x305, Medeleg = 0x302, Stvec = 0x105, Sepc = 0x141, Mepc = 0x341, Sstatus = 0x100;
    private const int Pmpcfg0 = 0x3a0, Pmpaddr0 = 0x3b0, S0 = 8, S1 = 9, S2 = 18;
    private const uint Return = 0x8067;

    private int _wide;

    /// <summary>Instructions of a page of the window.</summary>
    public delegate void Writer(int offset, params uint[] instructions);

    public static TheoryData<string> Cases => [.. s_cases.Keys];

    private static readonly Dictionary<string, Action<Writer>> s_cases = new()
    {
        ["an auipc that a branch over it skips says nothing of the jump behind it"] = write =>
        {
            write(0, Branch(0, A5, Zero, 16), Bne(A3, Zero, 8), Auipc(Ra, 1), Jalr(Ra, Ra, 0), Addi(A0, A0, 1), Jal(Ra, Page));
            write(24, Xori(A3, A3, 1), Addi(A5, A5, 1), Andi(A5, A5, 7), Jal(Zero, -36));
            write(Page + 8, Addi(A1, A1, 3), Return);
            write(Page + 20, Addi(A2, A2, 3), Return);
        },
        ["the same, where what skips it skips more"] = write =>
        {
            write(
                0, Branch(0, A5, Zero, 20), Bne(A3, Zero, 12), Addi(Ra, Zero, 4),
                Auipc(Ra, 1), Jalr(Ra, Ra, 0), Addi(A0, A0, 1), Jal(Ra, Page));
            write(28, Xori(A3, A3, 1), Addi(A5, A5, 1), Andi(A5, A5, 7), Jal(Zero, -40));
            write(Page + 12, Addi(A1, A1, 3), Return);
            write(Page + 24, Addi(A2, A2, 3), Return);
        },
        ["a return to an odd address is one to that before it"] = write =>
        {
            write(0, Jal(Ra, Page), Addi(A0, A0, 1), Jal(Zero, -8));
            write(Page, Addi(A1, A1, 3), Xori(Ra, Ra, 1), Return);
        },
        ["a return into the middle of a block"] = write =>
        {
            write(0, Jal(Ra, Page), Addi(A0, A0, 1), Addi(A0, A0, 2), Addi(A0, A0, 4), Jal(Zero, -16));
            write(Page, Addi(A1, A1, 3), Xori(A3, A3, 4), Add(Ra, Ra, A3), Return);
        },
        ["a return to the other of two calls"] = write =>
        {
            write(0, Jal(Ra, Page), Addi(A0, A0, 1), Jal(Ra, Page - 8), Addi(A0, A0, 16), Jal(Zero, -16));
            write(Page, Addi(A1, A1, 1), Xori(A3, A3, 8), Branch(0, A3, Zero, 8), Return, Xori(Ra, Ra, 8), Return);
        },
        ["a function that swaps with its caller"] = write =>
        {
            write(0, Jal(Ra, Page), Addi(A0, A0, 1), Jal(Zero, -8));
            write(Page, Addi(A1, A1, 3), Xori(A3, A3, 1), Bne(A3, Zero, 8), Return, Jalr(Ra, Ra, 0));
        },
        ["a function that ends with a jump to another on a third page"] = write =>
        {
            write(0, Jal(Ra, Page), Addi(A0, A0, 1), Jal(Zero, -8));
            write(Page, Addi(A1, A1, 3), Jal(Zero, Page));
            write((2 * Page) + 4, Addi(A2, A2, 1), Branch(4, A2, S0, 8), Jal(Zero, -Page - 12), Return);
        },
        ["a function that links in another register"] = write =>
        {
            write(0, Bne(A3, Zero, 8), Jal(T0, Page - 4), Xori(A3, A3, 1), Jal(Ra, Page - 4), Jal(Zero, -16));
            write(Page, Addi(A1, A1, 3), Jalr(Zero, T0, 0), Return);
            write(Page + 8, Addi(A2, A2, 1), Return);
        },
        ["deeper and deeper"] = write =>
        {
            write(0, Addi(A0, Zero, 9), Jal(Ra, Page - 4), Addi(A2, A2, 1), Jal(Zero, -12));
            write(
                Page, Addi(S2, S2, -16), Sd(Ra, S2, 0), Addi(A0, A0, -1), Branch(0, A0, Zero, 8),
                Jal(Ra, -16), Addi(A1, A1, 1), Ld(Ra, S2, 0),
                Addi(S2, S2, 16), Return);
        },
        ["accesses that fault in the function"] = write =>
        {
            write(0, Jal(Ra, Page), Addi(A0, A0, 1), Jal(Zero, -8));
            write(Page, Ld(A2, S0, 0), Xori(A3, A3, 8), Add(A4, S1, A3), Sd(A0, A4, -8), Ld(A5, A4, 1), Addi(A1, A1, 3), Return);
        },
        ["system calls and breakpoints in the function"] = write =>
        {
            write(0, Jal(Ra, Page), Addi(A0, A0, 1), Jal(Zero, -8));
            write(Page, Xori(A3, A3, 1), Branch(0, A3, Zero, 12), Ecall, Ebreak, Addi(A1, A1, 3), Return);
        },
        ["floats that are single where the known ways lead, and are not where another does"] = write =>
        {
            write(0, Bne(A3, Zero, 8), Jal(T0, 12), R(0x53, 0, 0x78, 1, A4, 0), Jal(Zero, 4)); // fmv.w.x
            // fadd.s, fmv.x.w
            write(16, R(0x53, 0, 0, 2, 1, 1), R(0x53, 0, 0x70, A5, 2, 0), Add(A1, A1, A5), Jal(Ra, Page - 28), Jal(Zero, -32));
            write(Page, Addi(A0, A0, 1), Return);
        },
        ["an instruction that begins in one page and ends in the next"] = write =>
        {
            write(0, Jal(Zero, Page - 12));
            write(Page - 12, Addi(A0, A0, 1), Addi(A1, A1, 1), 0x0001); // c.nop
            write(Page - 2, Addi(A2, A2, 3), Jal(Zero, -14));
        },
        ["a store, now and then into its own page, at that page's end"] = write =>
        {
            write(0, Addi(A0, A0, 1), Andi(A5, A0, 63), Jal(Zero, Page - 28));
            write(Page - 20, Addi(A4, S2, -12), Bne(A5, Zero, 8), Auipc(A4, 0), Ld(A5, A4, -4), Sd(A5, A4, -4));
            write(Page, Addi(A1, A1, 1), Jal(Zero, -Page - 4));
        },
        ["an instruction that faults and begins in one page and ends in the next"] = write =>
        {
            write(0, Jal(Zero, Page - 12));
            write(Page - 12, Addi(A0, A0, 1), Addi(A1, A1, 1), 0x0001); // c.nop
            write(Page - 2, Ld(A2, S0, 0), Jal(Zero, -14));
        },
    };

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void BothTiersAgree(string name)
    {
        foreach (int maxBudget in (int[])[1, 5, 40, 1000])
        {
            using CodeCache decoded = new(TranslatorOptions.Off), translated = Cache();
            using TestMachine reference = Machine(decoded, s_cases[name]), subject = Machine(translated, s_cases[name]);
            Check(reference, subject, maxBudget, 6_000);
            Assert.Equal((0, null), (translated.Usage.Failures, translated.Usage.LastFailure));
        }

        Assert.NotEqual(0, _wide);
    }

    /// <summary>The page before that of address 0 is the last one.</summary>
    [SkippableFact]
    public void ALoopMayGoAroundTheEndOfTheAddressSpace()
    {
        using CodeCache decoded = new(TranslatorOptions.Off), translated = Cache();
        static TestMachine Around(CodeCache code)
        {
            TestMachine machine = Machine(code, write =>
            {
                write(0, Jal(Ra, -8), Addi(A0, A0, 1), Jal(Zero, -8));
                write((2 * Page) - 8, Addi(A1, A1, 3), Return);
            });
            const ulong First = TestMachine.RamBase + 0x110000, Last = First + 0x2000;
            machine.WriteRam(Tables, Entry(First, V));
            machine.WriteRam(First, Entry(First + 0x1000, V));
            machine.WriteRam(First + 0x1000, Entry(Pages, LeafFlags));
            machine.WriteRam(Tables + (511 * 8), Entry(Last, V));
            machine.WriteRam(Last + (511 * 8), Entry(Last + 0x1000, V));
            machine.WriteRam(Last + 0x1000 + (511 * 8), Entry(Pages + Page, LeafFlags));
            machine.Hart.Pc = 0;
            return machine;
        }

        using TestMachine reference = Around(decoded), subject = Around(translated);
        Check(reference, subject, 40, 6_000);
        Assert.InRange(subject.Hart[A0], 1_000ul, 2_000ul);
        Assert.NotEqual(0, _wide);
    }

    /// <summary>
    /// The second page, or a part of it, is not there any more, is another one, or may not be run: each time the loop was one before.
    /// </summary>
    [SkippableTheory]
    [InlineData(PrivilegeMode.Supervisor, false)]
    [InlineData(PrivilegeMode.Supervisor, true)]
    [InlineData(PrivilegeMode.User, false)]
    public void WhereTheFunctionMayNotBeFetchedItIsNot(PrivilegeMode mode, bool inParts)
    {
        const ulong User = 16, Execute = 8, Part = Pages + Page + 0x100;
        using CodeCache decoded = new(TranslatorOptions.Off), translated = Cache();
        using TestMachine reference = Machine(decoded, Calls), subject = Machine(translated, Calls);
        TestMachine[] both = [reference, subject];
        ulong flags = LeafFlags | (mode == PrivilegeMode.User ? User : 0);
        Each(machine =>
        {
            for (ulong page = 0; page < 4; page++)
            {
                machine.WriteRam(Leaves + (page * 8), Entry(Pages + (page << 12), flags));
            }

            machine.Hart.Mode = mode;
        });
        Go();
        Assert.NotEqual(0, _wide);
        if (mode == PrivilegeMode.User)
        {
            // The same pages in supervisor mode, which may not run them, and back.
            Each(machine => machine.Hart.Mode = PrivilegeMode.Supervisor);
            Go();
            Each(machine => (machine.Hart.Mode, machine.Hart.Pc) = (mode, Window));
            Go();
        }

        Action<TestMachine>[] changes =
        [
            machine => machine.WriteRam(Leaves + 8, Entry(Pages + Page, flags & ~Execute)),
            machine => machine.WriteRam(Leaves + 8, Entry(Pages + (3 * Page), flags)),
            machine => machine.WriteRam(Leaves + 8, 0),
            machine => machine.WriteRam(Leaves + 8, Entry(Pages + Page, flags)),
        ];
        foreach (Action<TestMachine> change in inParts ? [] : changes)
        {
            Each(machine =>
            {
                change(machine);
                machine.Hart.Mmu.FlushAll();
                machine.Hart.Pc = Window;
            });
            Go();
        }

        // Physical memory protection of some words around the function's end, and not of it any more.
        foreach (ulong config in (ulong[])[0x13, 0x17, 0])
        {
            Each(machine =>
            {
                Assert.True(machine.Hart.TryWriteCsr(Pmpaddr0, Part >> 2));
                Assert.True(machine.Hart.TryWriteCsr(Pmpcfg0, config));
                machine.Hart.Pc = Window;
            });
            Go();
        }

        void Calls(Writer write)
        {
            write(0, Jal(Ra, Page + 0xfc), Addi(A0, A0, 1), Jal(Zero, -8));
            write(Page + 0xfc, Addi(A1, A1, 3), Addi(A2, A2, 3), Return);
            write((3 * Page) + 0xfc, Addi(A1, A1, 50), Addi(A2, A2, 3), Return);
        }

        void Each(Action<TestMachine> change) => Array.ForEach(both, change);

        void Go() => Check(reference, subject, 40, 3_000);
    }

    /// <summary>Code that another hart has stored over is run behind a fence, and not before it is there.</summary>
    [SkippableFact]
    public void WhatAnotherHartStoresIsRunBehindAFence()
    {
        using CodeCache code = Cache();
        using TestMachine machine = Machine(code, write =>
        {
            write(0, Addi(A4, Zero, 100), Jal(Ra, Page - 4), Addi(A0, A0, 1), Addi(A4, A4, -1), Bne(A4, Zero, -12), FenceI, Jal(Zero, -24));
            write(Page, Addi(A1, A1, 3), Return);
        });
        using Hart other = new(1, machine.Memory, machine, machine, null, code, null) { Pc = Pages + (2 * Page) };
        machine.Program(Pages + (2 * Page), Sw(A1, A2, 0), Wfi, Jal(Zero, -8));
        other[A2] = Pages + Page;
        for (ulong adds = 4; adds < 40; adds++)
        {
            machine.Hart.Run(3_000);
            other[A1] = Addi(A1, A1, (int)adds);
            Assert.Equal(HartExit.WaitForInterrupt, other.Run(10));
            machine.Hart.Run(1_000); // some of it as it was, and the fence
            (ulong rounds, ulong sum) = (machine.Hart[A0], machine.Hart[A1]);
            machine.Hart.Run(2_000);
            (rounds, sum) = (machine.Hart[A0] - rounds, machine.Hart[A1] - sum);
            Assert.InRange(sum, (rounds - 1) * adds, (rounds + 1) * adds);
            Assert.True(rounds > 300);
        }

        Assert.True(_wide > 1, "a loop for each function");
    }

    /// <summary>Loops that the translator's own thread makes, after several slices, while the hart runs what it has.</summary>
    [SkippableFact]
    public void BothTiersAgreeWhereLoopsComeUpInTheBackground()
    {
        foreach (string name in s_cases.Keys)
        {
            int before = _wide;
            using CodeCache decoded = new(TranslatorOptions.Off), translated = Cache(threshold: 2);
            using TestMachine reference = Machine(decoded, s_cases[name]), subject = Machine(translated, s_cases[name]);
            for (int part = 0; part < 100 && _wide == before; part++)
            {
                Check(reference, subject, 40, 1_000);
                Assert.True(
                    SpinWait.SpinUntil(() => translated.Usage.Waiting == 0, TimeSpan.FromSeconds(30)),
                    "the translator does what it is asked for");
            }

            Assert.True(_wide > before, name);
            Check(reference, subject, 40, 4_000);
            Check(reference, subject, 1000, 4_000);
        }
    }

    /// <summary>
    /// Harts of several guests in a cache that has no room for all: pages go while loops in them are run, made and given up.
    /// </summary>
    [SkippableTheory]
    [InlineData(2, int.MaxValue)]
    [InlineData(2, 2)]
    public void BothTiersAgreeWherePagesLeaveMeanwhile(int threads, int mostEntries)
    {
        const int Machines = 3, Rounds = 12, DecodedBytes = 72 << 10;
        using CodeCache translated = Cache(threshold: 2, mostEntries, DecodedBytes);
        string[] names = [.. s_cases.Keys];
        Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, thread =>
        {
            for (int begin = 0; begin < names.Length; begin += Machines)
            {
                using CodeCache decoded = new(TranslatorOptions.Off);
                string[] some = [.. Enumerable.Range(begin + (thread * 5), Machines).Select(number => names[number % names.Length])];
                TestMachine[] references = [.. some.Select(name => Machine(decoded, s_cases[name]))];
                TestMachine[] subjects = [.. some.Select(name => Machine(translated, s_cases[name]))];
                for (int round = 0; round < Rounds * Machines; round++)
                {
                    for (ulong budget = 1; budget < 200; budget += 7)
                    {
                        RunBoth(references[round % Machines].Hart, subjects[round % Machines].Hart, budget);
                    }
                }

                Array.ForEach([.. references, .. subjects], machine => machine.Dispose());
            }
        });

        CodeCacheUsage usage = translated.Usage;
        Assert.Equal((0, null), (usage.Failures, usage.LastFailure));
        Assert.NotEqual(0, _wide);
        Assert.NotEqual(0, usage.EvictedPages);
        Assert.True(mostEntries > 2 || usage.LoopsGivenUp > 0, "some loop is given up");
    }

    /// <summary>
    /// As lock-step does, but that the subject may stop anywhere: where there is no room it runs instructions one by one.
    /// </summary>
    private static void RunBoth(Hart reference, Hart subject, ulong budget)
    {
        const int Most = 10_000;
        static ulong Progress(Hart hart) => hart.InstructionsRetired + hart.Traps;
        subject.Run(budget);
        for (int step = 0; step < Most && Progress(reference) != Progress(subject); step++)
        {
            (Progress(reference) < Progress(subject) ? reference : subject).Run(1);
        }

        Assert.Equal((Progress(reference), reference.Pc), (Progress(subject), subject.Pc));
        for (int register = 1; register < 32; register++)
        {
            Assert.Equal((register, reference[register]), (register, subject[register]));
        }
    }

    private static void Check(TestMachine reference, TestMachine subject, int maxBudget, ulong instructions)
    {
        LockStepDifference? difference = new LockStep(reference.Hart, subject.Hart, maxBudget).Run(instructions);
        Assert.True(difference is null, $"budgets to {maxBudget}: {difference}");
        Assert.True(reference.Ram.SequenceEqual(subject.Ram), "memory differs");
    }

    private static TestMachine Machine(CodeCache code, Action<Writer> program)
    {
        var machine = new TestMachine(code: code) { FixedTime = 0 };
        machine.WriteRam(Tables + (2 * 8), Entry(TestMachine.RamBase, LeafFlags)); // 1 GiB as it is
        machine.WriteRam(Tables + (1 * 8), Entry(Tables + 0x1000, V));
        machine.WriteRam(Tables + 0x1000, Entry(Leaves, V));
        for (ulong page = 0; page < 4; page++)
        {
            machine.WriteRam(Leaves + (page * 8), Entry(Pages + (page << 12), LeafFlags));
        }

        program((offset, instructions) => machine.Program(Pages + (ulong)offset, instructions));
        machine.Program(Handler, Csrrs(31, Sepc, 0), Addi(31, 31, 4), Csrrw(Zero, Sepc, 31), Sret);
        machine.Program(Handler + 0x100, Csrrs(31, Mepc, 0), Addi(31, 31, 4), Csrrw(Zero, Mepc, 31), Mret);
        Hart hart = machine.Hart;
        foreach ((int number, ulong value) in new (int Number, ulong Value)[]
        {
            (Mtvec, Handler + 0x100), (Stvec, Handler), (Medeleg, 0xb1ff), (Sstatus, 0x6000), (Satp, 8ul << 60 | Tables >> 12),
            (Pmpaddr0 + 15, ulong.MaxValue >> 10), (Pmpcfg0 + 2, 0x1ful << 56),
        })
        {
            Assert.True(hart.TryWriteCsr(number, value));
        }

        hart.Mode = PrivilegeMode.Supervisor;
        hart.Pc = Window;
        (hart[S0], hart[S1], hart[S2]) = (0x10, Data, Data + 0x8000); // nothing is mapped at the first
        return machine;
    }

    private CodeCache Cache(int threshold = 1, int mostEntries = int.MaxValue, long decodedBytes = 64 << 20)
    {
        Skip.IfNot(Translation.HostBackEnd.IsSupported, "this host runs no translated code");
        return new CodeCache(new TranslatorOptions
        {
            Threshold = threshold,
            LoopThreshold = 1,
            MostLoopEntries = mostEntries,
            DecodedBytes = decodedBytes,
            Observer = made => _wide += made.Loop?.IsWide == true ? 1 : 0,
        });
    }

    private static uint Andi(int rd, int rs1, int immediate) => Addi(rd, rs1, immediate) | 7 << 12;

    private static uint Xori(int rd, int rs1, int immediate) => Addi(rd, rs1, immediate) | 4 << 12;

    private static ulong Entry(ulong page, ulong flags) => page >> 12 << 10 | flags;
}
