using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>Sv39, Sv48 and Sv57 (privileged manual, chapter "Supervisor-Level ISA").</summary>
public class PagingTests
{
    private const ulong Tables = TestMachine.RamBase + 0x100000, Page = TestMachine.RamBase + 0x200000,
        Handler = TestMachine.RamBase + 0x8000;
    private const ulong V = 1, R = 2, W = 4, X = 8, U = 16, A = 64, D = 128;
    private const ulong Sum = 1 << 18, Mxr = 1 << 19, Mprv = 1 << 17;
    private const int Mstatus = 0x300, Mtvec = 0x305, Mcause = 0x342, Mtval = 0x343, Satp = 0x180;
    private const ulong FetchPageFault = 12, LoadPageFault = 13, StorePageFault = 15, LoadAccessFault = 5;

    /// <summary>Virtual address of <see cref="Page"/>.</summary>
    private const ulong Address = 0x12_3456_7000;

    private const ulong CodeAddress = 0x4000_0000;

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void EveryDepthTranslates(int levels)
    {
        using TestMachine machine = With(levels, R | W | A | D);
        machine.WriteRam(Page + 0x18, 99);
        Assert.Equal(0ul, LoadFault(machine, Address + 0x18));
        Assert.Equal(99ul, machine.Hart[A0]);
    }

    [Theory]
    [InlineData(3, 1ul << 38)]
    [InlineData(4, 1ul << 47)]
    [InlineData(5, 1ul << 56)]
    public void AddressesThatAreNotSignExtendedFault(int levels, ulong address)
    {
        using TestMachine machine = With(levels, R | A);
        Assert.Equal(LoadPageFault, LoadFault(machine, address));
        Assert.True(machine.Hart.TryReadCsr(Mtval, out ulong value));
        Assert.Equal(address, value);
    }

    // Mode, page, mstatus, and whether a load and a store are allowed.
    [Theory]
    [InlineData(PrivilegeMode.Supervisor, R | W, 0ul, true, true)]
    [InlineData(PrivilegeMode.Supervisor, R, 0ul, true, false)]
    [InlineData(PrivilegeMode.Supervisor, X, 0ul, false, false)]
    [InlineData(PrivilegeMode.Supervisor, X, Mxr, true, false)]
    [InlineData(PrivilegeMode.Supervisor, R | W | U, 0ul, false, false)]
    [InlineData(PrivilegeMode.Supervisor, R | W | U, Sum, true, true)]
    [InlineData(PrivilegeMode.User, R | W, Sum, false, false)]
    [InlineData(PrivilegeMode.User, R | W | U, 0ul, true, true)]
    public void PermissionsHold(PrivilegeMode mode, ulong page, ulong status, bool load, bool store)
    {
        using TestMachine machine = With(3, page | A | D, status, mode);
        Assert.Equal(load ? 0 : LoadPageFault, LoadFault(machine, Address));
        using TestMachine other = With(3, page | A | D, status, mode);
        Assert.Equal(store ? 0 : StorePageFault, StoreFault(other, Address));
    }

    [Theory]
    [InlineData(PrivilegeMode.Supervisor, X, true)]
    [InlineData(PrivilegeMode.Supervisor, R | W, false)]
    [InlineData(PrivilegeMode.Supervisor, X | U, false)]
    [InlineData(PrivilegeMode.User, X | U, true)]
    [InlineData(PrivilegeMode.User, X, false)]
    public void OnlyExecutablePagesOfTheModeAreFetched(PrivilegeMode mode, ulong page, bool allowed)
    {
        using TestMachine machine = With(3, page | A, Sum, mode);
        machine.Program(Page, Jal(Zero, 0));
        machine.Hart.Pc = Address;
        machine.Hart.Run(1);
        Assert.Equal(allowed ? 0 : FetchPageFault, Cause(machine));
    }

    [Fact]
    public void MprvChecksLoadsByTheModeInMpp()
    {
        using TestMachine machine = With(3, R | U | A, Mprv | 0ul << 11, PrivilegeMode.Machine);
        machine.Hart.Pc = TestMachine.RamBase;
        machine.Program(TestMachine.RamBase, Ld(A0, A1, 0), Jal(Zero, 0));
        machine.WriteRam(Page, 7);
        machine.Hart[A1] = Address;
        machine.Hart.Run(2);
        Assert.Equal((7ul, 0ul), (machine.Hart[A0], Cause(machine)));
    }

    [Fact]
    public void AccessedAndDirtyAreSetByTheHart()
    {
        using TestMachine machine = With(3, R | W);
        Assert.Equal(0ul, LoadFault(machine, Address));
        Assert.Equal(A, machine.ReadRam(Leaf(3)) & (A | D));
        Assert.Equal(0ul, StoreFault(machine, Address));
        Assert.Equal(A | D, machine.ReadRam(Leaf(3)) & (A | D));
    }

    [Theory]
    [InlineData(0ul)] // not valid
    [InlineData(V | W)] // writable and not readable
    [InlineData(V | R | 1ul << 60)] // reserved bits
    public void BadLeavesFault(ulong entry)
    {
        using TestMachine machine = With(3, R);
        machine.WriteRam(Leaf(3), entry == 0 ? 0 : entry | Page >> 12 << 10);
        Assert.Equal(LoadPageFault, LoadFault(machine, Address));
    }

    [Fact]
    public void SuperpagesTranslateAndMustBeAligned()
    {
        using TestMachine machine = With(3, R | A | D);
        ulong middle = Tables + 0x1000 + ((Address >> 21 & 511) * 8);
        machine.WriteRam(middle, (TestMachine.RamBase + 0x400000) >> 12 << 10 | V | R | A);
        machine.WriteRam(TestMachine.RamBase + 0x400000 + (Address & 0x1fffff), 5);
        Assert.Equal(0ul, LoadFault(machine, Address));
        Assert.Equal(5ul, machine.Hart[A0]);

        machine.WriteRam(middle, (TestMachine.RamBase + 0x401000) >> 12 << 10 | V | R | A);
        Fence(machine, Address + 0x5000); // any address of the superpage
        Assert.Equal(LoadPageFault, LoadFault(machine, Address));
    }

    [Fact]
    public void TablesOutsideRamAreAccessFaults()
    {
        using TestMachine machine = With(3, R);
        machine.WriteRam(Tables + ((Address >> 30) * 8), 0x1000 >> 12 << 10 | V);
        Assert.Equal(LoadAccessFault, LoadFault(machine, Address));
    }

    [Fact]
    public void AFenceMakesAChangedEntryVisible()
    {
        using TestMachine machine = With(3, R | W | A | D);
        Assert.Equal(0ul, StoreFault(machine, Address));
        machine.WriteRam(Leaf(3), 0);
        Fence(machine, Address);
        Assert.Equal(StorePageFault, StoreFault(machine, Address));
    }

    [Fact]
    public void RemoteFenceIsServedBeforeTheNextBlock()
    {
        using TestMachine machine = With(3, R | A | D);
        Assert.Equal(0ul, LoadFault(machine, Address));
        machine.WriteRam(Leaf(3), 0);
        machine.Hart.RequestAddressFence();
        Assert.Equal(LoadPageFault, LoadFault(machine, Address));
    }

    [Fact]
    public void AStoreAcrossTwoPagesIsAllOrNothing()
    {
        using TestMachine machine = With(3, R | W | A | D);
        machine.Hart[A2] = ulong.MaxValue;
        Assert.Equal(StorePageFault, StoreFault(machine, Address + 0xffc)); // the next page is not mapped
        Assert.Equal(0ul, machine.ReadRam(Page + 0xff8));
        Assert.True(machine.Hart.TryReadCsr(Mtval, out ulong value));
        Assert.Equal(Address + 0x1000, value);
    }

    [Fact]
    public void AtomicsFaultAsStores()
    {
        using TestMachine machine = With(3, R | A);
        machine.Program(TestMachine.RamBase, Atomic(0, 3, A0, A1, A2));
        Assert.Equal(StorePageFault, Access(machine, Address));
        using TestMachine other = With(3, R | W | A | D);
        other.Program(TestMachine.RamBase, Atomic(0, 3, A0, A1, A2));
        Assert.Equal(6ul, Access(other, Address + 4)); // misaligned
    }

    private static ulong Leaf(int levels) => Tables + ((ulong)(levels - 1) << 12) + ((Address >> 12 & 511) * 8);

    /// <summary>A hart with a page table that maps one page of data, and the code pages for everyone.</summary>
    private static TestMachine With(int levels, ulong leaf, ulong status = 0, PrivilegeMode mode = PrivilegeMode.Supervisor)
    {
        var machine = new TestMachine();
        Map(machine, levels, Address, Tables, Page, leaf | V);
        ulong code = X | R | A | V | (mode == PrivilegeMode.User ? U : 0);
        Map(machine, levels, CodeAddress, Tables + 0x10000, TestMachine.RamBase, code);
        machine.Program(Handler, Jal(Zero, 0));
        machine.Hart.TryWriteCsr(Mtvec, Handler);
        machine.Hart.TryWriteCsr(Satp, (ulong)(levels + 5) << 60 | Tables >> 12);
        machine.Hart.TryWriteCsr(Mstatus, status);
        machine.Hart.Mode = mode;
        return machine;
    }

    /// <summary>The root is shared; the lower tables of a mapping follow each other from an address on.</summary>
    private static void Map(TestMachine machine, int levels, ulong address, ulong tables, ulong page, ulong leaf)
    {
        ulong table = Tables;
        for (int level = levels - 1; level >= 0; level--)
        {
            ulong entry = table + ((address >> (12 + (9 * level)) & 511) * 8);
            ulong next = machine.ReadRam(entry) != 0 ? machine.ReadRam(entry) >> 10 << 12 : tables + ((ulong)(levels - level) << 12);
            machine.WriteRam(entry, level == 0 ? page >> 12 << 10 | leaf : next >> 12 << 10 | V);
            table = next;
        }
    }

    private static ulong LoadFault(TestMachine machine, ulong address)
    {
        machine.Program(TestMachine.RamBase, Ld(A0, A1, 0));
        return Access(machine, address);
    }

    private static ulong StoreFault(TestMachine machine, ulong address)
    {
        machine.Program(TestMachine.RamBase, Sd(A2, A1, 0));
        return Access(machine, address);
    }

    /// <summary>Runs the instruction at the code address; gives the exception code, or 0.</summary>
    private static ulong Access(TestMachine machine, ulong address)
    {
        machine.Program(TestMachine.RamBase + 4, Jal(Zero, 0));
        machine.Memory.NotifyWritten(TestMachine.RamBase, 8);
        machine.Hart.TryWriteCsr(Mcause, 0);
        if (machine.Hart.Mode == PrivilegeMode.Machine)
        {
            machine.Hart.Mode = PrivilegeMode.Supervisor;
        }

        machine.Hart.Pc = CodeAddress;
        machine.Hart[A1] = address;
        machine.Hart.Run(2);
        return Cause(machine);
    }

    private static void Fence(TestMachine machine, ulong address)
    {
        machine.Program(TestMachine.RamBase, SfenceVma(A1, Zero));
        Assert.Equal(0ul, Access(machine, address));
    }

    private static ulong Cause(TestMachine machine)
    {
        Assert.True(machine.Hart.TryReadCsr(Mcause, out ulong cause));
        return cause;
    }
}
