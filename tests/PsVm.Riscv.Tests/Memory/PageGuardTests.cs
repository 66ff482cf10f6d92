using PsVm.Riscv.Memory;
using PsVm.Riscv.Tests.Extensions;
using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests.Memory;

/// <summary>Whoever writes RAM asks the guard first, once for each page, while the page still holds what it held.</summary>
public sealed class PageGuardTests
{
    private const ulong Data = ExtensionMachine.Data, Before = 0x1111_2222_3333_4444;
    private const int DataPage = (int)((Data - TestMachine.RamBase) >> 12);
    private const int LoadReserved = 2, StoreConditional = 3, AmoAdd = 0, AmoSwap = 1, AmoMax = 20, Double = 3;

    private static readonly Dictionary<string, uint[]> s_stores = new()
    {
        ["sb"] = [Store(0, A1, A0, 0)],
        ["sd"] = [Sd(A1, A0, 0)],
        ["sd across pages"] = [Sd(A1, A2, 0)],
        ["fsd"] = [(Store(Double, 1, A0, 0) & ~0x7fu) | 0x27],
        ["sc"] = [Atomic(LoadReserved, Double, A4, A0, 0), Atomic(StoreConditional, Double, A4, A0, A1)],
        ["amoadd"] = [Atomic(AmoAdd, Double, A4, A0, A1)],
        ["amoswap"] = [Atomic(AmoSwap, Double, A4, A0, A1)],
        ["amomax"] = [Atomic(AmoMax, Double, A4, A0, A1)],
        ["cbo.zero"] = [(4u << 20) | ((uint)A0 << 15) | 0x200f],
    };

    public static TheoryData<Tier, string> Stores
    {
        get
        {
            TheoryData<Tier, string> data = [];
            foreach (string store in s_stores.Keys)
            {
                data.Add(Tier.Interpreter, store);
                data.Add(Tier.Translator, store);
            }

            return data;
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Stores))]
    public void A_hart_asks_before_it_writes_where_it_wrote_before(Tier tier, string store)
    {
        using ExtensionMachine machine = new(tier);
        Recorder guard = new(machine.Machine);
        Run();
        Run();
        machine.Machine.Ram[((DataPage - 1) << 12)..((DataPage + 1) << 12)].Clear();
        machine.Machine.WriteRam(Data, Before);
        machine.Machine.Memory.Guard(guard);

        Assert.Equal(0ul, machine.Run(Ld(A4, A0, 0), Ld(A4, A2, 0)));
        Assert.Empty(guard.Asked);
        Run();
        Run();
        int asked = guard.Asked.Count;
        machine.Machine.Memory.Guard(null);
        Run();

        Assert.Equal(Before, guard.Asked[DataPage]);
        Assert.Equal(store == "sd across pages" ? 2 : 1, asked);
        Assert.Equal(asked, guard.Asked.Count);
        Assert.NotEqual(Before, machine.Machine.ReadRam(Data));

        void Run()
        {
            machine.Hart[A0] = Data;
            machine.Hart[A1] = 0x5555_6666_7777_8888;
            machine.Hart[A2] = Data - 4;
            Assert.Equal(0ul, machine.Run(s_stores[store]));
        }
    }

    [SkippableTheory]
    [InlineData(Tier.Interpreter)]
    [InlineData(Tier.Translator)]
    public void A_walk_asks_before_it_marks_an_entry(Tier tier)
    {
        const ulong root = TestMachine.RamBase + 0x20000, mapped = 0x4000_0000, unmarked = (TestMachine.RamBase >> 12 << 10) | 0b1111;
        using ExtensionMachine machine = new(tier);
        Recorder guard = new(machine.Machine);
        machine.Machine.WriteRam(root + (2 * 8), unmarked | 0xc0);
        machine.Machine.WriteRam(root + ((mapped >> 30) * 8), unmarked);
        machine.Set(0x180, (8ul << 60) | (root >> 12));
        machine.Machine.Memory.Guard(guard);
        machine.Hart[A0] = mapped + (Data - TestMachine.RamBase);

        Assert.Equal(0ul, machine.Run(PrivilegeMode.Supervisor, Ld(A4, A0, 0)));

        Assert.Contains((int)((root - TestMachine.RamBase) >> 12), guard.Asked.Keys);
        Assert.Equal(unmarked | 0x40, machine.Machine.ReadRam(root + ((mapped >> 30) * 8)));
        Assert.Single(guard.Asked);
    }

    [Fact]
    public void Everybody_else_asks_before_a_write_and_not_before_a_read()
    {
        using TestMachine machine = new(0x10000, rom: TestMachine.RamBase + 0x10000);
        PhysicalMemory memory = machine.Memory;
        Recorder guard = new(machine);
        memory.Guard(guard);

        memory.Read(At(0), new byte[8192]);
        memory.Write(At(0x10), new byte[8]); // ROM
        memory.TryLoad(At(1), out uint _);
        Assert.Empty(guard.Asked);

        memory.Write(new GuestAddress(TestMachine.RamBase + 0x0fff), new byte[2]); // pages 0 and 1
        memory.Store(At(2), 1u);
        memory.Fill(At(3), 1, 1);
        memory.Copy(At(3), At(4), 1);
        memory.Visit(At(5), 0x2000, RamUse.Write, part => 0);
        Assert.Equal([0, 1, 2, 3, 4, 5, 6], guard.Asked.Keys.Order());
        Assert.All(guard.Asked.Values, held => Assert.Equal(0ul, held));

        memory.Guard(null);
        memory.Store(At(9), 1u);
        Assert.Equal(7, guard.Asked.Count);

        static GuestAddress At(ulong page) => new(TestMachine.RamBase + (page << 12));
    }

    [Fact]
    public void What_pages_held_when_the_guard_was_set_is_kept_while_a_hart_runs_on()
    {
        const int pages = 8;
        using TestMachine machine = new(0x10000);
        List<uint> program = [Addi(A1, A1, 1)];
        for (uint page = 0; page < pages; page++)
        {
            program.AddRange([Lui(A2, page), Add(A2, A2, A0), Sd(A1, A2, 0)]);
        }

        machine.Program(TestMachine.RamBase, [.. program, Jal(Zero, -4 * program.Count)]);
        machine.Hart[A0] = TestMachine.RamBase + 0x1000;
        bool stop = false, isWanted = false;
        Lock turn = new();
        Thread runner = new(() =>
        {
            while (!Volatile.Read(ref stop))
            {
                // Whoever wants the hart to stand still gets its turn: locks are not fair.
                if (Volatile.Read(ref isWanted))
                {
                    Thread.Yield();
                    continue;
                }

                lock (turn)
                {
                    machine.Hart.Run(100_000);
                }
            }
        });
        runner.Start();
        ulong last = 0;
        try
        {
            for (int round = 0; round < 500; round++)
            {
                Recorder guard = new(machine);
                Volatile.Write(ref isWanted, true);
                machine.Hart.RequestExit();
                lock (turn)
                {
                    machine.Memory.Guard(guard);
                }

                Volatile.Write(ref isWanted, false);

                // The moment: each page as it was kept before a write, or as it still is. The program writes them in order, so a torn
                // moment shows.
                ulong[] moment = [.. Enumerable.Range(1, pages).Select(guard.At)];
                int step = Array.FindIndex(moment, value => value != moment[0]) is var found and >= 0 ? found : pages;
                Assert.All(moment[..step], value => Assert.Equal(moment[0], value));
                Assert.All(moment[step..], value => Assert.Equal(moment[0] - 1, value));
                Assert.InRange(moment[0], last, ulong.MaxValue);
                last = moment[0];
            }
        }
        finally
        {
            machine.Memory.Guard(null);
            Volatile.Write(ref stop, true);
            machine.Hart.RequestExit();
            runner.Join();
        }

        Assert.NotEqual(0ul, last);
    }

    /// <summary>Keeps the first word of each page that it is asked about.</summary>
    private sealed class Recorder(TestMachine machine) : IPageGuard
    {
        private readonly Lock _gate = new();

        public Dictionary<int, ulong> Asked { get; } = [];

        /// <summary>What a page held when the guard was set; it is not guarded any more.</summary>
        public ulong At(int page)
        {
            BeforeWrite(page, 1);
            lock (_gate)
            {
                return Asked[page];
            }
        }

        public bool IsGuarded(long page)
        {
            lock (_gate)
            {
                return !Asked.ContainsKey((int)page);
            }
        }

        public void BeforeWrite(long first, long count)
        {
            lock (_gate)
            {
                for (int page = (int)first; page < first + count; page++)
                {
                    Asked.TryAdd(page, machine.ReadRam(TestMachine.RamBase + ((ulong)page << 12)));
                }
            }
        }
    }
}
