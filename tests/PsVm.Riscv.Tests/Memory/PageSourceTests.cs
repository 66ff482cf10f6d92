using PsVm.Riscv.Memory;
using PsVm.Riscv.Tests.Extensions;
using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests.Memory;

/// <summary>
/// RAM of which pages come later: an instruction that needs one is not done, and done when the page is there, as if nothing had been.
/// </summary>
public sealed class PageSourceTests
{
    private const ulong Data = ExtensionMachine.Data, Before = 0x1111_2222_3333_4444, Value = 0x5555_6666_7777_8888;
    private const int DataPage = (int)((Data - TestMachine.RamBase) >> 12);
    private const int LoadReserved = 2, StoreConditional = 3, AmoAdd = 0, AmoMax = 20, Double = 3;

    // What is done, and how many pages it needs one after the other.
    private static readonly Dictionary<string, (uint[] Code, int Pages)> s_accesses = new()
    {
        ["lb"] = ([Load(0, A4, A0, 0)], 1),
        ["ld"] = ([Ld(A4, A0, 0)], 1),
        ["ld across pages"] = ([Ld(A4, A2, 0)], 2),
        ["fld"] = ([((uint)A0 << 15) | (Double << 12) | (1 << 7) | 0x07], 1),
        ["sb"] = ([Store(0, A1, A0, 0)], 1),
        ["sd"] = ([Sd(A1, A0, 0)], 1),
        ["sd across pages"] = ([Sd(A1, A2, 0)], 2),
        ["fsd"] = ([(Store(Double, 1, A0, 0) & ~0x7fu) | 0x27], 1),
        ["lr and sc"] = ([Atomic(LoadReserved, Double, A4, A0, 0), Atomic(StoreConditional, Double, A5, A0, A1)], 1),
        ["amoadd"] = ([Atomic(AmoAdd, Double, A4, A0, A1)], 1),
        ["amomax"] = ([Atomic(AmoMax, Double, A4, A0, A1)], 1),
        ["cbo.zero"] = ([(4u << 20) | ((uint)A0 << 15) | 0x200f], 1),
        ["cbo.clean"] = ([(1u << 20) | ((uint)A0 << 15) | 0x200f], 1),
        ["jalr"] = ([Jalr(A4, A3, 0)], 1),
        ["two instructions"] = ([Ld(A4, A0, 0), Addi(A5, A5, 1), Sd(A1, A2, -8)], 2),
    };

    public static TheoryData<Tier, string> Accesses
    {
        get
        {
            TheoryData<Tier, string> data = [];
            foreach (string access in s_accesses.Keys)
            {
                data.Add(Tier.Interpreter, access);
                data.Add(Tier.Translator, access);
            }

            return data;
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Accesses))]
    public void A_hart_leaves_before_what_needs_a_page_and_does_it_once_when_the_page_is_there(Tier tier, string access)
    {
        (uint[] code, int pages) = s_accesses[access];
        using ExtensionMachine reference = new(tier), machine = new(tier);
        Prepare(reference, code);
        Assert.Equal(HartExit.Budget, reference.Hart.Run(100));
        Prepare(machine, code);
        for (int warm = 0; warm < 3; warm++)
        {
            machine.Hart.Run(100); // so that it is translated, and in the TLB
            Prepare(machine, code);
        }

        Pages source = new(DataPage - 1, DataPage);
        machine.Machine.Memory.FillFrom(source);
        machine.Hart.RequestAddressFence();
        ulong retired = machine.Hart.InstructionsRetired;
        for (int missing = pages; missing > 0; missing--)
        {
            Assert.Equal(HartExit.WaitForPage, machine.Hart.Run(100));
            (ulong pc, ulong done) = (machine.Hart.Pc, machine.Hart.InstructionsRetired);
            Assert.Equal(HartExit.WaitForPage, machine.Hart.Run(100)); // it needs what it needed
            Assert.Equal((pc, done), (machine.Hart.Pc, machine.Hart.InstructionsRetired));
            source.Give(source.Asked[^1]);
        }

        Assert.Equal(HartExit.Budget, machine.Hart.Run(100));

        Assert.Equal(0ul, machine.Cause);
        Assert.Equal(reference.Hart.Pc, machine.Hart.Pc);
        Assert.InRange(machine.Hart.InstructionsRetired - retired, (ulong)code.Length, 300ul);
        for (int register = 0; register < 32; register++)
        {
            Assert.Equal(
                (reference.Hart[register], reference.Hart.GetFloat(register)), (machine.Hart[register], machine.Hart.GetFloat(register)));
        }

        Assert.Equal(reference.Machine.Ram[0x8000..0x20000].ToArray(), machine.Machine.Ram[0x8000..0x20000].ToArray());
        Assert.All(source.Asked, page => Assert.InRange(page, DataPage - 1, DataPage));
    }

    [SkippableTheory]
    [InlineData(Tier.Interpreter)]
    [InlineData(Tier.Translator)]
    public void A_walk_leaves_before_a_table_that_is_not_there(Tier tier)
    {
        const ulong root = TestMachine.RamBase + 0x20000, second = TestMachine.RamBase + 0x30000, mapped = 0x4000_0000;
        using ExtensionMachine machine = new(tier);
        ulong leaf = (TestMachine.RamBase >> 12 << 10) | 0xcf;
        machine.Machine.WriteRam(root + (2 * 8), leaf);
        machine.Machine.WriteRam(root + (1 * 8), (second >> 12 << 10) | 1);
        machine.Machine.WriteRam(second, leaf); // 2 MiB
        machine.Machine.WriteRam(Data, Before);
        machine.Set(0x180, (8ul << 60) | (root >> 12));
        machine.Machine.Program(ExtensionMachine.Code, Ld(A4, A0, 0), Jal(Zero, 0));
        machine.Hart[A0] = mapped + (Data - TestMachine.RamBase);
        machine.Hart.Pc = ExtensionMachine.Code;
        machine.Hart.Mode = PrivilegeMode.Supervisor;
        Pages source = new((int)((second - TestMachine.RamBase) >> 12), DataPage);
        machine.Machine.Memory.FillFrom(source);

        Assert.Equal(HartExit.WaitForPage, machine.Hart.Run(100));
        source.Give(source.Asked[^1]);
        Assert.Equal(HartExit.WaitForPage, machine.Hart.Run(100));
        source.Give(source.Asked[^1]);
        Assert.Equal(HartExit.Budget, machine.Hart.Run(100));

        Assert.Equal((0ul, Before), (machine.Cause, machine.Hart[A4]));
        Assert.Equal([(int)((second - TestMachine.RamBase) >> 12), DataPage], source.Asked.Distinct());
    }

    [SkippableTheory]
    [InlineData(Tier.Interpreter)]
    [InlineData(Tier.Translator)]
    public void An_interrupt_is_served_while_its_hart_waits_for_a_page(Tier tier)
    {
        const int mie = 0x304, machineExternal = 1 << 11;
        using ExtensionMachine machine = new(tier);
        Prepare(machine, [Ld(A4, A0, 0)]);
        machine.Set(mie, machineExternal);
        machine.Set(ExtensionMachine.Mstatus, 8);
        machine.Machine.Memory.FillFrom(new Pages(DataPage));
        Assert.Equal(HartExit.WaitForPage, machine.Hart.Run(100));

        machine.Hart.SetInterrupt(InterruptLines.MachineExternal, true);

        Assert.Equal(HartExit.Budget, machine.Hart.Run(100));
        Assert.Equal(((1ul << 63) | 11, ExtensionMachine.Code), (machine.Cause, machine.Get(ExtensionMachine.Mepc)));
    }

    [Fact]
    public void Everybody_else_waits_for_pages_and_is_told_of_those_that_do_not_come()
    {
        using TestMachine machine = new(0x10000, rom: TestMachine.RamBase + 0x10000);
        PhysicalMemory memory = machine.Memory;
        Pages source = new(Enumerable.Range(0, 17).ToArray()) { Comes = page => page != 8 };
        memory.FillFrom(source);

        Assert.False(memory.TryHave(At(0xfff), 2));
        Assert.True(memory.TryHave(At(0x100_0000), 4096)); // no RAM
        Assert.True(memory.TryHave(At(0), 0));
        Assert.True(memory.Read(At(0xfff), new byte[2]).IsDone);
        Assert.True(memory.TryHave(At(0xfff), 2));
        Assert.Equal([0, 1], source.Asked.Distinct());
        Assert.True(memory.TryLoad(At(0x2000), out uint _));
        Assert.True(memory.Store(At(0x3000), 1u).IsDone);
        Assert.True(memory.Fill(At(0x4000), 1, 1).IsDone);
        Assert.True(memory.Copy(At(0x5000), At(0x6000), 1).IsDone);
        Assert.True(memory.Read(At(0x10000), new byte[1]).IsDone); // ROM
        Assert.Equal([0, 1, 2, 3, 4, 5, 6, 16], source.Asked.Distinct());

        Assert.Equal(new RamOutcome(RamStatus.Incomplete, 0), memory.Read(At(0x8000), new byte[2]));
        Assert.Equal(RamStatus.Incomplete, memory.Write(At(0x7fff), new byte[2]).Status);
        Assert.Equal(RamStatus.Incomplete, memory.Copy(At(0x8000), At(0x9000), 4).Status);
        Assert.Equal(RamStatus.Incomplete, memory.Copy(At(0x9000), At(0x8000), 4).Status);
        Assert.Equal(RamStatus.Incomplete, memory.Copy(At(0x7ffe), At(0x7fff), 4).Status);
        Assert.False(memory.TryLoad(At(0x8000), out uint _));

        memory.FillFrom(null);
        Assert.True(memory.Read(At(0x8000), new byte[2]).IsDone);

        static GuestAddress At(ulong offset) => new(TestMachine.RamBase + offset);
    }

    private static void Prepare(ExtensionMachine machine, uint[] code)
    {
        machine.Machine.Program(ExtensionMachine.Code, [.. code, Jal(Zero, 0)]);
        machine.Machine.Program(Data + 0x100, Jal(Zero, 0));
        machine.Machine.WriteRam(Data, Before);
        machine.Machine.WriteRam(Data - 8, Before);
        machine.Hart[A0] = Data;
        machine.Hart[A1] = Value;
        machine.Hart[A2] = Data - 4;
        machine.Hart[A3] = Data + 0x100;
        (machine.Hart[A4], machine.Hart[A5]) = (0, 0);
        machine.Hart.SetFloat(1, Value);
        machine.Hart.Pc = ExtensionMachine.Code;
    }

    /// <summary>Pages that come when somebody says so, or whoever waits for them.</summary>
    private sealed class Pages(params int[] missing) : IPageSource
    {
        private readonly HashSet<int> _missing = [.. missing];

        public List<int> Asked { get; } = [];

        public Func<int, bool> Comes { get; init; } = _ => true;

        public void Give(int page) => Assert.True(_missing.Remove(page));

        public bool TryHave(long first, long count)
        {
            int[] asked = [.. Enumerable.Range((int)first, (int)count).Where(_missing.Contains)];
            Asked.AddRange(asked);
            return asked.Length == 0;
        }

        public bool Await(long first, long count)
        {
            int[] asked = [.. Enumerable.Range((int)first, (int)count).Where(_missing.Contains)];
            Asked.AddRange(asked);
            _missing.ExceptWith(asked.Where(Comes));
            return asked.All(Comes);
        }
    }
}
